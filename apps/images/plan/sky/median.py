"""The median of an image's known pixels: numpy's, but of millions in a third of its time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PROBED = 4096
"""Pixels that tell roughly where the middle is."""
_ASIDE = 160
"""Ranks among them that are taken on each side of it: five standard deviations of the rank, which
are half the root of their number."""


def median(image: NDArray[np.float32]) -> float | None:
    """Return the median of the pixels that are known, as `numpy.median` has it; None if none is.

    Parameters
    ----------
    image : ndarray
        float32 of any shape; not finite where nothing is known.
    """
    is_known = np.isfinite(image)
    known = image.ravel() if is_known.all() else image[is_known]
    if not known.size:
        return None
    if known.size <= 4 * _PROBED:
        return float(np.median(known))
    probe = np.sort(known[:: known.size // _PROBED])
    middle = len(probe) // 2
    low, high = probe[middle - _ASIDE], probe[middle + _ASIDE]
    # Only what lies between the two is put in order: 8 % of the pixels.
    is_above = known >= low
    inside = known[is_above & (known <= high)]
    first = known.size - np.count_nonzero(is_above)
    ranks = np.array([(known.size - 1) // 2, known.size // 2]) - first
    if ranks[0] < 0 or ranks[1] >= len(inside):  # the probe has met a pattern
        return float(np.median(known))
    inside.partition(ranks)
    return float(np.mean(inside[ranks]))
