"""The place of the reference among headers that contradict each other."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.directions import offsets
from apps.images.plan.sky.displacement import Displacement, fit, places
from apps.images.plan.sky.refined import Refined, Seen
from apps.images.plan.sky.star_places import MATTERS
from apps.images.plan.sky.window import coverage

_LEAST_HEADERS = 3
"""Headers of which a majority can be told."""
_LEAST_COMMON = 0.5
"""Part of the reference that a frame must cover to tell where it is as a whole."""
_OUTLIER = 3.0
"""Median distances from the median, beyond which a header does not count."""
_CROSS = np.array([0, 8, 40, 72, 80])
"""The corners and the middle among `displacement.places`."""

Doubles = NDArray[np.float64]


def consensus(
    first: Seen, others: Iterable[tuple[Seen, Refined]], pixel: float
) -> Displacement | None:
    """Return by what the reference is displaced from where most headers put its stars.

    Those headers count that agree, if they are more than half of all; else all but outliers; and
    none whose stars are too few to tell. Of two headers nobody can tell which is right: the
    reference's is kept, as it is where less than what matters would change.

    Parameters
    ----------
    first : Seen
        The reference.
    others : Iterable[tuple[Seen, Refined]]
        Frames that were measured against its stars.
    pixel : float
        Side of a pixel of the grid, arcseconds.
    """
    header = first.solution
    limit = MATTERS * max(first.stars.fwhm * header.scale, pixel)
    x, y = (values[_CROSS] for values in places(header.nx, header.ny))
    ra, dec = header.sky(x, y)
    fields, orders = [np.zeros((len(x), 2))], [0]
    for frame, its in others:
        if _counts(first, frame, its, limit):
            there = frame.solution.sky(*its.solution(frame.solution).pixel(ra, dec))
            fields.append(offsets(ra, dec, *there))
            orders.append(max(its.measured.order if its.measured else 0, 0))
    if len(fields) < _LEAST_HEADERS:
        return None
    mean, counting = agreed(np.stack(fields), 2.0 * limit)
    if math.sqrt(float((mean**2).sum(axis=1).mean())) < limit:
        return None
    order = min(1, max(orders[number] for number in counting))
    degrees = mean / 3600.0
    u, v = header.pixel(ra + degrees[:, 0] / np.cos(np.radians(dec)), dec + degrees[:, 1])
    off = np.column_stack([x - u, y - v])
    return fit(u, v, off, np.ones(len(u)), (header.nx, header.ny), order).displacement


def _counts(first: Seen, frame: Seen, its: Refined, limit: float) -> bool:
    """Tell whether a frame was measured well enough, and covers enough of the reference."""
    return (
        its.measured is not None
        and (its.measured.order >= 0 or its.measured.error * frame.solution.scale < limit)
        and coverage(frame.solution, first.solution) >= _LEAST_COMMON
    )


def agreed(fields: Doubles, limit: float) -> tuple[Doubles, NDArray[np.int64]]:
    """Return the mean of the fields that count, and their numbers.

    Parameters
    ----------
    fields : ndarray
        (n, n_place, 2): where each header puts places, from where one of them does, arcseconds.
    limit : float
        Root mean square distance up to which two of them agree, arcseconds.
    """
    square = ((fields[:, None] - fields[None]) ** 2).sum(axis=3).mean(axis=2)
    agree = np.sqrt(square) < limit
    best = int(agree.sum(axis=1).argmax())
    counting = np.flatnonzero(agree[best])
    if 2 * len(counting) <= len(fields):
        off = np.sqrt(((fields - np.median(fields, axis=0)) ** 2).sum(axis=2).mean(axis=1))
        counting = np.flatnonzero(off <= max(_OUTLIER * float(np.median(off)), limit))
    return fields[counting].mean(axis=0), counting
