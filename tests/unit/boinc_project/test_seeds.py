"""Streams of random numbers are apart, and any step can be had without those before it."""

from __future__ import annotations

import itertools

import numpy as np

from boinc_project.seeds import Stream, step_bits, stream_key, unit_seed


def test_keys_differ_over_campaigns_generations_units_and_streams() -> None:
    keys = {
        stream_key(unit_seed(campaign, generation=generation, index=index), stream)
        for campaign, generation, index, stream in itertools.product(
            (0, 1, 2**64), range(3), range(5), Stream
        )
    }
    assert len(keys) == 3 * 3 * 5 * len(Stream)


def test_steps_do_not_overlap() -> None:
    key = stream_key(unit_seed(7, generation=0, index=0), Stream.CHAIN)
    draws = [np.random.Generator(step_bits(key, step)).random(1000) for step in range(20)]
    assert len(np.unique(np.concatenate(draws))) == 20_000


def test_a_step_is_the_same_whenever_it_is_drawn() -> None:
    key = stream_key(unit_seed(7, generation=1, index=3), Stream.CHAIN)
    first = np.random.RandomState(step_bits(key, 41)).standard_normal(5)
    again = np.random.RandomState(step_bits(key, 41)).standard_normal(5)
    np.testing.assert_array_equal(first, again)


def test_the_tree_is_frozen() -> None:
    # Published units are recomputed from these numbers: a change here is a change of every result.
    key = stream_key(unit_seed(20260101, generation=2, index=5), Stream.CHAIN)
    assert key == FROZEN_KEY
    assert int(step_bits(key, 9).random_raw()) == FROZEN_DRAW


FROZEN_KEY = (16417977726005876481, 71574244542771618)
FROZEN_DRAW = 7712184080320933625
