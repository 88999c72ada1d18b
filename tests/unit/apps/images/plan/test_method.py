"""Which frames are averaged over the grid's pixels, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.images.compute.app import Frames
from apps.images.compute.settings import ReprojectionSettings
from apps.images.plan import units as reprojection
from apps.images.plan.method import FINEST, choose_method, why_averaged
from apps.images.plan.sky.solution import make_solution
from apps.images.plan.sky.window import Window, mean_scale, transform
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from tests.unit.apps.images.plan.image_campaign import write_campaign
from tests.unit.apps.images.plan.sky.headers import sky, tan, write
from work_generator.campaign_file import load_campaign

GRID = '[reference]\nheader = "grid.hdr"\n'


@pytest.mark.parametrize("stated", ["lanczos3", "cubic", "bilinear"])
def test_what_would_alias_is_averaged(stated: str) -> None:
    assert choose_method(stated, 0.3, "a.fits") == stated
    assert choose_method(stated, FINEST - 0.01, "a.fits") == stated
    assert choose_method(stated, FINEST, "a.fits") == "area"
    assert choose_method(stated, 100.0, "a.fits") == "area"


@pytest.mark.parametrize("stated", ["area", "drizzle"])
def test_averages_that_were_asked_for_are_made(stated: str) -> None:
    for stretch in (0.1, 1.0, 20.0):
        assert choose_method(stated, stretch, "a.fits") == stated


def test_the_independent_reference_has_no_substitute() -> None:
    assert choose_method("reproject", 1.1, "a.fits") == "reproject"
    with pytest.raises(InputError, match=r"is 4\.0 times finer than the grid"):
        choose_method("reproject", 4.0, "a.fits")


@pytest.mark.parametrize("stated", ["lanczos3", "area", "drizzle", "reproject"])
def test_pixels_of_half_the_sky_are_refused(stated: str) -> None:
    with pytest.raises(InputError, match="choose a finer grid"):
        choose_method(stated, 700.0, "a.fits")


def test_scales_are_those_of_the_coordinates() -> None:
    """Of a grid with pixels of 8 x 2 arcseconds, and a frame with pixels of 1 that is turned."""
    header = tan(nx=50, ny=60)
    for key, step in (("CD1_1", -8.0), ("CD1_2", 0.0), ("CD2_1", 0.0), ("CD2_2", 2.0)):
        header[key] = step / 3600
    grid = make_solution(header, 50, 60, "grid")
    frame = make_solution(tan(nx=300, ny=300, turn=31.0), 300, 300, "frame")
    exact = transform(grid, frame, Window(0, 0, 50, 60))
    area, stretch = mean_scale(exact, (50, 60), (300, 300))
    assert area == pytest.approx(16.0, rel=1e-3)
    assert stretch == pytest.approx(8.0, rel=1e-3)


def folder(path: Path) -> Path:
    """Write frames of 1 and of 0.25 arcseconds a pixel, and a grid of 1."""
    (path / "night").mkdir()
    for name, scale, turn in (("same.fits", 1.0, 10.0), ("fine.fits", 0.25, 80.0)):
        write(path / "night" / name, sky(400, 400), tan(nx=400, ny=400, scale=scale, turn=turn))
    header = tan(nx=200, ny=160)
    header.insert(0, ("NAXIS2", 160))
    header.insert(0, ("NAXIS1", 200))
    (path / "grid.hdr").write_text(header.tostring(sep="\n", endcard=True, padding=False) + "\n")
    return path


def prepared(path: Path, reproject: str = "") -> Campaign:
    text = f'[images]\nfiles = ["night"]\n{GRID}[reproject]\n{reproject}\n'
    store = InputStore(path / "inputs")
    return reprojection.prepare(load_campaign(write_campaign(path, text)), None, store)


def test_frames_of_one_campaign_have_methods_of_their_own(tmp_path: Path) -> None:
    campaign = prepared(folder(tmp_path))
    (unit,) = reprojection.plan(campaign, Progress())
    settings = ReprojectionSettings.from_mapping(unit.settings)
    methods = {one.name: (one.method, round(one.area, 2)) for one in settings.frames}
    assert methods == {"same.fits": ("lanczos3", 1.0), "fine.fits": ("area", 16.0)}
    assert unit.min_app_version == Frames.version == 110
    noise = {one.name: one.pixel_noise for one in settings.frames}
    # The same noise a pixel: its sum over 16 pixels is 4 times that of one.
    assert noise["fine.fits"] / noise["same.fits"] == pytest.approx(4.0, rel=0.05)
    said = " ".join(reprojection.describe(campaign))
    assert "fine.fits: It is averaged over the pixels of the grid, because it is 4 times" in said


def test_estimates_know_the_method(tmp_path: Path) -> None:
    path = folder(tmp_path)
    campaign = prepared(path, "frames_per_unit = 1")
    units = reprojection.plan(campaign, Progress())
    each = {unit.settings["frames"][0]["name"]: reprojection.cost(campaign, unit) for unit in units}
    seconds = {name: cost.fpops / cost.n_call for name, cost in each.items()}
    assert 5 < seconds["fine.fits"] / seconds["same.fits"] < 30


def test_drizzle_has_drops(tmp_path: Path) -> None:
    campaign = prepared(folder(tmp_path), 'method = "drizzle"\npixfrac = 0.6')
    (unit,) = reprojection.plan(campaign, Progress())
    settings = ReprojectionSettings.from_mapping(unit.settings)
    assert settings.pixfrac == 0.6
    assert {one.method for one in settings.frames} == {"drizzle"}
    assert settings.step_sigma is None  # each pixel has a variance of its own
    assert "kernel.fits" not in unit.inputs


@pytest.mark.parametrize(
    ("reproject", "said"),
    [
        ("pixfrac = 0.5", 'pixfrac is for method = "drizzle"'),
        ('method = "drizzle"\npixfrac = 1.2', "pixfrac = 1.2 is out of range"),
        ('method = "drizzle"\npixfrac = 0.0', "pixfrac"),
        ('method = "drizzle"\noutput = "steps"', 'write output = "float"'),
        ('method = "nearest"', "write one of lanczos3, bilinear, cubic, area, drizzle, reproject"),
        ('method = "reproject"', "times finer than the grid"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, reproject: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        prepared(folder(tmp_path), reproject)


def test_units_are_no_larger_than_an_output_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(tmp_path)
    before = prepared(path, "frames_per_unit = 2")
    assert before.stop.max_units == 1
    monkeypatch.setattr("apps.images.plan.prepare.most_frames", lambda *_: 1)
    after = prepared(path, "frames_per_unit = 2")
    assert (after.stop.max_units, after.settings["frames_per_unit"]) == (2, 1)
    assert len(reprojection.plan(after, Progress())) == 2


@pytest.mark.parametrize(
    ("width", "free", "method"),
    [(1.7, True, "area"), (1.7, False, "lanczos3"), (2.3, True, "lanczos3"),
     (None, True, "lanczos3")],
)  # fmt: skip
def test_narrow_stars_are_shared_out_by_area(
    width: float | None, method: str, *, free: bool
) -> None:
    assert choose_method("lanczos3", 0.5, "f.fits", width=width, free=free) == method


def test_the_reason_for_areas_is_said() -> None:
    assert "rings" in why_averaged("lanczos3", 0.5)
    assert "finer" in why_averaged("lanczos3", 4.0)
