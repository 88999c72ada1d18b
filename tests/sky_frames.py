"""Simulated frames of one field, for the tests of co-addition: stars, skies, noise, cosmic rays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.clip import Stacked
from apps.images.merge.coadd.frames import ArrayFrame, Source
from apps.images.merge.coadd.measure import Grid


@dataclass(frozen=True)
class Exposure:
    """What a simulated frame is made with."""

    scale: float = 1.0
    noise: float = 5.0
    fwhm: float = 2.8
    sky: float = 100.0
    slope: tuple[float, float] = (0.0, 0.0)
    window: tuple[int, int, int, int] | None = None
    cosmic_rays: int = 0


@dataclass
class Field:
    """Stars of a square field: columns, rows and fluxes."""

    size: int
    n_star: int
    seed: int
    x: NDArray[np.float64] = field(init=False)
    y: NDArray[np.float64] = field(init=False)
    flux: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        # On a jittered lattice: no star within another one's aperture.
        side = int(np.ceil(np.sqrt(self.n_star)))
        pitch = (self.size - 60) / side
        place = np.stack(np.divmod(np.arange(self.n_star), side)) + 0.5
        self.y, self.x = 30 + pitch * place + rng.uniform(-0.1, 0.1, place.shape) * pitch
        self.flux = 10 ** rng.uniform(3.8, 5.0, self.n_star)

    @property
    def grid(self) -> Grid:
        return Grid(self.size, self.size)

    def stars(self, fwhm: float) -> NDArray[np.float64]:
        """Return an image of all stars, Gaussian, without sky."""
        image = np.zeros((self.size, self.size))
        sigma = fwhm / 2.3548
        for x, y, flux in zip(self.x, self.y, self.flux, strict=True):
            rows, columns = (np.arange(max(0, int(v) - 20), int(v) + 21) for v in (y, x))
            rows, columns = rows[rows < self.size], columns[columns < self.size]
            r2 = (rows[:, None] - y) ** 2 + (columns - x) ** 2
            image[np.ix_(rows, columns)] += (
                flux * np.exp(-r2 / 2 / sigma**2) / (2 * np.pi * sigma**2)
            )
        return image

    def expose(self, number: int, how: Exposure) -> tuple[Source, NDArray[np.int64]]:
        """Return a frame, and rows and columns of its cosmic rays within its window."""
        rng = np.random.default_rng((self.seed, number))
        y, x = np.mgrid[-1 : 1 : self.size * 1j, -1 : 1 : self.size * 1j]
        image = how.scale * self.stars(how.fwhm) + how.sky + how.slope[0] * x + how.slope[1] * y
        image += rng.normal(0.0, how.noise, image.shape)
        x0, y0, nx, ny = how.window or (0, 0, self.size, self.size)
        hits = rng.integers(0, (ny, nx), (how.cosmic_rays, 2))
        pixels = image[y0 : y0 + ny, x0 : x0 + nx].astype(np.float32)
        pixels[hits[:, 0], hits[:, 1]] += 400 * how.noise
        return Source(ArrayFrame(f"frame {number}", x0, y0, how.noise, pixels)), hits


class Kept:
    """A sink that keeps a stack in memory."""

    def __init__(self, grid: Grid) -> None:
        shape = (grid.ny, grid.nx)
        self.image, self.weight, self.variance = (np.full(shape, -1, np.float32) for _ in range(3))
        self.count, self.rejected, self.flags = (np.full(shape, 9999, np.uint16) for _ in range(3))

    def write(self, start: int, band: Stacked) -> None:
        rows = slice(start, start + len(band.image))
        self.image[rows], self.weight[rows] = band.image, band.weight
        self.count[rows], self.rejected[rows] = band.count, band.rejected
        assert band.flags is not None
        self.flags[rows] = band.flags
        if band.variance is not None:
            self.variance[rows] = band.variance

    def bytes(self) -> list[bytes]:
        planes = (
            self.image, self.weight, self.variance, self.count, self.rejected, self.flags
        )  # fmt: skip
        return [plane.tobytes() for plane in planes]
