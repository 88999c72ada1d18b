"""Campaigns of images from their file to the co-added image: plan, app, co-addition.

Simulated fields are compared with what they were made of; real images with reproject, and with
what their own headers and weights say.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable

from apps.images.compute.app import OUTPUT_FILE
from apps.images.compute.built import load_kernel
from apps.images.compute.computing import run
from apps.images.merge.canonical import merge
from apps.images.merge.product import ImageProduct
from apps.images.output import open_reprojection_output
from apps.images.plan import units as reprojection
from apps.runtime import open_runtime
from boinc_project.campaign import Campaign, Progress
from boinc_project.input_store import InputStore
from boinc_project.outputs import Canonical
from boinc_project.unit import UNIT_FILE, seal
from tests.real_images import decam, real_image
from tests.unit.apps.images.plan.image_campaign import star_field, write_campaign
from tests.unit.apps.images.plan.sky.headers import tan, write
from work_generator.campaign_file import load_campaign

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")


def computed(path: Path) -> tuple[Campaign, list[Canonical]]:
    """Plan a campaign, and compute its units."""
    store = InputStore(path.parent / "inputs")
    campaign = reprojection.prepare(load_campaign(path), None, store)
    outputs = []
    for unit in reprojection.plan(campaign, Progress()):
        slot = path.parent / unit.name
        seal(unit, {name: store.find(digest) for name, digest in unit.inputs.items()}, slot)
        inputs = {name: slot / name for name in (UNIT_FILE, *unit.inputs)}
        with open_runtime(slot) as runtime:
            run(unit, inputs, slot / OUTPUT_FILE, runtime)
        outputs.append(Canonical(unit, slot / OUTPUT_FILE, unit.name))
    return campaign, outputs


def merged(path: Path) -> tuple[Campaign, ImageProduct, np.ndarray]:
    """Return the prepared campaign, its product, and the image."""
    campaign, outputs = computed(path)
    product = merge(campaign, outputs, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    product.write(path.parent / "product")
    with fits.open(path.parent / "product" / "image.fits") as hdus:
        image = next(hdu.data for hdu in hdus if hdu.data is not None and hdu.data.ndim == 2)
        return campaign, product, image.astype(float)


def frames_of(outputs: Sequence[Canonical]) -> list[np.ndarray]:
    found = []
    for one in outputs:
        with open_reprojection_output(one.path) as output:
            found += [frame.rows(0, frame.ny)[0] for frame in output.frames]
    return found


def quoted(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(f'"{path}"' for path in paths) + "]"


def test_stars_are_where_they_were_put_and_as_bright(tmp_path: Path) -> None:
    """Four turned exposures of one star each in a grid of 25: centroid and flux of the stack."""
    places = [(x, y) for x in (40, 70, 100, 130, 160) for y in (30, 55, 80, 105, 130)]
    grid = WCS(tan())
    ra, dec = grid.all_pix2world(np.array(places, float), 0).T
    flux, sigma = 20_000.0, 1.3
    y, x = np.mgrid[0:200, 0:240]
    (tmp_path / "night").mkdir()
    for number in range(4):
        header = tan(150.0015 * 1.0, 2.001, nx=240, ny=200, turn=7.0 * number, EXPTIME=10.0)
        image = np.random.default_rng(number).normal(50.0, 1.0, (200, 240))
        for at_x, at_y in zip(*WCS(header).all_world2pix(ra, dec, 0), strict=True):
            light = np.exp(-0.5 * ((x - at_x) ** 2 + (y - at_y) ** 2) / sigma**2)
            image += flux * light / (2 * np.pi * sigma**2)
        write(tmp_path / "night" / f"{number}.fits", image.astype(np.float32), header)
    header = tan()
    header.update({"NAXIS1": 200, "NAXIS2": 160})
    (tmp_path / "grid.hdr").write_text(header.tostring(sep="\n"))
    text = '[images]\nfiles = ["night"]\n[reference]\nheader = "grid.hdr"\n[coadd]\nflux = "none"\n'
    _, product, stack = merged(write_campaign(tmp_path, text))
    assert product.converged
    sky = np.nanmedian(stack)
    yy, xx = np.mgrid[-9:10, -9:10]
    fluxes = []
    for at_x, at_y in places:
        stamp = stack[at_y - 9 : at_y + 10, at_x - 9 : at_x + 10] - sky
        fluxes.append(stamp.sum())
        assert abs((stamp * xx).sum() / stamp.sum()) < 0.03
        assert abs((stamp * yy).sum() / stamp.sum()) < 0.03
    assert np.median(fluxes) == pytest.approx(flux, rel=2e-3)


def test_sharper_frames_do_not_matter_for_the_order(tmp_path: Path) -> None:
    """One campaign in units of one and of four frames gives the same image, bit for bit."""
    images = []
    for size in (1, 4):
        directory = tmp_path / str(size)
        (directory / "night").mkdir(parents=True)
        for number in range(4):
            header = tan(150.0 + 0.003 * number, 2.0, turn=11.0 * number)
            data = star_field(header, seed=number)
            write(directory / "night" / f"{number}.fits", data, header)
        text = '[images]\nfiles = ["night"]\n[reference]\nchoose = true\n'
        path = write_campaign(directory, text + f"[reproject]\nframes_per_unit = {size}\n")
        images.append(merged(path)[2])
    assert np.array_equal(images[0], images[1], equal_nan=True)


@pytest.mark.parametrize("turned", [False, True])
def test_the_pair_of_two_projections_is_that_of_reproject(tmp_path: Path, turned: bool) -> None:
    """2MASS on MSX's galactic grid, and MSX on 2MASS's, value by value.

    MSX's pixels are coarser: there the frame is averaged over areas, as reproject_exact does. The
    pixels of 2MASS stop at 3000, which would be taken as saturated.
    """
    reproject = pytest.importorskip("reproject")
    pair = [real_image("gc_2mass_k.fits"), real_image("gc_msx_e.fits")]
    onto, from_ = pair if not turned else pair[::-1]
    text = f"""[images]
files = {quoted([from_])}
saturation = 1e9
[reference]
image = "{onto}"
[reproject]
method = "bilinear"
flux = "surface_brightness"
output = "float"
"""
    campaign, outputs = computed(write_campaign(tmp_path, text))
    (ours,) = frames_of(outputs)
    (frame,) = campaign.settings["frames"]
    x0, y0 = frame["x0"], frame["y0"]
    with fits.open(from_) as source, fits.open(onto) as target:
        if frame["method"] == "area":
            theirs, _ = reproject.reproject_exact(source[0], target[0].header)
        else:
            theirs, _ = reproject.reproject_interp(source[0], target[0].header, order="bilinear")
    assert (frame["method"] == "area") is turned
    theirs = theirs[y0 : y0 + frame["ny"], x0 : x0 + frame["nx"]]
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert both.sum() > 0.98 * max(np.isfinite(ours).sum(), np.isfinite(theirs).sum())
    assert both.sum() > 10_000
    # Maps are right to 1e-4 pixels: a value differs by that part of its neighbours' difference.
    steepest = np.nanmax(np.abs(np.diff(fits.getdata(from_).astype(float))))
    assert np.abs(ours - theirs)[both].max() < 2e-4 * steepest


def with_tables(path: Path) -> WCS:
    """Write a frame whose distortion is in lookup tables; return its coordinates."""
    wcs = WCS(tan())
    y, x = np.mgrid[0:17, 0:21]
    table = (0.4 * np.sin(x / 3.0) * np.cos(y / 4.0)).astype(np.float32)
    wcs.cpdis1 = DistortionLookupTable(table, (1, 1), (1, 1), (10, 10))
    wcs.cpdis2 = DistortionLookupTable(-table, (1, 1), (1, 1), (10, 10))
    hdus = wcs.to_fits()
    y, x = np.mgrid[0:160, 0:200]
    hdus[0].data = (50 + 0.3 * x + 0.2 * y).astype(np.float32)
    noise = np.random.default_rng(1).normal(0, 0.01, (160, 200))
    hdus[0].data += noise.astype(np.float32)
    hdus.writeto(path)
    return wcs


def test_lookup_tables_reach_the_pixels_by_a_dense_map(tmp_path: Path) -> None:
    """A ramp on the frame is, on the grid, the ramp at the exact places."""
    wcs = with_tables(tmp_path / "tables.fits")
    header = tan(turn=25.0)
    header.update({"NAXIS1": 200, "NAXIS2": 160})
    (tmp_path / "grid.hdr").write_text(header.tostring(sep="\n"))
    text = """[images]
files = ["tables.fits"]
extension = "all"
[reference]
header = "grid.hdr"
[reproject]
method = "bilinear"
flux = "surface_brightness"
output = "float"
"""
    campaign, outputs = computed(write_campaign(tmp_path, text))
    (frame,) = campaign.settings["frames"]
    assert frame["step"] == 1
    (ours,) = frames_of(outputs)
    y, x = np.mgrid[0 : frame["ny"], 0 : frame["nx"]]
    ra, dec = WCS(tan(turn=25.0)).all_pix2world(x + frame["x0"], y + frame["y0"], 0)
    inside = np.isfinite(ours)
    there_x, there_y = wcs.all_world2pix(ra[inside], dec[inside], 0, tolerance=1e-8)
    expected = 50 + 0.3 * there_x + 0.2 * there_y
    deep = (there_x > 1) & (there_x < 198) & (there_y > 1) & (there_y < 158)
    assert deep.sum() > 15_000
    # Five sigma of the noise, of a million; without the tables places are off by 0.4 pixels.
    assert np.abs(ours[inside] - expected)[deep].max() < 0.06


def test_the_independent_reference_says_the_same_of_a_frame(tmp_path: Path) -> None:
    pytest.importorskip("reproject")
    write(tmp_path / "a.fits", star_field(tan(turn=8.0), seed=3), tan(turn=8.0))
    found = []
    for method in ("reproject", "bilinear"):
        directory = tmp_path / method
        directory.mkdir()
        text = f"""[images]
files = ["{tmp_path}/a.fits"]
[reference]
choose = true
[reproject]
method = "{method}"
output = "float"
"""
        found += frames_of(computed(write_campaign(directory, text))[1])
    theirs, ours = found
    both = np.isfinite(theirs) & np.isfinite(ours)
    assert both.mean() > 0.99
    assert np.abs(theirs - ours)[both].max() < 1e-3 * 4000


def test_six_exposures_of_decam_go_deeper_together(tmp_path: Path) -> None:
    """Weights as they are given: the stack's noise is that of the sum of the weights."""
    text = f"""[images]
files = {quoted(decam("ooi"))}
weight = {{ replace = ["_ooi_", "_oow_"] }}
gain = "GAINA"
[reference]
choose = true
[coadd]
filters = "together"
"""
    campaign, product, stack = merged(write_campaign(tmp_path, text))
    frames = campaign.settings["frames"]
    assert [frame["variance"] for frame in frames] == [{"kind": "map"}] * 6
    assert all(frame["step"] >= 64 for frame in frames)
    assert product.n_frame == 6
    assert 0.5 < np.isfinite(stack).mean() <= 1.0
    summary = product.summary()
    assert sum(one["weight_share"] for one in summary["frames"]) == pytest.approx(1.0)
    # All of them together have less noise than the best of them alone.
    alone = [one["noise"] / one["flux_scale"]["value"] for one in summary["frames"]]
    assert summary["depth"] < min(alone)


def test_a_frame_of_37_pixels_distortion_is_undistorted(tmp_path: Path) -> None:
    """Stars of the GOTO frame, measured before and after, are at the same places of the sky."""
    path = real_image("goto_virgo_1.fits")
    text = f"[images]\nfiles = {quoted([path])}\n[reference]\nchoose = true\n"
    campaign, outputs = computed(write_campaign(tmp_path, text))
    (ours,) = frames_of(outputs)
    (frame,) = campaign.settings["frames"]
    assert frame["map_error"] < 1e-4
    data = fits.getdata(path).astype(float)
    with fits.open(path) as hdus:
        source = WCS(hdus[0].header)
    cards = campaign.settings["grid"]["cards"]
    grid = WCS(fits.Header([fits.Card.fromstring(card) for card in cards]))
    offsets = []
    for x, y in brightest(data, 40):
        sky = source.pixel_to_world(*centroid(data, x, y))
        expected = np.array(grid.world_to_pixel(sky)) - [frame["x0"], frame["y0"]]
        near = np.round(expected).astype(int)
        if (near < 12).any() or (near > np.array(ours.shape[::-1]) - 13).any():
            continue
        found = centroid(ours, *near)
        offsets.append(np.hypot(*(np.array(found) - expected)))
    assert len(offsets) > 15
    assert np.median(offsets) < 0.03


def brightest(image: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Return places of bright, separate peaks, (x, y)."""
    left = np.nan_to_num(image[20:-20, 20:-20].copy())
    found = []
    while len(found) < count:
        y, x = np.unravel_index(np.argmax(left), left.shape)
        value = left[y, x]
        left[max(0, y - 15) : y + 16, max(0, x - 15) : x + 16] = 0
        if value < 40_000:
            found.append((int(x) + 20, int(y) + 20))
    return found


def centroid(image: np.ndarray, x: int, y: int, reach: int = 5) -> tuple[float, float]:
    """Return a star's place: three rounds of a Gaussian-weighted mean."""
    box = np.s_[y - 11 : y + 12, x - 11 : x + 12]
    stamp = image[box] - np.nanmedian(image[y - 20 : y + 21, x - 20 : x + 21])
    rows, columns = np.mgrid[y - 11 : y + 12, x - 11 : x + 12]
    at_x, at_y = float(x), float(y)
    for _ in range(12):
        weight = np.exp(-0.5 * ((columns - at_x) ** 2 + (rows - at_y) ** 2) / 2.0**2)
        total = np.nansum(stamp * weight)
        # A Gaussian of a star's own width moves the mean by half of what is lacking.
        at_x += 2 * (np.nansum(stamp * weight * columns) / total - at_x)
        at_y += 2 * (np.nansum(stamp * weight * rows) / total - at_y)
    return at_x, at_y


def test_raw_frames_are_calibrated_and_stacked(tmp_path: Path) -> None:
    """The raw pair of M13, given coordinates for the test: bias taken off, twice as deep."""
    header = tan(250.42, 36.46, nx=1392, ny=1040, scale=1.0)
    for number in (1, 2):
        with fits.open(real_image(f"M13_blue_000{number}.fits")) as hdus:
            data = hdus[0].data
            merged_header = hdus[0].header.copy()
        merged_header.update(header)
        fits.PrimaryHDU(data, merged_header).writeto(tmp_path / f"m13-{number}.fits")
    bias = np.full((1040, 1392), 100.0, np.float32)
    write(tmp_path / "bias.fits", bias)
    text = """[images]
files = ["m13-*.fits"]
[calibration]
bias = "bias.fits"
[reference]
image = "m13-1.fits"
[reproject]
method = "bilinear"
[coadd]
clip = "scatter"
background = "none"
flux = "none"
"""
    campaign, product, stack = merged(write_campaign(tmp_path, text))
    raw = [fits.getdata(tmp_path / f"m13-{number}.fits").astype(float) for number in (1, 2)]
    weights = np.array([1 / frame["noise"] ** 2 for frame in campaign.settings["frames"]])
    expected = sum(w * (one - 100.0) for w, one in zip(weights, raw, strict=True)) / weights.sum()
    middle = np.s_[100:900, 100:1200]
    assert product.n_frame == 2
    steps = 0.25 * max(frame["noise"] for frame in campaign.settings["frames"])
    assert np.nanmax(np.abs(stack - expected)[middle]) < steps
