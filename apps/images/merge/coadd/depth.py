"""How deep each frame goes on the sky, and which of them the others are matched to.

A star of flux f is seen in a frame of transparency t at a signal to noise of

    f t / sqrt(A v),    A = 4 pi s^2 the noise-equivalent area of stars of width s,

v being the variance of the sky in a pixel of the grid (King 1983, PASP 95, 163, equation 7). So
depth is transparency over the root of v and over the width of stars; counts say nothing of it,
because a frame through clouds has the least noise of all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.frames import Source
from apps.images.merge.coadd.photometry import FluxScale

TRIED = 5
"""Frames that are searched for stars until one has enough of them."""
ENOUGH_STARS = 30
"""Scales that rest on so many are good to a fifth of what one star tells, and the frame is no bad
one among others."""

Doubles = NDArray[np.float64]


def named(sources: Sequence[Source], name: str) -> int | None:
    """Return the place of the frame of that name; None if there is none, or no name."""
    for place, source in enumerate(sources):
        if name and source.frame.name == name:
            return place
    return None


def candidates(sources: Sequence[Source]) -> list[int]:
    """Return places of frames in which stars are looked for, the best guess first.

    Before any star is measured the transparency is not known: of clear nights depth is exposure
    over noise. Half of the candidates are the best by that, half are spread over the rest.
    """
    exposures = np.array([source.exposure for source in sources])
    if not (exposures > 0).all():
        exposures = np.ones(len(sources))
    sizes = np.array([source.frame.nx * source.frame.ny for source in sources], np.float64)
    noises = np.array([source.frame.noise for source in sources])
    order = np.argsort(-sizes * (exposures / noises) ** 2, kind="stable")
    best = [int(place) for place in order[: TRIED - TRIED // 2]]
    spread = np.linspace(0, len(order) - 1, TRIED // 2 + 1)[1:].round().astype(int)
    others = [int(order[place]) for place in spread]
    return list(dict.fromkeys(best + others))


def limits(sources: Sequence[Source], scales: Sequence[FluxScale], variance: Doubles) -> Doubles:
    """Return flux, in units of the reference, at which a star's signal is its noise: (n_frame).

    But for a factor that all frames share; infinite where a frame's scale is not known.

    Parameters
    ----------
    sources, scales
        Of each frame.
    variance : ndarray
        float64 (n_frame): of the sky in a pixel of the grid, in units of the frame.
    """
    known = np.array([scale.error is not None for scale in scales])
    if not known.any():
        known[:] = True
    widths = [source.seeing for source in sources]
    width = np.array([1.0 if each is None else each for each in widths])
    if None in widths:
        width[:] = 1.0
    value = np.array([scale.value for scale in scales])
    return np.where(known, value * np.sqrt(variance) * width, np.inf)


def deepest(sources: Sequence[Source], scales: Sequence[FluxScale], variance: Doubles) -> int:
    """Return the place of the frame that holds most: its area over its limit squared."""
    sizes = np.array([source.frame.nx * source.frame.ny for source in sources], np.float64)
    return int(np.argmax(sizes / limits(sources, scales, variance) ** 2))
