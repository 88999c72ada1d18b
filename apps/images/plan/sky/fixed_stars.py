"""Warm pixels beside each other, which pass for stars and are on the detector.

They are in the same pixels of all frames, wherever these are pointed, and would bring frames
together by their dithering. Stars are in the same pixels, too, if a night is not dithered and its
headers are wrong; but these look like stars.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.directions import unit_vectors
from apps.images.plan.sky.solution import Solution
from apps.images.plan.sky.stars import Stars

_APART = 1.5
"""Pixels by which headers must be apart to tell: a star would be seen to have moved."""
_SAME = 0.5
"""Pixels within which a place on the detector is the same: a third of that."""
_MOST_COMPARED = 5
"""Frames that each is compared with: of warm pixels nearly all are in each of them."""
_LIKE_PIXELS = 0.25
"""Median of `Stars.neighbours` below which places that are fixed are those of warm pixels."""


def without_fixed(frames: Sequence[tuple[Stars, Solution]]) -> list[Stars]:
    """Return each frame's stars without the warm pixels that other frames have, too.

    Parameters
    ----------
    frames : Sequence[tuple[Stars, Solution]]
        Of one detector, as they are stored.
    """
    middles = unit_vectors(*_middles([solution for _, solution in frames]))
    kept = []
    for number, (stars, solution) in enumerate(frames):
        step = np.radians(_APART * solution.scale / 3600.0)
        distance = np.sqrt(((middles - middles[number]) ** 2).sum(axis=1))
        apart = np.flatnonzero(distance > step)
        others = apart[np.linspace(0, len(apart) - 1, min(len(apart), _MOST_COMPARED)).astype(int)]
        fixed = np.zeros(len(stars), dtype=bool)
        for other in others:
            fixed |= _are_in(stars, frames[other][0])
        warm = fixed.any() and float(np.median(stars.neighbours[fixed])) < _LIKE_PIXELS
        kept.append(stars.chosen(~fixed) if warm else stars)
    return kept


def _middles(solutions: Sequence[Solution]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the directions of the frames' middles, degrees (n)."""
    middles = [
        solution.sky(np.array([solution.nx / 2.0]), np.array([solution.ny / 2.0]))
        for solution in solutions
    ]
    ra, dec = (np.array([float(middle[axis][0]) for middle in middles]) for axis in (0, 1))
    return ra, dec


def _are_in(stars: Stars, others: Stars) -> NDArray[np.bool_]:
    """Tell which stars are in the same place of the detector as one of another frame."""
    near = np.abs(stars.x[:, None] - others.x) < _SAME
    near &= np.abs(stars.y[:, None] - others.y) < _SAME
    return np.asarray(near.any(axis=1))
