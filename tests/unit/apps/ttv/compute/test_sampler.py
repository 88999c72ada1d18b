from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from apps.ttv.compute.checkpoint import from_bytes, to_bytes
from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.operations import likelihood_calls
from apps.ttv.compute.sampler import Chain, Ensemble, Sampler
from apps.ttv.compute.sampler_settings import SamplerSettings
from boinc_project.errors import CorruptCheckpoint, UnitError
from tests.unit.apps.ttv.compute.population import two_planets

SETTINGS = SamplerSettings(12, 20, 4, (("de", 0.5), ("snooker", 0.3), ("stretch", 0.2)))
KEY = (123, 456)


def normal(points):
    return -0.5 * np.sum(points * points, axis=1)


@pytest.fixture
def start():
    return np.random.default_rng(1).normal(size=(12, 3))


def run(sampler: Sampler, chain: Chain, n_step: int) -> Chain:
    for _ in range(n_step):
        sampler.advance(chain)
    return chain


def same(a: Chain, b: Chain) -> bool:
    return to_bytes(a) == to_bytes(b)


def test_stores_every_thin_th_ensemble_and_counts_every_call(start) -> None:
    calls = []
    sampler = Sampler(SETTINGS, KEY, lambda x: calls.extend(x) or normal(x))
    chain = run(sampler, sampler.begin(start), 20)
    assert len(chain.draws) == len(chain.draws_log_prob) == 5
    assert chain.n_call == len(calls) == 12 * 21
    np.testing.assert_array_equal(chain.draws[-1], chain.now.coords)
    np.testing.assert_array_equal(chain.now.log_prob, normal(chain.now.coords))
    assert 0 < chain.accepted.sum() < 12 * 20


def test_key_and_step_decide_everything(start) -> None:
    chains = [
        run(sampler := Sampler(SETTINGS, key, normal), sampler.begin(start), 8)
        for key in (KEY, KEY, (124, 456))
    ]
    assert same(chains[0], chains[1])
    assert not np.array_equal(chains[0].now.coords, chains[2].now.coords)


def test_numpys_global_state_is_neither_read_nor_changed(start) -> None:
    sampler = Sampler(SETTINGS, KEY, normal)
    np.random.seed(1)  # noqa: NPY002 - the legacy state is what is tested
    first = run(sampler, sampler.begin(start), 8)
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    second = run(sampler, sampler.begin(start), 8)
    assert same(first, second)
    np.random.seed(1)  # noqa: NPY002
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002


def test_a_segment_between_two_draws_can_be_replayed(start) -> None:
    sampler = Sampler(SETTINGS, KEY, normal)
    chain = run(sampler, sampler.begin(start), 20)
    now = Ensemble(chain.draws[1], chain.draws_log_prob[1])
    again = Sampler(SETTINGS, KEY, normal)
    for step in range(9, 13):
        now, _ = again.step(now, step)
    np.testing.assert_array_equal(now.coords, chain.draws[2])
    np.testing.assert_array_equal(now.log_prob, chain.draws_log_prob[2])


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("after", [0, 1])
def test_an_interrupted_step_leaves_no_trace(start, after: int) -> None:
    calls = Counter()

    def poll() -> None:
        calls["n"] += 1
        # Once for the start, and once for each group of walkers that moves together.
        if calls["n"] == 1 + 2 * 3 + 1 + after:
            raise Interrupted

    sampler = Sampler(SETTINGS, KEY, normal, poll)
    chain = run(sampler, sampler.begin(start), 3)
    before = to_bytes(chain)
    with pytest.raises(Interrupted):
        sampler.advance(chain)
    assert to_bytes(chain) == before
    expected = run(plain := Sampler(SETTINGS, KEY, normal), plain.begin(start), 20)
    assert same(run(sampler, chain, 17), expected)


def test_impossible_proposals_are_never_accepted(start) -> None:
    def half(points):
        return np.where(points[:, 0] > 0, normal(points), -math.inf)

    sampler = Sampler(SETTINGS, KEY, half)
    chain = run(sampler, sampler.begin(np.abs(start)), 20)
    assert (np.array(chain.draws)[:, :, 0] > 0).all()
    assert np.isfinite(chain.draws_log_prob).all()


def test_a_start_without_probability_is_refused(start) -> None:
    sampler = Sampler(SETTINGS, KEY, lambda x: np.where(x[:, 0] == start[3, 0], -math.inf, 0.0))
    with pytest.raises(UnitError, match="start of walker 3"):
        sampler.begin(start)


@pytest.mark.parametrize("n_step", [0, 3, 4, 20])
def test_a_checkpoint_gives_the_same_chain_back(start, n_step: int) -> None:
    sampler = Sampler(SETTINGS, KEY, normal)
    chain = run(sampler, sampler.begin(start), n_step)
    chain.failures.update({"numbering": 3})
    again = from_bytes(to_bytes(chain), SETTINGS, 3)
    assert same(again, chain)
    assert again.failures == {"numbering": 3}
    remaining = 20 - n_step
    assert same(run(sampler, again, remaining), run(sampler, chain, remaining))


def test_a_checkpoint_that_is_no_chain_is_refused(start) -> None:
    sampler = Sampler(SETTINGS, KEY, normal)
    data = to_bytes(run(sampler, sampler.begin(start), 8))
    for bad in (b"", b"PK\x03\x04", data[:-30], data[:100]):
        with pytest.raises(CorruptCheckpoint):
            from_bytes(bad, SETTINGS, 3)
    with pytest.raises(CorruptCheckpoint):
        from_bytes(data, SETTINGS, 4)


def corrected() -> tuple[Sampler, Coordinates, np.ndarray]:
    """Return a sampler whose moves correct ephemerides, and a start."""
    problem, table = two_planets.problem(), two_planets.table()
    posterior = Posterior(problem, table)
    coordinates = Coordinates(problem, posterior.engine, posterior.observations, 2)
    rng = np.random.default_rng(3)
    start = coordinates.to_points(coordinates.widened(0.2 * rng.standard_normal((40, 10))))
    start = start[np.isfinite(posterior.log_densities(start))][:22]
    settings = SamplerSettings(22, 12, 4, (("de", 1.0),))
    return (
        Sampler(settings, KEY, posterior.log_densities, coordinates=coordinates),
        coordinates,
        start,
    )


def test_coordinates_are_carried_between_draws_and_found_anew_after_each() -> None:
    sampler, coordinates, start = corrected()
    chain = sampler.begin(start)
    before = coordinates.n_call
    run(sampler, chain, 12)
    assert chain.accepted.sum() > 20
    assert chain.n_call + coordinates.n_call - before == likelihood_calls(
        n_walker=22, n_step=12, thin=4, corrections=2
    )
    # A segment between two draws follows from the draw alone.
    now = Ensemble(chain.draws[0], chain.draws_log_prob[0])
    for step in range(5, 9):
        now, _ = corrected()[0].step(now, step)
    np.testing.assert_array_equal(now.coords, chain.draws[1])


def test_a_chain_goes_on_from_a_checkpoint_between_draws_with_the_same_bits() -> None:
    sampler, _, start = corrected()
    chain = run(sampler, sampler.begin(start), 6)
    resumed = from_bytes(to_bytes(chain), sampler.settings, 10)
    run(sampler, chain, 6)
    run(corrected()[0], resumed, 6)
    assert same(chain, resumed)
