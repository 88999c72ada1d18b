"""The part of a frame that saw the sky: neither overscan nor borders filled with zeros."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.frame import Image
from apps.images.plan.sky.rows import Rows

Mask = NDArray[np.bool_]

_SECTION = re.compile(r"\[?\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]?")
_OPENING = 5
"""Pixels a side that must all be empty: of a quiet camera whose sky is 0 in nine pixels of ten, one
square in fourteen is, and then `_MOST_INSIDE` says that these are its sky."""
_LEAST_BORDER = 32
"""Pixels of a border: fewer are no border but a dead corner, and harm nothing."""
_MOST_INSIDE = 0.02
"""Part of the other pixels that may have the border's value, if it is to be a border's."""
_MOST_BORDER = 0.75
"""Of a frame: beyond that it is the sky of a camera without noise, or a frame of nothing."""


@dataclass(frozen=True, slots=True)
class Section:
    """A rectangle of pixels, from 0, its ends excluded."""

    x0: int
    x1: int
    y0: int
    y1: int

    def outside(self, shape: tuple[int, int]) -> Mask:
        """Return which pixels of an image (ny, nx) are not in it."""
        mask = np.ones(shape, dtype=bool)
        mask[self.y0 : self.y1, self.x0 : self.x1] = False
        return mask

    def outside_rows(self, shape: tuple[int, int]) -> Rows:
        """Return the same a band of rows at a time."""

        def read(start: int, stop: int) -> Mask:
            mask = np.ones((stop - start, shape[1]), dtype=bool)
            mask[max(self.y0 - start, 0) : max(self.y1 - start, 0), self.x0 : self.x1] = False
            return mask

        return Rows(shape, bool, read)

    def thinned(self, cell: tuple[int, int]) -> Section:
        """Return it in pixels of an image of every second pixel each way; see `thinned`."""
        x, y = cell
        return Section(
            (self.x0 - x + 1) // 2, (self.x1 - x + 1) // 2,
            (self.y0 - y + 1) // 2, (self.y1 - y + 1) // 2,
        )  # fmt: skip


def sky_section(image: Image) -> tuple[Section | None, str]:
    """Return the part of a frame that its header says has seen the sky, and a remark.

    ``TRIMSEC`` says it, else ``DATASEC``; with ``BIASSEC`` alone it is what lies beside that.
    Programs that trim a frame often leave the keywords: a section that does not fit is not used.

    Returns
    -------
    section : Section or None
        None if it is the whole frame, or not said.
    remark : str
        Empty if there is nothing to say.
    """
    if image.cell is not None:  # sections count the pixels of the file
        section, remark = sky_section(image.whole())
        return (None if section is None else section.thinned(image.cell)), remark
    whole = Section(0, image.nx, 0, image.ny)
    bias = _section(image.header.get("BIASSEC"))
    for key in ("TRIMSEC", "DATASEC"):
        section = _section(image.header.get(key))
        if section is None:
            continue
        if not _fits(section, image):
            return None, (
                f"{key} does not fit the image, which seems to be trimmed already; it is not used."
            )
        if section != whole:
            return section, f"What is outside of {key} (overscan) is left out."
        return None, ""
    if bias is None or not _fits(bias, image):
        return None, ""
    beside = _beside(bias, whole)
    return beside, "The overscan of BIASSEC is left out." if beside else ""


def empty_border(values: NDArray[np.float32]) -> Mask | None:
    """Return which pixels belong to a border of one and the same value; None if there is none.

    Programs that move or turn frames fill with 0 (or with a very low number) what the frame has not
    seen. Such a border is a large connected part at the edge, of exactly one value that hardly any
    other pixel has, and not above the others.

    Parameters
    ----------
    values : ndarray
        float32 (ny, nx); NaN where masked.
    """
    edges = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    edges = edges[np.isfinite(edges)]
    if not edges.size:
        return None
    counted, times = np.unique(edges, return_counts=True)
    common = counted[np.argmax(times)]
    thin = values[::7, ::7]
    others_thin = thin[np.isfinite(thin) & (thin != common)]
    if times.max() < _OPENING or not others_thin.size or not common < np.median(others_thin):
        return None
    same = values == common
    if not _has_thick_edge(same):
        return None
    border = _at_the_edge(same)
    inside = np.count_nonzero(same & ~border)
    others = border.size - np.count_nonzero(border)
    if others < (1 - _MOST_BORDER) * border.size or inside > _MOST_INSIDE * others:
        return None
    return border if np.count_nonzero(border) >= _LEAST_BORDER else None


def border_rows(values: Rows, most: int) -> tuple[float, Rows] | None:
    """Return the value of an image's border, and where that is; None if there is none.

    Of an image of more than `most` pixels every second pixel or fewer are looked at, and the border
    is what has its value within one of these from it.
    """
    step = math.ceil(math.sqrt(values.size / most))
    bands = [band[-start % step :: step, ::step].copy() for start, band in values.bands()]
    thin = np.concatenate(bands)
    border = empty_border(thin)
    if border is None:
        return None
    level = thin[border][0]
    near = border if step == 1 else _widened(border)

    def read(start: int, stop: int) -> Mask:
        rows, columns = np.arange(start, stop) // step, np.arange(values.shape[1]) // step
        return np.asarray(near[rows][:, columns] & (values[start:stop] == level))

    return float(level), Rows(values.shape, bool, read)


def _widened(mask: Mask) -> Mask:
    """Return a mask and the pixels next to it."""
    padded = np.pad(mask, 1)
    ny, nx = mask.shape
    shifts = [(y, x) for y in range(3) for x in range(3)]
    return np.asarray(np.any([padded[y : y + ny, x : x + nx] for y, x in shifts], axis=0))


def _has_thick_edge(same: Mask) -> bool:
    """Whether `_at_the_edge` has any part: a full square that holds a pixel of the edge.

    Only the outermost rows and columns are in such squares, so that of most frames the whole need
    not be looked at.
    """
    strips = (same[:_OPENING], same[-_OPENING:], same[:, :_OPENING].T, same[:, -_OPENING:].T)
    for strip in strips:
        padded = np.pad(strip, _OPENING, mode="edge")
        runs = [padded[first : first + _OPENING].all(axis=0) for first in range(_OPENING + 1)]
        full = np.lib.stride_tricks.sliding_window_view(np.array(runs), _OPENING, axis=1)
        if full.all(axis=2).any():
            return True
    return False


def _squares(mask: Mask, combine: np.ufunc) -> Mask:
    """Return all or any of each square of `_OPENING` pixels a side that fits in; they overlap."""
    n_row, n_x = (length - _OPENING + 1 for length in mask.shape)
    rows = mask[:n_row].copy()
    for shift in range(1, _OPENING):
        combine(rows, mask[shift : shift + n_row], out=rows)
    squares = rows[:, :n_x].copy()
    for shift in range(1, _OPENING):
        combine(squares, rows[:, shift : shift + n_x], out=squares)
    return squares


def _at_the_edge(same: Mask) -> Mask:
    """Return the parts of a mask at the edge that are `_OPENING` pixels thick, or whole rows."""
    full = _squares(np.pad(same, _OPENING, mode="edge"), np.logical_and)
    thick = _squares(np.pad(full, _OPENING - 1), np.logical_or)
    thick = thick[_OPENING:-_OPENING, _OPENING:-_OPENING] & same
    if np.count_nonzero(thick) < _LEAST_BORDER:
        return np.zeros_like(same)
    from scipy import ndimage  # hardly any frame has a border, and it takes long to import

    parts, _ = ndimage.label(thick)
    touching = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    return np.asarray(np.isin(parts, touching[touching > 0]))


def _section(value: Any) -> Section | None:
    """Return the section of ``[x1:x2,y1:y2]``, which counts from 1 and includes its ends."""
    match = _SECTION.fullmatch(str(value).strip()) if value is not None else None
    if match is None:
        return None
    x1, x2, y1, y2 = (int(part) for part in match.groups())
    return Section(min(x1, x2) - 1, max(x1, x2), min(y1, y2) - 1, max(y1, y2))


def _fits(section: Section, image: Image) -> bool:
    inside = 0 <= section.x0 < section.x1 <= image.nx and 0 <= section.y0 < section.y1 <= image.ny
    return inside and (section.x1 - section.x0) * (section.y1 - section.y0) > 1


def _beside(bias: Section, whole: Section) -> Section | None:
    """Return the larger of the parts left and right, or below and above, of a strip of overscan."""
    if (bias.y1 - bias.y0) * 2 > whole.y1:
        sides = [Section(0, bias.x0, 0, whole.y1), Section(bias.x1, whole.x1, 0, whole.y1)]
    elif (bias.x1 - bias.x0) * 2 > whole.x1:
        sides = [Section(0, whole.x1, 0, bias.y0), Section(0, whole.x1, bias.y1, whole.y1)]
    else:
        return None
    best = max(sides, key=lambda side: (side.x1 - side.x0) * (side.y1 - side.y0))
    return best if (best.x1 - best.x0) * (best.y1 - best.y0) * 2 > whole.x1 * whole.y1 else None
