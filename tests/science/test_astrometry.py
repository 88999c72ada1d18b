"""Headers that are off, from FITS files to the product: where stars are, and how wide.

Each campaign is of frames of known stars whose headers are wrong by a known amount. Stars of the
product are as wide as with true headers, to 1 %, and where they were put, to 0.02 pixels on
average.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray

from apps.images.compute.built import load_kernel
from apps.images.plan.sky.stars import find_stars
from tests.real_images import real_image
from tests.science.known_sky import GAIN, KnownSky, Seen
from tests.science.test_image_campaigns import merged
from tests.unit.apps.images.plan.image_campaign import write_campaign

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

SIDE = 500
SKY = KnownSky(SIDE, 14, seed=5, faintest=5e3, brightest=3e5)
PLACES = ((0.0, 0.0), (7.3, -12.1), (-15.6, 4.2), (3.9, 18.4), (-8.8, -9.5))


@dataclass(frozen=True)
class Off:
    """What is wrong with a frame: shift of its header (pixels), its turn (degrees), distortion
    (pixels at the edge) that its header does not have, and scatter of its stars (pixels).
    """

    shift: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0
    distortion: float = 0.0
    scatter: float = 0.0


class Displaced:
    """A projection whose pixels are not where it says."""

    def __init__(self, wcs: WCS, off: Off, seed: int) -> None:
        self.wcs, self.off, self.rng = wcs, off, np.random.default_rng(seed)

    def all_world2pix(self, ra: Any, dec: Any, origin: int) -> tuple[NDArray[np.float64], ...]:
        x, y = self.wcs.all_world2pix(ra, dec, origin)
        a, b = (x - SIDE / 2) / (SIDE / 2), (y - SIDE / 2) / (SIDE / 2)
        d, s = self.off.distortion, self.off.scatter
        return (
            x + d * a * a + s * self.rng.normal(size=len(x)),
            y + 0.5 * d * a * b + s * self.rng.normal(size=len(x)),
        )


@dataclass(frozen=True)
class Stack:
    """What came out: the frames' astrometry, star places minus the truth, width, and digest."""

    frames: list[dict[str, Any]]
    off: NDArray[np.float64]
    catalogue: NDArray[np.float64]
    fwhm: float
    digest: str
    remarks: list[str]


def stack(
    directory: Path, offs: tuple[Off, ...], *, fwhm: float = 3.0, astrometry: str = "refine"
) -> Stack:
    """Run a campaign of these frames from its files to its product."""
    (directory / "night").mkdir(parents=True)
    for number, (place, off) in enumerate(zip(PLACES, offs, strict=False)):
        how = Seen(fwhm=fwhm, shift=place)
        rng = np.random.default_rng(50 + number)
        true = WCS(SKY.header(how))
        light = SKY.paint(Displaced(true, off, number), how, (SIDE, SIDE))  # type: ignore[arg-type]
        noise = rng.normal(size=light.shape) * np.sqrt(how.noise**2 + light / GAIN)
        stated = Seen(shift=tuple(np.add(place, off.shift)), turn=off.turn)
        header = SKY.header(stated, EXPTIME=60.0, GAIN=GAIN)
        data = (light + how.sky + noise).astype(np.float32)
        fits.PrimaryHDU(data, header).writeto(directory / f"night/{number}.fits")
    grid = SKY.header()
    grid.update({"NAXIS1": SIDE, "NAXIS2": SIDE})
    (directory / "grid.hdr").write_text(grid.tostring(sep="\n"))
    text = (
        f'[images]\nfiles = ["night"]\ngain = "GAIN"\nastrometry = "{astrometry}"\n'
        '[reference]\nheader = "grid.hdr"\n'
    )
    campaign, product, image = merged(write_campaign(directory, text))
    summary = product.summary()
    x, y = WCS(grid).all_world2pix(SKY.ra, SKY.dec, 0)
    stars = find_stars(image.astype(np.float32))
    table = Table.read(directory / "product" / "catalogue.ecsv")
    table = table[(table["flags"] == 0) & (table["flux"] > 30 * table["flux_error"])]
    at = WCS(grid).all_world2pix(table["ra"], table["dec"], 0)
    return Stack(
        [frame["astrometry"] for frame in sorted(summary["frames"], key=lambda one: one["name"])],
        _off(stars.x, stars.y, x, y),
        _off(*at, x, y),
        stars.fwhm,
        product.digest,
        campaign.settings["remarks"],
    )


def _off(x: Any, y: Any, true_x: Any, true_y: Any) -> NDArray[np.float64]:
    x, y = np.asarray(x), np.asarray(y)
    distance = np.hypot(x[:, None] - true_x, y[:, None] - true_y)
    nearest = distance.argmin(axis=1)
    good = distance.min(axis=1) < 5
    return np.column_stack([x - true_x[nearest], y - true_y[nearest]])[good]


@cache
def perfect(fwhm: float) -> tuple[Stack, Stack]:
    """Return the stack of frames whose headers are right, with the key on and off."""
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        refined, header = (
            stack(Path(directory) / key, (Off(),) * 5, fwhm=fwhm, astrometry=key)
            for key in ("refine", "header")
        )
    return refined, header


@pytest.mark.parametrize("fwhm", [3.0, pytest.param(1.2, marks=pytest.mark.slow)])
def test_right_headers_give_the_same_product_with_the_key_on_and_off(fwhm: float) -> None:
    refined, header = perfect(fwhm)
    assert [one["applied"] for one in refined.frames] == ["none"] * 5
    assert header.frames == [None] * 5
    assert refined.digest == header.digest
    assert refined.remarks == header.remarks


@pytest.mark.parametrize(
    ("off", "applied", "fwhm", "sharper"),
    [
        (Off(shift=(0.3, 0.0)), "shift", 3.0, 1.0),
        pytest.param(Off(shift=(0.3, 0.0)), "shift", 1.2, 1.0, marks=pytest.mark.slow),
        pytest.param(Off(shift=(-1.6, 1.2)), "shift", 3.0, 1.01, marks=pytest.mark.slow),
        pytest.param(Off(turn=0.05), "linear", 3.0, 1.0, marks=pytest.mark.slow),
        pytest.param(Off(distortion=1.5), "quadratic", 3.0, 1.0, marks=pytest.mark.slow),
    ],
)
def test_one_frame_that_is_off(
    tmp_path: Path, off: Off, applied: str, fwhm: float, sharper: float
) -> None:
    offs = (Off(), Off(), off, Off(), Off())
    refined = stack(tmp_path / "on", offs, fwhm=fwhm)
    header = stack(tmp_path / "off", offs, fwhm=fwhm, astrometry="header")
    assert [one["applied"] for one in refined.frames] == ["none", "none", applied, "none", "none"]
    right, _ = perfect(fwhm)
    assert refined.fwhm == pytest.approx(right.fwhm, rel=0.01)
    assert header.fwhm >= sharper * refined.fwhm
    # Places of stars of 1.2 pixels depend on where they are in a pixel, with true headers, too.
    for stars, as_right in ((refined.off, right.off), (refined.catalogue, right.catalogue)):
        assert len(stars) > 80
        middle = np.median(stars, axis=0)
        assert np.abs(middle).max() < (0.02 if fwhm > 2 else 0.03)
        assert np.abs(middle - np.median(as_right, axis=0)).max() < 0.005
    scatter = [1.4826 * np.median(np.abs(one.off)) for one in (refined, right, header)]
    assert scatter[0] < max(1.15 * scatter[1], 0.02)
    assert scatter[2] > scatter[0]


@pytest.mark.parametrize("size", [0.3, pytest.param(2.0, marks=pytest.mark.slow)])
def test_headers_that_all_are_off(tmp_path: Path, size: float) -> None:
    """Stars are as sharp as with true headers; where they are is known as the headers' mean is."""
    errors = size * np.random.default_rng(17).normal(size=(5, 2))
    offs = tuple(Off(shift=tuple(error)) for error in errors)
    refined = stack(tmp_path / "on", offs)
    header = stack(tmp_path / "off", offs, astrometry="header")
    right, _ = perfect(3.0)
    assert refined.fwhm == pytest.approx(right.fwhm, rel=0.01)
    assert header.fwhm > (1.01 if size < 1 else 1.2) * right.fwhm
    # Four standard errors of a mean of three of the five.
    assert np.hypot(*np.median(refined.off, axis=0)) < 4 * size * np.sqrt(2 / 3)
    spread = refined.off - np.median(refined.off, axis=0)
    assert 1.4826 * np.median(np.abs(spread)) < 0.03


@pytest.mark.slow
def test_stars_that_move_by_themselves_move_no_frame(tmp_path: Path) -> None:
    offs = (Off(scatter=0.3),) * 5
    refined = stack(tmp_path / "on", offs)
    header = stack(tmp_path / "off", offs, astrometry="header")
    assert [one["applied"] for one in refined.frames] == ["none"] * 5
    assert refined.digest == header.digest


def test_a_real_frame_whose_header_is_moved_is_moved_back(tmp_path: Path) -> None:
    """Three copies of a GOTO frame with distortions and noise of their own, one 3 pixels off."""
    (tmp_path / "night").mkdir()
    path = real_image("goto_virgo_1.fits")
    with fits.open(path) as hdus:
        number = next(i for i, hdu in enumerate(hdus) if hdu.data is not None)
        data, header = hdus[number].data.astype(np.float32), hdus[number].header
    rng = np.random.default_rng(3)
    for name, shift in (("a", 0.0), ("b", 0.0), ("c", 3.0)):
        moved = header.copy()
        moved["CRPIX1"] += shift
        noisy = data + rng.normal(0, 1.0, data.shape).astype(np.float32)
        fits.PrimaryHDU(noisy, moved).writeto(tmp_path / f"night/{name}.fits")
    text = '[images]\nfiles = ["night"]\n[reference]\nchoose = true\n'
    _, product, _ = merged(write_campaign(tmp_path, text))
    frames = {one["name"]: one["astrometry"] for one in product.summary()["frames"]}
    assert frames["a.fits"]["applied"] == frames["b.fits"]["applied"] == "none"
    assert frames["c.fits"]["applied"] != "none"
    assert frames["c.fits"]["rms_after"] < 0.1 < 3.5 < frames["c.fits"]["rms_before"]
