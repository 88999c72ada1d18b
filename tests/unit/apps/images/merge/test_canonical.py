"""Outputs of reprojection merged into an image: files, summary, provenance, what is refused."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from apps.images.merge.canonical import merge
from apps.images.merge.coadd.frames import Source
from apps.images.merge.coadd.options import Options
from apps.images.merge.coadd.stack import coadd
from apps.images.merge.pictures import NOTHING, png, preview, shrink, stretch
from apps.images.merge.product import ImageProduct
from boinc_project.errors import OutputError, UnitError
from boinc_project.fits.files import open_fits
from boinc_project.fits.images import Image
from boinc_project.outputs import Canonical, Rejected
from tests.reprojected import campaign, canonicals, unit_of, write_output
from tests.sky_frames import Exposure, Field, Kept

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIELD = Field(size=200, n_star=16, seed=2)
HOWS = [
    Exposure(cosmic_rays=2),
    Exposure(scale=0.7, sky=40.0),
    Exposure(scale=1.3, window=(30, 20, 170, 150)),
]
FILES = {
    "image.fits", "weight.fits", "variance.fits", "count.fits", "rejected.fits", "flags.fits",
    "preview.png", "coverage.png", "coverage.moc.fits", "catalogue.ecsv", "catalogue.fits",
    "summary.json", "provenance.json",
}  # fmt: skip
LOST = Rejected("field_g0_u001", "field_g0_u001_1", "invalid", "Tile 3 is not what was computed.")


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return [FIELD.expose(number, how)[0] for number, how in enumerate(HOWS)]


@pytest.fixture(scope="module")
def outputs(sources: list[Source], tmp_path_factory: pytest.TempPathFactory) -> list[Canonical]:
    directory = tmp_path_factory.mktemp("outputs")
    return canonicals(campaign(200, 3), directory, [one.frame for one in sources])


@pytest.fixture(scope="module")
def product(outputs: list[Canonical]) -> ImageProduct:
    return merge(campaign(200, 3), outputs, created_at=NOW, rejected=[LOST])


@pytest.fixture(scope="module")
def directory(product: ImageProduct, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("product")
    product.write(path)
    return path


def plane(directory: Path, name: str, extension: str) -> np.ndarray:
    with open_fits(directory / f"{name}.fits") as file:
        return Image(file, file[extension]).all()


def test_the_files_hold_the_stack_of_the_frames(
    sources: list[Source], directory: Path, tmp_path: Path
) -> None:
    assert {path.name for path in directory.iterdir()} == FILES
    kept = Kept(FIELD.grid)
    coadd(sources, FIELD.grid, Options(), kept, scratch=tmp_path)
    for name, expected in (
        ("image", kept.image), ("weight", kept.weight), ("variance", kept.variance),
        ("count", kept.count), ("rejected", kept.rejected), ("flags", kept.flags),
    ):  # fmt: skip
        found = plane(directory, name, "SCI" if name == "image" else name.upper())
        assert np.array_equal(found, expected, equal_nan=name in ("image", "variance"))


def test_the_image_has_the_coordinates_of_the_grid(directory: Path) -> None:
    with open_fits(directory / "image.fits") as file:
        header = file["SCI"].header
        assert (header.text("CTYPE1"), header.number("CRVAL1")) == ("RA---TAN", 150.0)
        # Fluxes are those of the reference, which came in its own time.
        assert file.hdus[0].header.number("EXPTIME") == 60.0
        assert file.hdus[0].header.number("TEXPTIME") == 180.0


def test_the_summary_says_what_it_is_made_of(directory: Path, product: ImageProduct) -> None:
    summary = json.loads((directory / "summary.json").read_text())
    assert summary == product.summary()
    assert (summary["kind"], summary["n_frame"], summary["converged"]) == ("image", 3, True)
    assert (summary["exposure_s"], summary["frames_deepest"]) == (180.0, 3)
    frames = {one["name"]: one for one in summary["frames"]}
    assert sum(one["weight_share"] for one in frames.values()) == pytest.approx(1.0)
    reference = frames.pop(summary["reference"])
    assert reference["flux_scale"] == {"value": 1.0, "error": 0.0}
    own = HOWS[int(reference["name"].split()[1])].scale
    for name, one in frames.items():
        true = own / HOWS[int(name.split()[1])].scale
        assert abs(one["flux_scale"]["value"] - true) < 5 * one["flux_scale"]["error"]
    # Two frames of noise 5 and one of 5 / 0.7 beside it, as fluxes of the reference.
    scales = [own / how.scale for how in HOWS]
    depth = sum(1 / (scale * 5.0) ** 2 for scale in scales) ** -0.5
    assert summary["depth"] == pytest.approx(depth, rel=0.02)
    assert "two frames overlap" in " ".join(summary["remarks"])


def test_provenance_names_units_and_rejected_results(directory: Path) -> None:
    found = json.loads((directory / "provenance.json").read_text())
    assert [one["name"] for one in found["units"]] == [f"field_g0_u00{n}" for n in range(3)]
    for one in found["units"]:
        assert (one["app_version"], one["platform"]) == (100, "x86_64-pc-linux-gnu")
        assert one["seed"]["entropy"] == 5
        assert one["n_pixel"] > 0
    (rejected,) = found["rejected"]
    assert rejected["reason"] == LOST.reason


def test_any_order_gives_the_same_files(
    outputs: list[Canonical], directory: Path, tmp_path: Path
) -> None:
    merge(campaign(200, 3), outputs[::-1], created_at=NOW, rejected=[LOST]).write(tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes(), name


def test_a_new_frame_joins_and_an_unfinished_image_says_so(outputs: list[Canonical]) -> None:
    some = merge(campaign(200, 3), outputs[:2], created_at=NOW)
    assert not some.converged
    assert some.outcome == "1 of 3 units are not in the image."
    assert some.digest != merge(campaign(200, 3), outputs, created_at=NOW).digest


def test_nothing_yet_is_a_product_of_nothing(tmp_path: Path) -> None:
    product = merge(campaign(200, 2), [], created_at=NOW)
    product.write(tmp_path)
    assert (product.n_unit, product.converged) == (0, False)
    assert {path.name for path in tmp_path.iterdir()} == {"summary.json", "provenance.json"}


def test_outputs_that_do_not_belong_are_refused(
    sources: list[Source], outputs: list[Canonical], tmp_path: Path
) -> None:
    of = campaign(200, 3)
    frame = sources[2].frame
    unit = unit_of(of, 0, [frame])

    def refused(match: str, canonical: Canonical) -> None:
        with pytest.raises(OutputError, match=match):
            merge(of, [canonical], created_at=NOW)

    refused("is not of", replace(outputs[0], unit=unit))
    empty = write_output(tmp_path / "e", unit, [frame], pixels=False)
    refused("digests only", replace(outputs[2], unit=unit, path=empty))
    moved = unit_of(of, 0, [replace(frame, x0=0)])  # type: ignore[type-var]
    path = write_output(tmp_path / "m", moved, [frame])
    refused("another part", replace(outputs[2], unit=moved, path=path))
    quiet = unit_of(of, 0, [replace(frame, noise=0.5)])  # type: ignore[type-var]
    path = write_output(tmp_path / "q", quiet, [frame])
    refused("another noise", replace(outputs[2], unit=quiet, path=path))
    small = campaign(150, 3)
    with pytest.raises(OutputError, match="stands out"):
        merge(small, [outputs[2]], created_at=NOW)
    with pytest.raises(UnitError, match=r"coadd\.sigma"):
        merge(campaign(200, 3, {"sigma": -1}), outputs, created_at=NOW)


def test_means_of_squares_leave_holes_out() -> None:
    plane = np.arange(2100 * 3, dtype=np.float32).reshape(3, 2100)
    plane[0, 0] = np.nan
    plane[:, 6:9] = np.nan
    small = shrink([plane[:2], plane[2:]], 2100, 3)
    assert small.shape == (1, 700)
    assert small[0, 0] == pytest.approx(np.nanmean(plane[:, :3]))
    assert np.isnan(small[0, 2])


def test_the_stretch_shows_sky_and_stars_and_holes() -> None:
    image = np.random.default_rng(1).normal(100, 2, (60, 60))
    image[10:14, 10:14] = 5000
    image[30, 30] = np.nan
    rgb = stretch(image)
    assert tuple(rgb[30, 30]) == NOTHING
    assert rgb[11, 11, 0] == 255
    assert 10 < np.median(rgb[40:, 40:, 0]) < 128
    assert (stretch(np.full((3, 3), np.nan)) == NOTHING).all()
    assert (stretch(np.full((3, 3), 7.0)) < 255).all()


def test_the_first_row_is_at_the_bottom_of_the_picture() -> None:
    rgb = np.zeros((3, 2, 3), np.uint8)
    rgb[0] = 200
    data = png(rgb)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    start = data.index(b"IDAT") + 4
    lines = np.frombuffer(zlib.decompress(data[start:]), np.uint8).reshape(3, 7)
    assert lines[:, 1:].max(axis=1).tolist() == [0, 0, 200]
    assert preview(np.full((3, 2), np.nan)).startswith(data[:8])
