"""The tree of random seeds: campaign > generation > unit > stream > step.

All replicas of a workunit share its seed, so that equal platforms give equal bytes. The stream of
a step is derived from (seed, step) with the counter-based generator Philox (Salmon et al. 2011,
SC'11, doi 10.1145/2063384.2063405): a step can be replayed without those before it.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a unit's random numbers are used for; each use has its own branch of the tree."""

    START = 0
    """Choosing the walkers' starting points (by the work generator)."""
    CHAIN = 1
    """Proposals and acceptances (by the app)."""
    PRIOR = 2
    """A nested run's first points (by the app)."""
    POPULATION = 3
    """A population on its way to the posterior (by the app)."""
    SEARCH = 4
    """Starts of a search for modes (by the app)."""


def unit_seed(campaign_seed: int, *, generation: int, index: int) -> np.random.SeedSequence:
    """Return the seed of one unit.

    Parameters
    ----------
    campaign_seed : int
        Non-negative entropy from the campaign file.
    generation, index : int
        The unit's place in the campaign.
    """
    return np.random.SeedSequence(campaign_seed, spawn_key=(generation, index))


def stream_key(seed: np.random.SeedSequence, stream: Stream) -> tuple[int, int]:
    """Return the 128-bit Philox key of one stream of a unit, as two 64-bit words."""
    branch = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, int(stream)))
    high, low = branch.generate_state(2, np.uint64)
    return int(high), int(low)


def step_bits(key: tuple[int, int], step: int) -> np.random.Philox:
    """Return the bit generator of one step.

    The step sits in the highest word of Philox's 256-bit counter, so steps cannot overlap unless
    one of them draws 2**192 numbers.
    """
    return np.random.Philox(
        key=np.array(key, dtype=np.uint64), counter=np.array([0, 0, 0, step], dtype=np.uint64)
    )
