"""A sky of known stars as FITS files of a campaign, and what its product says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.special import erf

from apps.images.merge.coadd.flags import Flag
from tests.science.test_image_campaigns import merged
from tests.unit.apps.images.plan.image_campaign import write_campaign
from tests.unit.apps.images.plan.sky.headers import tan

Doubles = NDArray[np.float64]
GAIN = 1.5
CENTRE = 150.0, 2.0


@dataclass(frozen=True)
class Seen:
    """How a frame sees the sky."""

    fwhm: float = 3.0
    transparency: float = 1.0
    noise: float = 15.0
    sky: float = 400.0
    turn: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    cosmics: int = 0
    trails: tuple[tuple[float, float, float], ...] = ()
    """Of each: distance from the middle, angle, and peak in standard deviations."""
    saturation: float = 1e9
    silent: bool = False
    """Whether the header says nothing of saturation, and pixels stop at it."""
    halo: float = 0.0
    """Part of a star's light in a halo ten times as wide."""


@dataclass
class KnownSky:
    """Stars on a jittered lattice in a square field of pixels of 1 arcsecond."""

    size: int
    n_side: int
    seed: int
    faintest: float = 3e3
    brightest: float = 1e6

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        pitch = self.size * 1.1 / self.n_side
        place = (np.stack(np.divmod(np.arange(self.n_side**2), self.n_side)) + 0.5) * pitch
        place += rng.uniform(-0.2, 0.2, place.shape) * pitch - 0.05 * self.size
        wcs = WCS(self.header())
        self.ra, self.dec = wcs.all_pix2world(place.T, 0).T
        self.flux = np.exp(
            rng.uniform(np.log(self.faintest), np.log(self.brightest), self.n_side**2)
        )

    def header(self, how: Seen | None = None, **cards: float) -> fits.Header:
        how = how or Seen()
        n = self.size
        header = tan(*CENTRE, nx=n, ny=n, turn=how.turn, scale=1.0, **cards)
        header["CRPIX1"] += how.shift[0]
        header["CRPIX2"] += how.shift[1]
        return header

    def paint(self, wcs: WCS, how: Seen, shape: tuple[int, int]) -> Doubles:
        """Return the stars' light, integrated over pixels."""
        image = np.zeros(shape)
        at_x, at_y = wcs.all_world2pix(self.ra, self.dec, 0)
        parts = [(how.fwhm, 1 - how.halo)] + ([(10 * how.fwhm, how.halo)] if how.halo else [])
        for fwhm, part in parts:
            width = fwhm / 2.3548200450309493 * np.sqrt(2)
            reach = int(3 * fwhm) + 3
            for x, y, flux in zip(at_x, at_y, part * self.flux * how.transparency, strict=True):
                axes = []
                for place, n in ((y, shape[0]), (x, shape[1])):
                    low, high = max(0, int(place) - reach), min(n, int(place) + reach + 1)
                    edges = np.arange(low, high + 1) - 0.5 - place
                    axes.append((low, max(high, low), np.diff(erf(edges / width)) / 2))
                (y0, y1, rows), (x0, x1, columns) = axes
                if y1 > y0 and x1 > x0:
                    image[y0:y1, x0:x1] += flux * np.outer(rows, columns)
        return image

    def expose(self, path: Path, number: int, how: Seen) -> NDArray[np.bool_]:
        """Write a frame; return where its cosmic rays are."""
        rng = np.random.default_rng((self.seed, number))
        n = self.size
        header = self.header(how, EXPTIME=60.0, GAIN=GAIN)
        if not how.silent:
            header["SATURATE"] = min(how.saturation, 1e9)
        light = self.paint(WCS(header), how, (n, n))
        image = light + how.sky
        image += rng.normal(0, 1, (n, n)) * np.sqrt(how.noise**2 + light / GAIN)
        hit = np.zeros((n, n), dtype=bool)
        for _ in range(how.cosmics):
            x, y = rng.integers(5, n - 12, 2)
            length, angle = rng.integers(1, 7), rng.uniform(0, np.pi)
            height = rng.uniform(20, 200) * how.noise
            for step in range(length):
                at = int(y + step * np.sin(angle)), int(x + step * np.cos(angle))
                image[at] += height
                hit[at] = True
        rows, columns = np.mgrid[0:n, 0:n] - n / 2
        for offset, angle, peak in how.trails:
            off = rows * np.cos(angle) - columns * np.sin(angle) - offset
            image += peak * how.noise * np.exp(-0.5 * (off / 2.0) ** 2)
        top = how.saturation * (1.0 if how.silent else 1.05)
        fits.PrimaryHDU(np.minimum(image, top).astype(np.float32), header).writeto(path)
        return hit

    def product(self, directory: Path, hows: list[Seen], *, more: str = "") -> Product:
        """Run a campaign of these frames from its files to its product."""
        (directory / "night").mkdir(parents=True)
        hits = [
            self.expose(directory / "night" / f"{number:02d}.fits", number, how)
            for number, how in enumerate(hows)
        ]
        grid = self.header()
        grid.update({"NAXIS1": self.size, "NAXIS2": self.size})
        (directory / "grid.hdr").write_text(grid.tostring(sep="\n"))
        stated = "" if hows[0].silent else 'saturation = "SATURATE"'
        text = f"""[images]
files = ["night"]
gain = "GAIN"
{stated}
[reference]
header = "grid.hdr"
[reproject]
output = "float"
[coadd]
reference = "00.fits"
{more}
"""
        _, product, image = merged(write_campaign(directory, text))
        planes = {"image": image}
        for name in ("weight", "count", "rejected", "flags"):
            with fits.open(directory / "product" / f"{name}.fits") as hdus:
                planes[name] = next(one.data for one in hdus if one.data is not None)
        return Product(self, hows, hits, product.summary(), **planes)


@dataclass
class Product:
    """The planes of a product, beside the truth."""

    truth: KnownSky
    hows: list[Seen]
    hits: list[NDArray[np.bool_]]
    summary: dict[str, object]
    image: Doubles
    weight: Doubles
    count: Doubles
    rejected: Doubles
    flags: NDArray[np.int32]

    @property
    def wcs(self) -> WCS:
        return WCS(self.truth.header())

    @property
    def blank(self) -> NDArray[np.bool_]:
        """Where stars have less than a tenth of the noise of a frame, away from edges."""
        widest = max(self.hows, key=lambda how: how.fwhm)
        light = self.truth.paint(self.wcs, replace(widest, transparency=1.0), self.image.shape)
        blank = light < 0.1 * min(how.noise for how in self.hows)
        blank[:24] = blank[-24:] = blank[:, :24] = blank[:, -24:] = False
        return blank & np.isfinite(self.image)

    def on_grid(self) -> NDArray[np.bool_]:
        """Return the pixels of the grid within one of a cosmic ray of any frame."""
        near = np.zeros(self.image.shape, dtype=bool)
        for how, hit in zip(self.hows, self.hits, strict=True):
            rows, columns = np.nonzero(hit)
            sky = WCS(self.truth.header(how)).all_pix2world(columns, rows, 0)
            at = np.rint(self.wcs.all_world2pix(*sky, 0)).astype(int)
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    x, y = at[0] + dx, at[1] + dy
                    inside = (x >= 0) & (y >= 0) & (x < near.shape[1]) & (y < near.shape[0])
                    near[y[inside], x[inside]] = True
        return near

    def on_trails(self) -> NDArray[np.bool_]:
        """Return the pixels of the grid within three of a trail's middle, in any frame."""
        rows, columns = np.mgrid[0 : self.image.shape[0], 0 : self.image.shape[1]]
        sky = self.wcs.all_pix2world(columns.ravel(), rows.ravel(), 0)
        near = np.zeros(self.image.shape, dtype=bool)
        for how in self.hows:
            x, y = WCS(self.truth.header(how)).all_world2pix(*sky, 0)
            x, y = (one.reshape(near.shape) - self.truth.size / 2 for one in (x, y))
            for offset, angle, _ in how.trails:
                near |= np.abs(y * np.cos(angle) - x * np.sin(angle) - offset) < 3
        return near

    @property
    def optimum(self) -> float:
        """The least noise that all frames together can have in a pixel, as fluxes of the first."""
        first = self.hows[0].transparency
        return sum((how.transparency / first / how.noise) ** 2 for how in self.hows) ** -0.5

    def noise(self) -> float:
        """Scatter of sums of 4 x 4 blank pixels that all frames have, as of one pixel.

        Larger boxes would see the stars' faint wings; these miss some 2 % of the noise, which
        interpolation has moved across their borders.
        """
        clean = self.blank & (self.count + self.rejected == len(self.hows)) & (self.count > 0)
        clean &= (self.flags & (Flag.STREAK | Flag.INEXACT_PSF | Flag.CLIPPED)) == 0
        clean = np.where(clean, self.image - np.median(self.image[clean]), np.nan)
        n = self.truth.size // 4 * 4
        boxes = clean[:n, :n].reshape(n // 4, 4, n // 4, 4)
        count = np.isfinite(boxes).sum(axis=(1, 3))
        sums = np.nansum(boxes, axis=(1, 3))[count > 10] / np.sqrt(count[count > 10])
        return 1.4826 * float(np.median(np.abs(sums - np.median(sums))))

    def survivors(self, where: NDArray[np.bool_], sigma: float | None = None) -> int:
        """Return how many blank pixels are 5 standard deviations above the sky.

        `sigma` is that of pixels if it is not given.
        """
        sky = self.image[self.blank]
        level = np.median(sky)
        if sigma is None:
            sigma = 1.4826 * float(np.median(np.abs(sky - level)))
        return int(((self.image - level > 5 * sigma) & where & self.blank).sum())

    def stars(self, least: float, most: float, radius: float = 9.0) -> tuple[Doubles, list[int]]:
        """Return measured over true fluxes, and all flags, of stars that are whole."""
        x, y = self.wcs.all_world2pix(self.truth.ra, self.truth.dec, 0)
        rows, columns = np.mgrid[-22:23, -22:23]
        ratios, flags = [], []
        wanted = (self.truth.flux >= least) & (self.truth.flux < most)
        inside = (np.minimum(x, y) > 40) & (np.maximum(x, y) < self.truth.size - 41)
        for number in np.flatnonzero(wanted & inside):
            i, j = round(float(x[number])), round(float(y[number]))
            stamp = self.image[j - 22 : j + 23, i - 22 : i + 23]
            distance = np.hypot(rows + j - y[number], columns + i - x[number])
            aperture = distance < radius
            if not np.isfinite(stamp[aperture]).all():
                continue
            ring = stamp[(distance > radius + 4) & np.isfinite(stamp)]
            flux = (stamp[aperture] - np.median(ring)).sum()
            ratios.append(flux / self.truth.flux[number] / self.hows[0].transparency)
            here = self.flags[j - 22 : j + 23, i - 22 : i + 23][aperture]
            flags.append(int(np.bitwise_or.reduce(here)))
        return np.array(ratios), flags

    def n_flag(self, flag: Flag) -> int:
        return int(((self.flags & flag.value) != 0).sum())
