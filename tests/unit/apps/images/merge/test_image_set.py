"""A campaign of several filters: an image of each, and one preview in their colours."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from apps.images.merge.canonical import merge
from apps.images.merge.image_set import ImageSet, file_names
from apps.images.merge.product import ImageProduct
from boinc_project.outputs import Canonical
from boinc_project.report import read_report
from tests.reprojected import campaign, canonicals
from tests.sky_frames import Exposure, Field

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIELD = Field(size=200, n_star=16, seed=2)
HOWS = [
    Exposure(),
    Exposure(scale=0.05, cosmic_rays=5),
    Exposure(scale=0.9, cosmic_rays=9),
    Exposure(scale=0.06),
]
FILTERS = ["r", "H-alpha 6563/40", "r", "H-alpha 6563/40"]
REMARK = "There are 2 filters."
PLANES = ("image", "weight", "variance", "count", "rejected", "flags")
DESCRIPTIONS = ("catalogue.ecsv", "catalogue.fits", "coverage.moc.fits")


def the_campaign(**coadd: str):
    made = campaign(200, 4, coadd)
    return replace(made, settings={**made.settings, "remarks": [REMARK]})


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[Canonical]:
    frames = [FIELD.expose(number, how)[0].frame for number, how in enumerate(HOWS)]
    return canonicals(the_campaign(), tmp_path_factory.mktemp("outputs"), frames, FILTERS)


@pytest.fixture(scope="module")
def product(outputs: list[Canonical]) -> ImageSet:
    made = merge(the_campaign(), outputs, created_at=NOW)
    assert isinstance(made, ImageSet)
    return made


@pytest.fixture(scope="module")
def directory(product: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("product")
    # The files of an image of all frames, from before the campaign had a second filter.
    for name in (*(f"{plane}.fits" for plane in PLANES), *DESCRIPTIONS):
        (path / name).write_bytes(b"old")
    product.write(path)
    return path


def test_each_filter_has_files_of_its_own(directory: Path) -> None:
    names = {"H_alpha_6563_40", "r"}
    expected = {f"{plane}-{name}.fits" for plane in PLANES for name in names}
    expected |= {f"{picture}-{name}.png" for picture in ("preview", "coverage") for name in names}
    expected |= {
        f"{stem}-{name}.{suffix}"
        for stem, suffix in (
            ("catalogue", "ecsv"), ("catalogue", "fits"), ("coverage.moc", "fits"),
        )
        for name in names
    }  # fmt: skip
    expected |= {"preview.png", "coverage.png", "summary.json", "provenance.json"}
    assert {path.name for path in directory.iterdir()} == expected


def test_an_image_is_that_of_its_frames_alone(
    outputs: list[Canonical], directory: Path, tmp_path: Path
) -> None:
    alone = merge(the_campaign(), outputs[0::2], created_at=NOW)
    assert isinstance(alone, ImageProduct)
    alone.write(tmp_path)
    for plane in PLANES:
        one, other = tmp_path / f"{plane}.fits", directory / f"{plane}-r.fits"
        assert np.array_equal(fits.getdata(one, 1), fits.getdata(other, 1), equal_nan=True)
    assert fits.getheader(directory / "image-r.fits")["FILTER"] == "r"
    assert fits.getheader(directory / "image-H_alpha_6563_40.fits")["FILTER"] == "H-alpha 6563/40"


def test_the_summary_tells_each_filter(product: ImageSet, directory: Path) -> None:
    summary = json.loads((directory / "summary.json").read_text())
    assert summary == product.summary()
    assert (summary["kind"], summary["n_frame"], summary["exposure_s"]) == ("image", 4, 240.0)
    assert [one["filter"] for one in summary["filters"]] == ["H-alpha 6563/40", "r"]
    assert [one["n_frame"] for one in summary["filters"]] == [2, 2]
    assert [frame["filter"] for frame in summary["frames"]].count("r") == 2
    # Each has a depth of its own: fluxes of Ha are a twentieth, its noise is not.
    assert summary["depth"] is None
    depths = [one["depth"] for one in summary["filters"]]
    assert depths[0] == pytest.approx(depths[1], rel=0.2)
    assert summary["preview"] == ["H-alpha 6563/40", "r"]
    assert summary["remarks"].count(REMARK) == 1
    assert any(one.startswith("image-r.fits: 2 frames, 120 s, depth") for one in summary["remarks"])
    report = read_report(summary)
    assert report is not None
    filters, frames = report.tables
    assert [row[0] for row in filters.rows] == ["H-alpha 6563/40", "r"]
    assert [row[1] for row in frames.rows] == [frame["filter"] for frame in summary["frames"]]
    assert all(fact.label != "Noise of a pixel" for fact in report.facts)
    assert all((directory / picture.file).is_file() for picture in report.pictures)
    assert len(report.pictures) == 4


def test_numbers_of_the_set_are_of_all_filters(product: ImageSet) -> None:
    summary = product.summary()
    each = [image.summary() for image in product.images]
    counted = [image.statistics for image in product.images]
    n_rejected = sum(numbers.n_rejected for numbers in counted)
    assert n_rejected > 0
    assert summary["n_rejected"] == n_rejected
    n_value = sum(numbers.n_kept + numbers.n_rejected for numbers in counted)
    assert summary["rejected_fraction"] == n_rejected / n_value
    for name, number in summary["n_flagged"].items():
        assert number == sum(said["n_flagged"][name] for said in each)
    for key in ("covered_fraction", "frames_deepest"):
        assert summary[key] == max(said[key] for said in each)
    for key in ("noise_correlation", "aperture_radius", "depth", "reference"):
        assert summary[key] is None
    for entry, said in zip(summary["filters"], each, strict=True):
        for key in ("n_flagged", "rejected_fraction", "noise_correlation", "aperture_radius"):
            assert entry[key] == said[key] is not None


def test_any_order_gives_the_same_files(
    outputs: list[Canonical], directory: Path, tmp_path: Path
) -> None:
    merge(the_campaign(), outputs[::-1], created_at=NOW).write(tmp_path)
    for path in directory.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_filters_together_are_one_image(outputs: list[Canonical]) -> None:
    made = merge(the_campaign(filters="together"), outputs, created_at=NOW)
    assert isinstance(made, ImageProduct)
    assert (made.n_frame, made.filter) == (4, "")


def test_an_unfinished_set_says_so(outputs: list[Canonical]) -> None:
    some = merge(the_campaign(), outputs[:3], created_at=NOW)
    assert isinstance(some, ImageSet)
    assert (some.converged, some.sampled, some.n_unit, some.n_frame) == (False, False, 3, 3)
    assert some.outcome == "1 of 4 units are not in the image."
    assert some.size == "3 frames in 2 filters"
    whole = merge(the_campaign(), outputs, created_at=NOW)
    assert whole.converged
    assert whole.digest != some.digest


def test_names_of_files_differ_where_case_does_not_count() -> None:
    assert file_names(["R", "r", "Ha/7nm", "", "g'"]) == ["R", "r_2", "Ha_7nm", "unknown", "g"]
    assert file_names(["../x", "x"]) == ["x", "x_2"]
