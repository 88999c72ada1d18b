"""The part of a star's core that interpolation changes from frame to frame."""

from __future__ import annotations

import numpy as np

from apps.images.merge.coadd.cores import SHARE, _percentiles


def test_percentiles_are_those_of_numpy() -> None:
    rng = np.random.default_rng(12)
    share = rng.exponential(0.1, (80, 500))
    share[rng.random(share.shape) < rng.random(500)] = np.nan
    share[0] = 0.25  # each column has one at least
    share[:, 0] = np.nan
    share[5, 0] = 0.5
    expected = np.nanpercentile(share, SHARE, axis=0)
    assert _percentiles(share).tobytes() == expected.tobytes()
