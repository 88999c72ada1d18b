"""Colour terms: whether stars are as bright to each other in one camera or filter as in another.

One flux scale a frame brings unlike cameras together only for stars of one colour. Of a star's
colour nothing is known here, but colour terms are the same in all frames of a camera, and noise is
not: so the means of the stars' fluxes over the frames of one kind are compared with those of
another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.frames import Source
from apps.images.merge.coadd.measure import Matched

LEAST = 0.01
"""Standard deviation of stars' ratios from which it is said: flats of a good camera are as good."""
CERTAIN = 5.0
"""Standard errors by which the ratios' variance must be beyond that of noise: with fifty kinds of
frames, none is by chance."""
FEWEST = 10
"""Stars that tell a scatter."""
FAINTEST = 0.05
"""Relative error of a star in a frame from which it tells nothing here."""
GAP = 0.05
"""Logarithm of the ratio of scales from which frames are of two kinds."""
_ERROR = 2.33
"""Standard error, times the root of their number, of the variance of values by their median
absolute deviation: that has 0.37 of the standard deviation's information."""

Doubles = NDArray[np.float64]


def colour_remarks(sources: Sequence[Source], matched: Matched) -> list[str]:
    """Return a sentence for each kind of frames whose stars differ from the deepest kind's.

    Parameters
    ----------
    sources : sequence of Source
        Frames of one image; those of one telescope, camera, filter and scale are of one kind.
    matched : Matched
        How they were matched, in the same order.
    """
    kinds = _kinds(sources)
    if len(kinds) < 2 or matched.radius is None or not matched.fluxes.size:
        return []
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(matched.fluxes)
        area = math.pi * matched.radius**2
        variance = area / matched.weight[:, np.newaxis] / matched.fluxes**2
        variance += matched.photon[:, np.newaxis] / matched.fluxes
    logs[~(variance < FAINTEST**2)] = np.nan
    groups = sorted(kinds, key=lambda places: -matched.weight[places].sum())
    common = _scatter_of_frames(logs, variance, groups)
    first = groups[0]
    remarks = []
    for other in groups[1:]:
        excess, n_star = _excess(logs, variance + common, first, other)
        if excess >= LEAST:
            remarks.append(
                f"Stars differ by {100 * excess:.2g} % (standard deviation of {n_star}) between "
                f"{_named(sources, first)} and {_named(sources, other)}, beyond their noise, as "
                "colours do in unlike filters or cameras: their fluxes in the image are a mixture "
                "of both."
            )
    return remarks


def _excess(
    logs: Doubles, variance: Doubles, first: list[int], other: list[int]
) -> tuple[float, int]:
    """Return the scatter of stars between two kinds beyond noise, 0 if it is not certain."""
    off = np.zeros(logs.shape[1])
    noise = np.zeros(logs.shape[1])
    for sign, places in ((1.0, first), (-1.0, other)):
        count = np.isfinite(logs[places]).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            off += sign * np.nansum(logs[places], axis=0) / count
            known = np.where(np.isfinite(logs[places]), variance[places], 0.0)
            noise += known.sum(axis=0) / count**2
    good = np.isfinite(off)
    n_star = int(good.sum())
    if n_star < FEWEST:
        return 0.0, n_star
    pull = (off[good] - np.median(off[good])) / np.sqrt(noise[good])
    spread = _robust(pull) ** 2
    if spread < 1 + CERTAIN * _ERROR / math.sqrt(n_star):
        return 0.0, n_star
    return math.sqrt((spread - 1) * float(np.median(noise[good]))), n_star


def _scatter_of_frames(logs: Doubles, variance: Doubles, groups: Sequence[list[int]]) -> float:
    """Return the variance of stars from frame to frame of one kind, beyond their noise.

    It is that of flats, and of where on a pixel narrow stars fall. 0 if no kind has two frames.
    """
    residuals, noises = [], []
    for places in groups:
        if len(places) < 2:
            continue
        some = logs[places]
        some = some[:, np.isfinite(some).all(axis=0)]
        if not some.size:
            continue
        factor = math.sqrt(len(places) / (len(places) - 1))
        residuals.append((some - some.mean(axis=0)).ravel() * factor)
        noises.append(variance[places][:, np.isfinite(logs[places]).all(axis=0)].ravel())
    if not residuals:
        return 0.0
    together = np.concatenate(residuals)
    return max(0.0, _robust(together) ** 2 - float(np.median(np.concatenate(noises))))


def _kinds(sources: Sequence[Source]) -> list[list[int]]:
    """Return the places of the frames of each kind.

    Scales are told apart where there is a gap of 5 % between them: those of one camera differ by
    parts of a percent, and no border must fall among them.
    """
    cameras: dict[tuple[str, str, str], list[int]] = {}
    for place, source in enumerate(sources):
        seen = source.observation
        cameras.setdefault((seen.telescope, seen.instrument, seen.filter), []).append(place)
    kinds = []
    for places in cameras.values():
        area = np.array([sources[place].observation.area for place in places])
        order = np.argsort(area, kind="stable")
        with np.errstate(invalid="ignore", divide="ignore"):
            gaps = np.flatnonzero(np.diff(np.log(area[order])) > 2 * GAP) + 1
        kinds += [sorted(kind.tolist()) for kind in np.split(np.array(places)[order], gaps)]
    return sorted(kinds)


def _named(sources: Sequence[Source], places: Sequence[int]) -> str:
    """Return what a kind of frames is called: filter and camera, and its first frame."""
    seen = sources[places[0]].observation
    words = [word for word in (seen.filter, seen.instrument or seen.telescope) if word]
    names = sorted(sources[place].frame.name for place in places)
    rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{', '.join([*words, names[0]])}{rest}"


def _robust(values: Doubles) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
