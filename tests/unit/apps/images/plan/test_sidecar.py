"""Coordinates in a file beside the image, as solvers write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from apps.images.plan.remarks import Remarks
from apps.images.plan.sidecar import with_sidecar
from apps.images.plan.sky.frame import find_images
from apps.images.plan.sky.solution import read_solution
from boinc_project.errors import InputError
from tests.unit.apps.images.plan.image_campaign import star_field, write_campaign
from tests.unit.apps.images.plan.sky.headers import tan, write
from work_generator.campaign_file import load_campaign

# Cards are padded, the last ones are whatever a command line was.
ODD = ["WARNING = 'Warning scale was inaccurate!", "COMMENT cmdline:C:\\Users\\José\\astap.exe",
       "SWCREATE=  no quotes", "END"]  # fmt: skip


def beside(path: Path, header: fits.Header, *, lines: bool) -> None:
    if lines:
        text = "\n".join(
            ["SIMPLE  =                    T", *[card.image for card in header.cards], *ODD]
        )
        path.write_bytes(text.encode("latin1"))
    else:
        fits.PrimaryHDU(header=header).writeto(path)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("name", ["a.fits", "a.b.fit"])
def test_coordinates_beside_an_image_are_its_own(tmp_path: Path, name: str, lines: bool) -> None:
    header = tan(turn=20.0)
    path = write(tmp_path / name, star_field(header, seed=1))
    beside(path.with_suffix(".wcs"), header, lines=lines)
    (image,) = find_images(path)
    remarks = Remarks()
    ra, dec = read_solution(with_sidecar(image, remarks)).sky(np.array([7.0]), np.array([9.0]))
    other = read_solution(find_images(write(tmp_path / "b.fits", np.eye(9), header))[0])
    assert (ra, dec) == other.sky(np.array([7.0]), np.array([9.0]))
    assert remarks.lines() == [f"{name}: Its coordinates are those of the .wcs file beside it."]


def test_a_folder_of_a_solver_has_each_image_once(tmp_path: Path) -> None:
    night = tmp_path / "night"
    night.mkdir()
    for number in range(2):
        header = tan(150 + 0.001 * number)
        data = star_field(header, seed=number)
        write(night / f"{number}.fits", data)
        beside(night / f"{number}.wcs", header, lines=bool(number))
    for name in ("0.axy", "0.rdls", "0.corr"):
        table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))])
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(night / name)
    (night / "0.solved").write_bytes(b"\x01")
    campaign = load_campaign(
        write_campaign(tmp_path, '[images]\nfiles = ["night"]\n[reference]\nchoose = true\n')
    )
    assert [one["name"] for one in campaign.settings["images"]] == ["0.fits", "1.fits"]
    said = "\n".join(campaign.settings["remarks"])
    for words in (
        "0.wcs, 1.wcs: It is left out, because it has coordinates and no image.",
        "0.axy, 0.corr, 0.rdls: It is left out, because it has no image of two axes.",
        "Of the folder night, 0.solved is left out: no FITS file.",
    ):
        assert words in said


def test_a_file_beside_without_coordinates_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", np.eye(9))
    path.with_suffix(".wcs").write_text("nothing\nat all\n")
    with pytest.raises(InputError, match=r"a\.wcs has no coordinates for .*a\.fits"):
        with_sidecar(find_images(path)[0], Remarks())
