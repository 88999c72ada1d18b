"""Images for the demo."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from apps.images.plan.sky.frame import find_images
from apps.images.plan.sky.pixels import physical, read_raw
from apps.images.plan.sky.quality import seeing, sky_noise
from apps.images.plan.sky.solution import read_solution
from server.demo import images


def test_simulated_exposures_have_stars_and_coordinates(tmp_path: Path) -> None:
    images.simulate(tmp_path, n_frame=2)
    widths = []
    for path in sorted(tmp_path.glob("*.fits")):
        (image,) = find_images(path)
        values = physical(read_raw(image), image.scaling)
        noise = sky_noise(values)
        assert noise == pytest.approx(16.0, rel=0.05)
        width = seeing(values, noise)
        assert width is not None
        widths.append(width)
        assert read_solution(image).scale == pytest.approx(1.24, rel=1e-3)
    assert widths == pytest.approx([2.6, 3.0], rel=0.1)


def test_without_the_package_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "PACKAGE", "no such package")
    found = images.get_images(tmp_path)
    assert "cannot be had (no such package cannot be downloaded here)" in found.text
    assert len(list(found.folder.glob("field-*.fits"))) == 4


@pytest.mark.parametrize("same", [True, False])
def test_real_images_are_those_expected_or_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    """The download itself is replaced: tests need no network."""
    contents = {member: f"image {member}".encode() for member in images.MEMBERS}
    if same:
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
        monkeypatch.setattr(images, "MEMBERS", digests)

    def download(command: list[str], **_: object) -> None:
        with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "a.whl", "w") as packed:
            for member, data in contents.items():
                packed.writestr(member, data)

    monkeypatch.setattr(subprocess, "run", download)
    found = images.get_images(tmp_path)
    names = sorted(path.name for path in found.folder.iterdir())
    if same:
        assert names == ["goto-1.fits", "goto-2.fits"]
        assert found.text.startswith("Two exposures by GOTO")
    else:
        assert names[0] == "field-1.fits"
        assert "other images than expected" in found.text
