"""The compiled engine against TTVFast, against itself at every width, and against the hopeless."""

from __future__ import annotations

import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from apps.ttv.compute import engine as engine_module
from apps.ttv.compute.engine import BatchEngine, TtvfastEngine, levels, make_engine
from apps.ttv.compute.failures import CODES, KINDS, FailureKind
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.settings import Problem
from boinc_project.errors import ConfigError
from tests.unit.apps.ttv.compute.timing_cases import MODES, around, example, settings_of, table_of

SECOND = 1.0 / 86400.0
AGREEMENT = 0.1
"""Largest rms difference of transit times from TTVFast's at the same step, seconds."""
B = (20.0, 10.0, 0.03, -0.02, 3.0, 90.0, 0.0)
C = (30.0, 20.3, -0.01, 0.04, 7.0, 90.0, 0.0)
SYSTEMS: dict[str, tuple[tuple[float, ...], ...]] = {
    "alone": (B,),
    "pair": (B, C),
    "outside first": (C, B),
    "inclined": ((*B[:5], 88.0, 10.0), (*C[:5], 93.0, -25.0)),
    "mutually inclined": ((*B[:5], 89.0, 0.0), (5.0, 20.3, 0.1, 0.1, 7.0, 60.0, 40.0)),
    "unsorted": ((10.0, 45.0, 0.05, 0.05, 20.0, 88.0, 12.0), B, C),
    "eccentric": ((5.0, 10.0, -0.5, 0.3, 3.0, 90.0, 0.0), (5.0, 80.0, 0.2, 0.3, 7.0, 90.0, 0.0)),
    "massless": ((0.0, *B[1:]), (0.0, *C[1:])),
    "massless inside": ((0.0, *B[1:]), C),
    "massless outside": (B, (0.0, *C[1:])),
    "retrograde": (B, (*C[:5], 90.0, 180.0)),
    "nine": tuple(
        (2.0 + i, 6.0 * 1.55**i, 0.01, -0.01, 0.3 * 6.0 * 1.55**i, 90.0 - 0.1 * i, 1.0 * i)
        for i in range(9)
    ),
    **{
        f"{n} planets": tuple((3.0, 5.0 * 1.7**i, 0.02, 0.01, 1.0 + i, 90.0, 0.0) for i in range(n))
        for n in (3, 4, 5, 6, 7, 8)
    },
}


def problem_of(orbits: Any, **options: Any) -> Problem:
    return Problem.from_mapping(settings_of(orbits, **options))


def rms_seconds(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)) / SECOND)


@pytest.mark.parametrize("name", MODES)
def test_examples_agree_with_ttvfast_at_the_same_step(name: str) -> None:
    problem, table = example(name)
    points = around(MODES[name], 4)
    ours, lost = BatchEngine(problem, table).observed_times(points)
    theirs, failed = TtvfastEngine(problem, table).observed_times(points)
    assert not lost.any()
    assert not failed.any()
    assert rms_seconds(ours, theirs) < AGREEMENT


@pytest.mark.parametrize("name", SYSTEMS)
def test_general_orbits_agree_with_ttvfast(name: str) -> None:
    """All transits of every planet, those that no table has included."""
    point = np.ravel(SYSTEMS[name])[None]
    problem = problem_of(SYSTEMS[name], end=400.0, dt=0.25)
    table = table_of(problem, point)
    (ours,) = BatchEngine(problem, table).all_times(point)
    (theirs,) = TtvfastEngine(problem, table).all_times(point)
    assert ours is not None
    assert theirs is not None
    assert [len(times) for times in ours] == [len(times) for times in theirs]
    for mine, reference in zip(ours, theirs, strict=True):
        assert rms_seconds(mine, reference) < AGREEMENT


def test_unobserved_planets_count_their_transits_coarsely_and_still_pull() -> None:
    point = np.ravel((B, C))[None]
    problem = problem_of((B, C), unobserved="c")
    table = table_of(problem, point)
    ours, lost = BatchEngine(problem, table).observed_times(point)
    theirs, _ = TtvfastEngine(problem, table).observed_times(point)
    assert not lost.any()
    assert rms_seconds(ours, theirs) < AGREEMENT
    lighter = np.ravel((B, (0.0, *C[1:])))[None]
    assert rms_seconds(BatchEngine(problem, table).observed_times(lighter)[0], theirs) > 60.0


def many(name: str, n: int) -> tuple[Problem, Any, np.ndarray]:
    orbits = SYSTEMS[name]
    problem = problem_of(orbits, end=200.0, dt=0.3, modified_kick=name == "inclined")
    point = np.ravel(orbits)
    points = np.repeat(point[None], n, axis=0)
    rng = np.random.default_rng(3)
    points[1:] *= 1.0 + 1e-4 * rng.standard_normal((n - 1, len(point)))
    return problem, table_of(Problem.from_mapping(settings_of(orbits, end=200.0)), point), points


def digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


@pytest.mark.parametrize("name", ["pair", "inclined", "unsorted", "eccentric", "5 planets"])
def test_every_level_and_grouping_gives_the_same_bits(name: str) -> None:
    """Levels, groups of 1, 3, 8 and 17 points, and every place in a vector."""
    problem, table, points = many(name, 19)
    reference, lost = BatchEngine(problem, table, level="baseline").observed_times(points)
    assert not lost.any()
    for level in levels():
        one = BatchEngine(problem, table, level=level)
        assert digest(*one.observed_times(points)) == digest(reference, lost)
        for size in (1, 3, 8, 17):
            parts = [
                one.observed_times(points[start : start + size])[0]
                for start in range(0, len(points), size)
            ]
            assert digest(*parts) == digest(reference)
        for shift in range(1, 9):
            moved = np.roll(points, shift, axis=0)
            assert digest(one.observed_times(moved)[0]) == digest(np.roll(reference, shift, axis=0))


def test_threads_do_not_change_a_bit() -> None:
    """The kernel holds no state, and works while the interpreter does something else."""
    problem, table, points = many("pair", 33)
    one = BatchEngine(problem, table)
    reference = digest(one.observed_times(points)[0])
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(one.observed_times, points) for _ in range(16)]
        assert {digest(each.result()[0]) for each in found} == {reference}


HOPELESS: dict[str, tuple[FailureKind, tuple[tuple[float, ...], ...]]] = {
    "negative mass": (FailureKind.ELEMENTS, ((-1.0, *B[1:]), C)),
    "no period": (FailureKind.ELEMENTS, ((B[0], 0.0, *B[2:]), C)),
    "hyperbolic": (FailureKind.ELEMENTS, ((*B[:2], 1.0, 0.3, *B[4:]), C)),
    "nan": (FailureKind.ELEMENTS, (B, (*C[:4], math.nan, *C[5:]))),
    "infinite": (FailureKind.ELEMENTS, (B, (math.inf, *C[1:]))),
    "crossing": (FailureKind.CLOSE_APPROACH, ((*B[:2], 0.5, *B[3:]), (*C[:2], -0.5, *C[3:]))),
    "neighbours": (FailureKind.CLOSE_APPROACH, (B, (C[0], 10.5, *C[2:]))),
    "collision": (
        FailureKind.CLOSE_APPROACH,
        ((5000.0, *B[1:]), (5000.0, 14.0, *C[2:])),
    ),
    "ejection": (FailureKind.UNBOUND, ((60000.0, *B[1:]), (10.0, 25.0, *C[2:]))),
    "skipping": (FailureKind.MISSING_TRANSIT, (B, (3.0, 4000.0, 0.0, 0.0, 7.0, 90.0, 0.0))),
    "misnumbered": (FailureKind.NUMBERING, ((*B[:4], -30000.0, *B[5:]), C)),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_what_is_hopeless_is_named_and_its_neighbours_do_not_notice(name: str) -> None:
    kind, orbits = HOPELESS[name]
    problem, table, points = many("pair", 9)
    hopeless = np.ravel(orbits)
    for level in levels():
        one = BatchEngine(problem, table, level=level)
        reference, lost = one.observed_times(points)
        assert not lost.any()
        for place in (0, 4, 8):
            mixed = points.copy()
            mixed[place] = hopeless
            times, failures = one.observed_times(mixed)
            assert KINDS[int(failures[place])] == kind
            assert np.isnan(times[place]).all()
            others = np.arange(len(points)) != place
            assert not failures[others].any()
            assert times[others].tobytes() == reference[others].tobytes()
        alone, failures = one.observed_times(hopeless[None])
        assert KINDS[int(failures[0])] == kind
        assert np.isnan(alone).all()


def test_failures_are_counted_by_kind_and_have_no_likelihood() -> None:
    problem, table, points = many("pair", len(HOPELESS) + 1)
    for place, (_, orbits) in enumerate(HOPELESS.values(), start=1):
        points[place] = np.ravel(orbits)
    posterior = Posterior(problem, table)
    values = posterior.log_likelihoods(points)
    assert np.isfinite(values[0])
    assert (values[1:] == -math.inf).all()
    kinds = [str(kind) for kind, _ in HOPELESS.values()]
    assert posterior.failures == {kind: kinds.count(kind) for kind in kinds}


def test_hopeless_sets_are_refused_before_the_integration_is_over(monkeypatch) -> None:
    """An ejection in a span of a million steps: integrated to the end it would take seconds.

    Every lane failed, so that none is left to go on for; counted by what the kernel writes.
    """
    orbits = HOPELESS["ejection"][1]
    problem = problem_of(orbits, end=3e7, dt=0.5)
    table = table_of(problem_of((B, C), end=300.0, dt=0.5), np.ravel((B, C)))
    one = BatchEngine(problem, table)
    monkeypatch.setattr(one, "_capacity", lambda elements: 1000)
    _, failures = one.observed_times(np.ravel(orbits)[None])
    assert KINDS[int(failures[0])] == FailureKind.UNBOUND


def test_a_full_track_is_a_failure(monkeypatch) -> None:
    problem, table, points = many("pair", 5)
    one = BatchEngine(problem, table)
    monkeypatch.setattr(one, "_capacity", lambda elements: 4)
    _, failures = one.observed_times(points)
    assert (failures == CODES[FailureKind.TOO_MANY_TRANSITS]).all()


@pytest.mark.parametrize("after", [1e-3, 0.02, 0.1, 0.149, 0.151, 0.29, 0.31])
def test_transits_about_the_first_half_step_are_found(after: float) -> None:
    """The first sign of D is looked for at the epoch, the next half a step (0.15 d) later."""
    orbits = ((*B[:4], after, *B[5:]), C)
    problem = problem_of(orbits, end=200.0, dt=0.3)
    point = np.ravel(orbits)[None]
    table = table_of(problem, point)
    (ours,) = BatchEngine(problem, table).all_times(point)
    (theirs,) = TtvfastEngine(problem, table).all_times(point)
    assert ours is not None
    assert theirs is not None
    assert ours[0][0] == pytest.approx(after, abs=1e-3)
    assert [len(times) for times in ours] == [len(times) for times in theirs]
    assert rms_seconds(ours[0], theirs[0]) < AGREEMENT


@pytest.mark.parametrize("direction", np.linspace(0, 2 * math.pi, 7)[:-1])
@pytest.mark.parametrize("e", [0.0, 0.3, 0.8, 0.9])
def test_massless_planets_transit_at_t0_and_every_period_after(e: float, direction: float) -> None:
    """An orbit alone is followed exactly, but for rounding and the blend of two arcs."""
    orbit = (0.0, 10.0, e * math.cos(direction), e * math.sin(direction), 3.0, 90.0, 0.0)
    problem = problem_of((orbit,), end=200.0, dt=0.05)
    point = np.array([orbit]).reshape(1, -1)
    (found,) = BatchEngine(
        problem, table_of(problem, (*orbit[:2], 0.0, 0.0, *orbit[4:]))
    ).all_times(point)
    assert found is not None
    np.testing.assert_allclose(found[0], 3.0 + 10.0 * np.arange(20), rtol=0, atol=1e-9)


@pytest.mark.parametrize("e", [0.5, 0.6, 0.7])
def test_transits_near_a_pericentre_that_the_step_hardly_resolves(e: float) -> None:
    """Newton's method for D stays between the half steps about the change of sign.

    The step is a twentieth of the period. Where it misses a transit, the set is refused.
    """
    directions = np.linspace(0.0, 2.0 * math.pi, 240, endpoint=False)
    orbits = [(0.0, 8.0, e * math.cos(w), e * math.sin(w), 3.2 + w, 90.0, 0.0) for w in directions]
    problem = problem_of(orbits[:1], end=400.0, dt=0.4)
    points = np.array(orbits)
    found = BatchEngine(problem, table_of(problem, orbits[0])).all_times(points)
    good = [(times[0], orbit) for times, orbit in zip(found, orbits, strict=True) if times]
    assert len(good) > 0.8 * len(orbits)
    for times, orbit in good:
        first = orbit[4] % 8.0
        np.testing.assert_allclose(times, first + 8.0 * np.arange(len(times)), rtol=0, atol=1e-9)


@pytest.mark.parametrize("periods", [-400, -3, 7, 400])
def test_t0_may_be_far_from_the_epoch(periods: int) -> None:
    """A massless planet's t0 may be any of its conjunctions."""
    near = (0.0, 10.0, 0.3, -0.2, 3.0, 90.0, 0.0)
    far = (*near[:4], near[4] + periods * near[1], *near[5:])
    problem = problem_of((near,), end=200.0)
    table = table_of(problem, near)
    one = BatchEngine(problem, table)
    (a,), (b,) = one.all_times(np.array([near])), one.all_times(np.array([far]))
    assert a is not None
    assert b is not None
    np.testing.assert_allclose(a[0], b[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "kept", [{"b": [0, 1, 5, 17, 30]}, {"b": [3, 4]}, {"c": [7]}, {"b": [11], "c": [3]}]
)
@pytest.mark.parametrize("shift", [0, -7, 1000])
def test_gaps_and_single_transits_are_matched_as_the_reference_does(
    kept: dict[str, list[int]], shift: int
) -> None:
    problem = problem_of((B, C), end=400.0)
    point = np.ravel((B, C))
    table = table_of(problem, point, kept)
    moved = type(table)(
        tuple(
            type(planet)(planet.planet, planet.epochs + shift, planet.times, planet.sigmas)
            for planet in table.planets
        )
    )
    points = np.repeat(point[None], 3, axis=0)
    points[1, 0] += 5.0
    points[2, 11] += 0.01
    ours, lost = BatchEngine(problem, moved).observed_times(points)
    theirs, failed = TtvfastEngine(problem, moved).observed_times(points)
    assert not lost.any()
    assert not failed.any()
    assert rms_seconds(ours, theirs) < AGREEMENT
    assert rms_seconds(ours[0], np.concatenate([p.times for p in moved.planets])) < AGREEMENT


def test_a_transit_after_the_end_is_missing_not_ignored() -> None:
    problem, table, points = many("pair", 2)
    late = points[1].copy()
    late[1] *= 1.11  # the last transits of b come after the end
    _, failures = BatchEngine(problem, table).observed_times(np.stack([points[0], late]))
    assert failures.tolist() == [0, CODES[FailureKind.MISSING_TRANSIT]]


def test_without_the_kernel_one_sentence_says_what_to_do(monkeypatch) -> None:
    problem, table, _ = many("pair", 1)
    monkeypatch.setattr(engine_module, "_kernel", None)
    assert levels() == []
    with pytest.raises(
        ConfigError, match='install one and install again, or write engine = "ttvfast"'
    ):
        make_engine(problem, table)
    assert isinstance(make_engine(problem, table, name="ttvfast"), TtvfastEngine)


def test_a_level_that_the_processor_lacks_is_refused() -> None:
    problem, table, points = many("pair", 1)
    one = BatchEngine(problem, table, level="avx1024")
    with pytest.raises(ValueError, match="no level avx1024"):
        one.observed_times(points)
