"""The compiled kernel's functions, and what they mean.

The kernel is exact: the same bits from every compiler, at every level (width of vectors), for every
cut into tiles. See ``docs/developer/reprojection.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.compute.built import load_kernel
from apps.images.output_frame import FAR_BLANK, NEAR_BLANK, VARIANCE_BLOCK
from boinc_project.errors import ConfigError, FitsError
from boinc_project.fits.images import Scale

_kernel = load_kernel()

MARGIN_BEFORE, MARGIN_AFTER = 4, 8
"""Columns around a frame in memory, as in ``kernel/interface.h``."""
MARGIN_ROWS = 4
TAPS = {"bilinear": 2, "cubic": 4, "lanczos3": 6, "area": 1, "drizzle": 1}
"""Pixels each way that make an output pixel; ``area`` and ``drizzle`` take as many as there are."""
MOST_CELLS = 1024
"""Columns, and rows, of a frame that an output pixel of ``area`` may cover, as in
``kernel/interface.h``: what covers more is nothing."""
MOST_LOST = {"bilinear": 0.0, "cubic": 1 / 32, "lanczos3": 1 / 32, "area": 1 / 8, "drizzle": 1 / 8}
"""Share of a kernel's absolute weights that may be masked; what is left is scaled up to 1. A masked
pixel is in effect replaced by the weighted mean of the others, so that a contrast of c between
them costs up to c / 32: at the noise of the sky nothing, on a star's flank 3 %. Without it, each
masked pixel would blank 36 pixels of Lanczos3, with it about 12. Bilinear loses a pixel to any
masked neighbour, as reproject's does. An average over an area may lose an eighth, a bad column of
a frame eight times finer than the grid, because the kernel looks at what is left: if it scatters so
that the mean in place of what is lost could be wrong by more than the noise, the pixel is lost."""
AREA_METHODS = ("area", "drizzle")
"""Methods that average over the area of output pixels."""
MOST_STEPS = 2**30
"""Largest number of steps stored; what is brighter is cut there."""


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """Nodes of a pixel map, float64 (2, n_row, n_column), and the pixels between them."""

    nodes: NDArray[np.float64]
    step: int

    def at(self, columns: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return places in the frame, (2, n_row, n_column), as the kernel does but for rounding."""
        along, across = _lagrange(columns, self.step), _lagrange(rows, self.step)
        first = [np.asarray(one) // self.step for one in (columns, rows)]
        found = np.zeros((2, len(rows), len(columns)))
        for i in range(4):
            for j in range(4):
                part = self.nodes[:, (first[1] + i)[:, None], first[0] + j]
                found += across[i][:, None] * along[j] * part
        return found


def _lagrange(places: NDArray[np.int64], step: int) -> list[NDArray[np.float64]]:
    """Return weights of the nodes at -1, 0, 1 and 2 for places of the window."""
    t = places % step / step
    return [
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """Rows of a frame in memory, (n_row, stride) pixels; see `apps.images.compute.rows`.

    `values` is (n_row, stride, depth): of each pixel its value and, unless all have
    `constant_variance`, its variance; side by side, because they are always needed together.
    `first` is the frame row of the first.
    """

    values: NDArray[np.float32]
    flags: NDArray[np.uint8]
    windows: NDArray[np.uint8]
    constant_variance: float
    first: int
    n_row: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Interpolation:
    """How to interpolate.

    `table` is float32 (n_phase + 1, 2, 8) for Lanczos3: weights, and differences to the next phase.
    `drop` is the side of the square, in pixels of the frame, that ``drizzle`` takes a pixel for.
    """

    method: str
    conserve_flux: bool
    table: NDArray[np.float32] | None = None
    drop: float = 1.0

    @property
    def is_area(self) -> bool:
        """Whether output pixels are averages over their area, not values at their centres."""
        return self.method in AREA_METHODS


@dataclass(frozen=True, slots=True)
class Steps:
    """How values become integers: value = zero + step * stored."""

    step: float
    zero: float
    blank: int

    @classmethod
    def of(cls, step: float, sky: float | None) -> Steps:
        """Return steps counted from the sky, if it is known."""
        return cls(step, 0.0, FAR_BLANK) if sky is None else cls(step, sky, NEAR_BLANK)

    @property
    def least(self) -> int:
        """Smallest number that stands for a value."""
        return max(self.blank + 1, -MOST_STEPS)


def levels() -> Sequence[str]:
    """Return the vector widths that this processor has, the fastest first."""
    return [] if _kernel is None else list(_kernel.levels())


def need_kernel() -> str:
    """Return the fastest level.

    Raises
    ------
    ConfigError
        If the kernel was not built.
    """
    if _kernel is None:
        raise ConfigError(
            "The reprojection kernel was not built, for want of a C compiler when the project was "
            'installed: install one and install again, or write method = "reproject".'
        )
    return levels()[0]


def lanczos_table(weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the kernel's form of a table of weights, float64 (n_phase + 1, 6).

    Row k has the weights of the pixels at -2 ... 3 for a point k / n_phase behind pixel 0; between
    rows the kernel interpolates.

    Raises
    ------
    FitsError
        If it is not such a table.
    """
    n_phase = len(weights) - 1
    if weights.ndim != 2 or weights.shape[1] != 6 or not 16 <= n_phase <= 65536:
        raise FitsError("LANCZOS3 is not a table of six weights for each phase.")
    if not (np.abs(weights) <= 2.0).all() or np.abs(weights.sum(axis=1) - 1.0).max() > 1e-6:
        raise FitsError("LANCZOS3 has weights that do not add up to 1.")
    # A phase fills a line of the cache, and should not lie in two.
    room = np.zeros(16 * (n_phase + 2), np.float32)
    skip = -room.ctypes.data % 64 // 4
    table = room[skip : skip + 16 * (n_phase + 1)].reshape(n_phase + 1, 2, 8)
    table[:, 0, :6] = weights
    table[:-1, 1] = table[1:, 0] - table[:-1, 0]
    return table


def resample(
    level: str,
    pixel_map: Map,
    planes: Planes,
    how: Interpolation,
    box: tuple[int, int, int, int],
    values: NDArray[np.float32],
    variance: NDArray[np.float32],
) -> int:
    """Interpolate a box of output pixels.

    Parameters
    ----------
    level : str
        One of `levels`.
    pixel_map : Map
        Where the box's pixels lie in the frame.
    planes : Planes
        The frame.
    how : Interpolation
        How.
    box : tuple[int, int, int, int]
        First column and row, as `pixel_map` counts them, and number of columns and rows.
    values, variance : ndarray
        float32 (rows, columns), filled; NaN where there is nothing.

    Returns
    -------
    int
        Pixels whose rows are not in memory, and which were not computed.
    """
    _, n_row, n_column = pixel_map.nodes.shape
    table = how.table
    taps = TAPS[how.method]
    return int(
        _kernel.resample(
            level,
            (
                *(pixel_map.nodes, n_row, n_column, pixel_map.step),
                0 if table is None else len(table) - 1,
            ),
            (
                *(planes.values, planes.flags, planes.windows, planes.values.shape[2]),
                *(planes.constant_variance, planes.values.shape[1]),
                *(planes.first, planes.n_row, planes.width, planes.height),
            ),
            (taps, table, MOST_LOST[how.method], int(how.conserve_flux), how.drop),
            box,
            values,
            variance,
        )
    )


def quantise(level: str, steps: Steps, values: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return values as steps, to the nearest (halves to even), cut at `MOST_STEPS`."""
    stored = np.empty(values.shape, np.int32)
    _kernel.quantise(
        level, steps.zero, steps.step, steps.blank, steps.least, MOST_STEPS, values.size, values,
        stored,
    )  # fmt: skip
    return stored


def coarsen(level: str, variance: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return codes of the mean variance of blocks; see `apps.images.output`."""
    ny, nx = variance.shape
    codes = np.empty((-(-ny // VARIANCE_BLOCK), -(-nx // VARIANCE_BLOCK)), np.int16)
    _kernel.coarsen(level, nx, ny, variance, codes)
    return codes


@dataclass(frozen=True, slots=True)
class Loading:
    """How stored numbers become values, variances and masks; see `apps.images.compute.settings`.

    Attributes
    ----------
    scale : Scale
        Of the stored numbers.
    saturation : float
        Values from here on, before calibration, are masked; infinity: none are.
    dark_scale : float
        How often the dark is subtracted.
    repeat_edge : bool
        Whether margins repeat the edge; otherwise they are masked.
    """

    scale: Scale
    saturation: float
    dark_scale: float
    repeat_edge: bool


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Rows of a frame, packed; None for what is not there.

    In native byte order, but that float32 pixels and variances may be in the other one. `mask` is
    uint8, not 0 where masked; the planes of the variance and of the masters are float32.
    """

    stored: NDArray[Any]
    mask: NDArray[np.uint8] | None = None
    variance: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None
    dark: NDArray[np.float32] | None = None
    flat: NDArray[np.float32] | None = None


def load(
    how: Loading, sources: Sources, planes: Planes, row: int, *, level: str | None = None
) -> None:
    """Calibrate rows, and put them into `planes` from `row` on; by default at the fastest level."""
    n_row, width = sources.stored.shape
    scale = how.scale
    _kernel.load(
        level or levels()[0],
        (
            _letter(sources.stored.dtype),
            int(sources.variance is not None and not sources.variance.dtype.isnative),
            *(scale.scale, scale.zero, scale.blank or 0, int(scale.blank is not None)),
            *(how.saturation, how.dark_scale),
        ),
        int(how.repeat_edge),
        tuple(getattr(sources, field) for field in _SOURCES),
        (planes.values, planes.flags, planes.values.shape[2]),
        *(planes.values.shape[1], row, n_row, width),
    )


def _letter(dtype: np.dtype[Any]) -> str:
    """Return the kernel's letter of a type; float32 may be in the other byte order."""
    letter = _LETTERS[dtype.str[1:]]
    return letter if dtype.isnative else letter.upper()


_LETTERS = {"u1": "B", "i2": "h", "i4": "i", "i8": "q", "f4": "f", "f8": "d"}
_SOURCES = ("stored", "mask", "variance", "bias", "dark", "flat")


def find_windows(planes: Planes, method: str, first: int = 0, *, level: str | None = None) -> None:
    """Fill `planes.windows`: whether a masked pixel is among the taps that begin at each pixel.

    From the row in memory `first` on: those before are known.
    """
    stride, n_row = planes.flags.shape[1], planes.n_row - first
    _kernel.windows(
        level or levels()[0],
        *(planes.flags[first:], planes.windows[first:], stride, n_row, TAPS[method]),
    )
