"""Remarks on how an image was clipped, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from apps.images.merge.coadd.flags import Flag
from apps.images.merge.coadd.options import Options
from apps.images.merge.statistics import Statistics

FEWEST_BY_SCATTER = 8
"""Frames below which no single value of a pixel is 3 standard deviations from the median: of n
values the farthest is at most ``n / sqrt(n - 1)`` away."""
MANY_PAIRS = 0.01
"""Part of an image's pixels from which it is said that only two frames are there."""


def clipping_remarks(options: Options, statistics: Statistics, trailed: Sequence[str]) -> list[str]:
    """Return the sentences.

    Parameters
    ----------
    options : Options
        How values were clipped.
    statistics : Statistics
        Of the image.
    trailed : sequence of str
        Names of the frames in which trails were found.
    """
    remarks = []
    if statistics.deepest == 1:
        remarks.append(
            "No two frames overlap: what is a cosmic ray or a trail cannot be told, and nothing "
            "was clipped."
        )
    elif not options.iterations:
        remarks.append("Nothing was clipped, as the campaign asks.")
    elif options.clip == "scatter":
        remarks += _of_scatter(options, statistics)
    else:
        remarks += _of_noise(statistics)
    if trailed:
        remarks.append("Trails were found, and left out, in: " + ", ".join(trailed) + ".")
    lost = statistics.n_flagged.get(str(Flag.SAT.name), 0)
    if lost:
        remarks.append(
            f"{lost} pixels belong to stars whose core is lost in all frames, mostly by "
            "saturation: their fluxes are wrong (flag SAT)."
        )
    return remarks


def _of_scatter(options: Options, statistics: Statistics) -> list[str]:
    if options.limits.sigma < 3 or statistics.deepest >= FEWEST_BY_SCATTER:
        return []
    return [
        f"With fewer than {FEWEST_BY_SCATTER} frames in a pixel nothing is far enough from the "
        "others to be rejected at 3 sigma by their scatter: cosmic rays are still in the image."
    ]


def _of_noise(statistics: Statistics) -> list[str]:
    if statistics.n_pair <= MANY_PAIRS * statistics.n_pixel:
        return []
    share = 100 * statistics.n_pair / statistics.n_pixel
    doubtful = statistics.n_flagged.get(str(Flag.SUSPECT.name), 0)
    return [
        f"In {share:.0f} % of the pixels two frames overlap, no more: which of two values that "
        "differ is right cannot be told. The brighter one was left out where the fainter is like "
        f"its surroundings. {doubtful} pixels have the flag SUSPECT."
    ]
