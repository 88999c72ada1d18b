"""Sources of a stack, by sep: the algorithms of SExtractor (Bertin & Arnouts 1996, A&AS 117, 393).

The stack is worked through in squares that overlap, so that memory does not grow with the grid; a
source belongs to the square that its middle is in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.flags import Flag
from apps.images.merge.planes import Planes

SIDE = 1536
"""Pixels of a square without its margin: some 70 MB of memory while it is worked on."""
MARGIN = 96
"""Pixels that a square overlaps with its neighbours: a mesh and a half of the background."""
MESH = 64
"""Pixels of a mesh of the background."""
DETECTION = 1.0
"""Standard deviations of a pixel that a source's pixels exceed once they are smoothed over 3 x 3:
the smoothing leaves 0.375 of the noise, so it is 2.7 of what is left."""
LEAST_AREA = 5
"""Connected pixels of a source."""
LEAST_SNR = 5.0
"""Signal over noise of a source's flux in the aperture or the ellipse."""
KRON, KRON_LEAST = 2.5, 3.5
"""Size of the ellipse of the Kron flux in its radii, and the least in standard deviations of the
source: what SExtractor takes. A Gaussian has 99.8 % of its light within 3.5 of them."""
RADII = (3.0, 4.0, 6.0, 8.0, 11.0, 15.0)
"""Radii of circular apertures, pixels, of which one is chosen for all sources."""
HELD = 0.995
"""Part of the light within the largest aperture that the chosen one holds."""
LEAST_FOR_RADIUS = 5
"""Bright sources by which the aperture is chosen; else it is the middle one."""
BRIGHT = 50.0
"""Signal over noise of a source whose growth curve says something."""
STACK, SUB_OBJECTS = 2_000_000, 8192
"""sep's room for the pixels of sources, and for the parts of one."""
FWHM_OF_HALF_LIGHT = 2.0
"""Full width at half maximum over the radius of half the light: exact for a Gaussian."""

BLENDED, TRUNCATED, INCOMPLETE, CLIPPED, SATURATED, DOUBTFUL = 1, 2, 4, 8, 16, 32
FLAGS = {
    BLENDED: "parted from a neighbour",
    TRUNCATED: "cut by the edge of what is covered",
    INCOMPLETE: "its aperture has pixels without a value",
    CLIPPED: "values of frames were clipped within its FWHM",
    SATURATED: "its peak is at or above SATURATE, or its core is lost",
    DOUBTFUL: "cannot be told which values are right within its FWHM",
}
"""Bits of a source's flags."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Masks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Sources, the brightest first; all arrays have one value a source.

    Attributes
    ----------
    x, y : ndarray
        Middles, windowed, pixels of the grid from 0.
    flux, flux_error : ndarray
        In the circular aperture of `radius`, in the unit of the image.
    flux_kron, flux_kron_error : ndarray
        In an ellipse that follows the source's own size.
    fwhm : ndarray
        Pixels.
    a, b, theta : ndarray
        Standard deviations along the axes of the ellipse, pixels, and the angle of the longer one
        from the rows of the grid towards its columns, degrees.
    peak : ndarray
        Highest value above the background.
    flags : ndarray
        int32; see `FLAGS`.
    radius : float
        Of the aperture, pixels.
    """

    x: Doubles
    y: Doubles
    flux: Doubles
    flux_error: Doubles
    flux_kron: Doubles
    flux_kron_error: Doubles
    fwhm: Doubles
    a: Doubles
    b: Doubles
    theta: Doubles
    peak: Doubles
    flags: NDArray[np.int32]
    radius: float

    def __len__(self) -> int:
        return len(self.x)

    @property
    def seeing(self) -> float | None:
        """Median FWHM of bright sources that nothing is odd about, pixels; None if there are none.

        Galaxies are wider than stars: where they are many it is too large.
        """
        good = (self.flags == 0) & (self.flux > BRIGHT * self.flux_error) & (self.fwhm > 0)
        return float(np.median(self.fwhm[good])) if good.any() else None


def find_sources(
    planes: Planes, *, gain: float | None = None, saturation: float | None = None
) -> Sources:
    """Find and measure the sources of a stack.

    Parameters
    ----------
    planes : Planes
        The stack; its weights are taken for one over the variance of the sky.
    gain : float, optional
        Electrons of a unit of flux; without it errors are those of the sky alone.
    saturation : float, optional
        Value from which a pixel may be saturated.

    Raises
    ------
    ValueError
        If sep gives up, as where nearly all of an image is one source.
    """
    parts = []
    for own, around in _squares(planes.grid.ny, planes.grid.nx):
        pixels = planes.box("image", around).astype(np.float32, copy=False)
        weights = planes.box("weight", around).astype(np.float32, copy=False)
        flags = planes.box("flags", around)
        odd = {
            CLIPPED: planes.box("rejected", around) > 0,
            SATURATED: (flags & Flag.SAT.value) != 0,
            DOUBTFUL: (flags & Flag.SUSPECT.value) != 0,
        }
        columns = _measure(pixels, weights, odd, gain, saturation)
        if columns is not None:
            parts.append(_placed(columns, own, around))
    return _joined(parts)


def _squares(ny: int, nx: int) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Yield squares as slices of rows and columns: without their margins, and with them."""
    for y in range(0, ny, SIDE):
        for x in range(0, nx, SIDE):
            own = np.s_[y : min(y + SIDE, ny), x : min(x + SIDE, nx)]
            yield (
                own,
                np.s_[
                    max(0, y - MARGIN) : min(y + SIDE + MARGIN, ny),
                    max(0, x - MARGIN) : min(x + SIDE + MARGIN, nx),
                ],
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Square:
    """Pixels of a square above their background, and the objects that were found in it."""

    above: Floats
    level: Floats
    sky: dict[str, Any]
    objects: NDArray[Any]


def _measure(
    image: Floats,
    weight: Floats,
    odd: Mapping[int, Masks],
    gain: float | None,
    saturation: float | None,
) -> dict[str, NDArray[Any]] | None:
    """Return the sources of a square by column, among them `growth`, (n, n_radius).

    `odd` has the pixels that give a source in whose FWHM they are one of `FLAGS`.
    """
    import sep  # only who makes a catalogue needs it

    square = _detect(sep, image, weight, gain)
    if square is None:
        return None
    above, objects, sky = square.above, square.objects, square.sky
    x, y = objects["x"], objects["y"]
    kron, kron_error, width = _kron(sep, above, objects, sky)
    sums = [sep.sum_circle(above, x, y, radius, subpix=5, **sky) for radius in RADII]
    sigma = np.maximum(width, 1.0) / 2.3548
    sharp_x, sharp_y, lost = sep.winpos(above, x, y, sigma, mask=sky["mask"])
    astray = (lost != 0) | (np.hypot(sharp_x - x, sharp_y - y) > np.maximum(width, 1.0))
    return {
        "x": np.where(astray, x, sharp_x), "y": np.where(astray, y, sharp_y),
        "growth": np.column_stack([flux for flux, _, _ in sums]),
        "growth_error": np.column_stack([spread for _, spread, _ in sums]),
        "holes": np.column_stack([flag & sep.APER_HASMASKED for _, _, flag in sums]),
        "edges": np.column_stack([flag & sep.APER_TRUNC for _, _, flag in sums]),
        "flux_kron": kron, "flux_kron_error": kron_error, "fwhm": width,
        "a": objects["a"], "b": objects["b"], "theta": np.degrees(objects["theta"]),
        "peak": objects["peak"].astype(np.float64),
        "flags": _flags(sep, square, odd, width, saturation),
    }  # fmt: skip


def _detect(sep: Any, image: Floats, weight: Floats, gain: float | None) -> _Square | None:
    """Take the background away and find objects; None if there are none. Changes its arrays."""
    mask = ~(np.isfinite(image) & (weight > 0))
    if mask.all():
        return None
    image[mask], weight[mask] = 0.0, 1.0
    error = np.reciprocal(np.sqrt(weight, out=weight), out=weight)
    sep.set_extract_pixstack(STACK)
    sep.set_sub_object_limit(SUB_OBJECTS)
    try:
        background = sep.Background(image, mask=mask, bw=MESH, bh=MESH)
        level = background.back(dtype=np.float32)
        above = np.subtract(image, level, out=image)
        above[mask] = 0.0
        objects = sep.extract(
            above, DETECTION, err=error, mask=mask, minarea=LEAST_AREA, filter_type="conv"
        )
    except Exception as failure:  # sep raises nothing narrower
        raise ValueError(f"sep gave up: {failure}") from failure
    objects = objects[np.isfinite(objects["a"]) & (objects["b"] > 0)]
    if not len(objects):
        return None
    return _Square(above, level, {"mask": mask, "err": error, "gain": gain or 0.0}, objects)


def _flags(
    sep: Any,
    square: _Square,
    odd: Mapping[int, Masks],
    width: Doubles,
    saturation: float | None,
) -> NDArray[np.int64]:
    objects = square.objects
    core = np.maximum(width / 2, 1.0)
    top = objects["peak"] + square.level[objects["ypeak"], objects["xpeak"]]
    flags = np.zeros(len(objects), np.int64)
    flags[(objects["flag"] & sep.OBJ_MERGED) != 0] |= BLENDED
    flags[(objects["flag"] & sep.OBJ_TRUNC) != 0] |= TRUNCATED
    for flag, mask in odd.items():
        if mask.any():
            inside, _, _ = sep.sum_circle(
                mask.astype(np.float32), objects["x"], objects["y"], core, subpix=5
            )
            flags[inside > 0] |= flag
    if saturation is not None:
        flags[top >= saturation] |= SATURATED
    return flags


def _kron(
    sep: Any, above: Floats, objects: NDArray[Any], sky: dict[str, Any]
) -> tuple[Doubles, Doubles, Doubles]:
    """Return fluxes in Kron's ellipse, their errors, and widths; as SExtractor's AUTO."""
    x, y, a, b = (objects[name] for name in ("x", "y", "a", "b"))
    theta = np.clip(objects["theta"], -math.pi / 2, math.pi / 2)
    size, _ = sep.kron_radius(above, x, y, a, b, theta, 6.0, mask=sky["mask"])
    size = np.where(np.isfinite(size) & (size > 0), size, 1.0)
    size = np.maximum(KRON * size, KRON_LEAST)
    flux, error, _ = sep.sum_ellipse(above, x, y, a, b, theta, size, subpix=5, **sky)
    half, _ = sep.flux_radius(above, x, y, 6.0 * a, 0.5, normflux=flux, subpix=5, mask=sky["mask"])
    return flux, error, FWHM_OF_HALF_LIGHT * np.where(np.isfinite(half), half, 0.0)


def _placed(
    columns: dict[str, NDArray[Any]],
    own: tuple[slice, slice],
    around: tuple[slice, slice],
) -> dict[str, NDArray[Any]]:
    """Return the sources whose middle is in the square, in coordinates of the grid."""
    columns["x"] = columns["x"] + around[1].start
    columns["y"] = columns["y"] + around[0].start
    row, place = np.floor(columns["y"] + 0.5), np.floor(columns["x"] + 0.5)
    mine = (row >= own[0].start) & (row < own[0].stop)
    mine &= (place >= own[1].start) & (place < own[1].stop)
    return {name: column[mine] for name, column in columns.items()}


def _joined(parts: list[dict[str, NDArray[Any]]]) -> Sources:
    if not parts:
        no, flags = np.empty(0), np.empty(0, np.int32)
        return Sources(no, no, no, no, no, no, no, no, no, no, no, flags, RADII[2])
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    place = _aperture(table)
    table["flux"] = table.pop("growth")[:, place]
    table["flux_error"] = table.pop("growth_error")[:, place]
    table["flags"] = (
        table["flags"]
        | np.where(table.pop("holes")[:, place], INCOMPLETE, 0)
        | np.where(table.pop("edges")[:, place], TRUNCATED, 0)
    ).astype(np.int32)
    clear = [table[name] > LEAST_SNR * table[f"{name}_error"] for name in ("flux", "flux_kron")]
    good = (clear[0] | clear[1]) & np.isfinite(table["flux"]) & np.isfinite(table["flux_kron"])
    order = np.lexsort([table["x"], table["y"], -table["flux"]])
    order = order[good[order]]
    return Sources(radius=RADII[place], **{name: column[order] for name, column in table.items()})


def _aperture(table: dict[str, NDArray[Any]]) -> int:
    """Return the place in `RADII` of the smallest aperture that holds `HELD` of the light."""
    growth, error = table["growth"], table["growth_error"]
    odd = (table["flags"] != 0) | (table["holes"] != 0).any(axis=1)
    bright = ~odd & (growth[:, -1] > BRIGHT * error[:, -1])
    if bright.sum() < LEAST_FOR_RADIUS:
        return 2
    held = np.median(growth[bright] / growth[bright][:, -1:], axis=0)
    return int(np.flatnonzero(held >= HELD)[0])
