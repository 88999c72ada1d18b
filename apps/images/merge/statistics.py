"""Numbers of a co-added image as a whole, counted in its planes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from apps.images.merge.coadd.flags import Flag
from apps.images.merge.noise import correlation
from apps.images.merge.planes import Planes


@dataclass(frozen=True, slots=True)
class Statistics:
    """Numbers of the image as a whole.

    Attributes
    ----------
    n_pixel : int
        Pixels that hold something.
    n_kept, n_rejected : int
        Values of all frames that are in the mean, and that were clipped away.
    deepest : int
        Most frames in a pixel.
    depth : float or None
        Median standard deviation of the sky in a pixel of `deepest` frames less clipped ones; None
        if there is nothing.
    n_pair : int
        Pixels in which two frames overlap, no more.
    n_flagged : Mapping[str, int]
        Pixels of each flag, by its name.
    correlation : float or None
        Noise in areas over that of single pixels, see `apps.images.merge.noise.correlation`.
    """

    n_pixel: int
    n_kept: int
    n_rejected: int
    deepest: int
    depth: float | None
    n_pair: int = 0
    n_flagged: Mapping[str, int] = field(default_factory=dict)
    correlation: float | None = None

    @classmethod
    def of(cls, planes: Planes) -> Statistics:
        """Count in the planes."""
        n_pixel = n_kept = n_rejected = deepest = n_pair = 0
        for count, rejected in zip(planes.rows("count"), planes.rows("rejected"), strict=True):
            n_pixel += int(np.count_nonzero(count))
            n_kept += int(count.sum(dtype=np.int64))
            n_rejected += int(rejected.sum(dtype=np.int64))
            here = count.astype(np.int64) + rejected
            deepest = max(deepest, int(here.max(initial=0)))
            n_pair += int(np.count_nonzero(here == 2))
        weights = []
        for weight, count, rejected in zip(
            planes.rows("weight"), planes.rows("count"), planes.rows("rejected"), strict=True
        ):
            # Every eighth pixel each way says the same as all.
            full = count[::8, ::8].astype(np.int64) + rejected[::8, ::8] == deepest
            weights.append(weight[::8, ::8][full & (count[::8, ::8] > 0)])
        known = np.concatenate(weights) if deepest else np.empty(0)
        depth = float(1 / math.sqrt(float(np.median(known)))) if len(known) else None
        n_flagged = dict.fromkeys((str(flag.name) for flag in Flag), 0)
        for flags in planes.rows("flags"):
            for flag in Flag:
                n_flagged[str(flag.name)] += int(np.count_nonzero(flags & flag.value))
        return cls(
            n_pixel, n_kept, n_rejected, deepest, depth, n_pair, n_flagged, correlation(planes)
        )
