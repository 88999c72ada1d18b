"""Transit times against REBOUND's IAS15, which has no step to choose and no splitting.

The map's error is stated by the map itself, as a campaign's step is chosen: by how far times move
if the step is a quarter. The map is of second order in the step, so that a sixteenth of its error
is left in the comparison, and the true error is 16/15 of what is stated.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rebound
from numpy.typing import NDArray

from apps.ttv.compute.engine import BatchEngine
from apps.ttv.compute.model import G, TimingModel, ttvfast_parameters
from apps.ttv.compute.settings import Problem
from tests.unit.apps.ttv.compute.timing_cases import MODES, example, settings_of, table_of

SECOND = 1.0 / 86400.0
ROUNDING = 1e-3 * SECOND
"""Rounding of both integrators over some thousand steps, generously."""
MARGIN = 1.25
"""For 16/15 and for terms of higher order."""
TRIPLE = (
    (80.0, 10.0, 0.02, -0.03, 3.0, 89.5, 0.0),
    (120.0, 20.3, -0.03, 0.02, 11.0, 90.2, 2.0),
    (200.0, 41.4, 0.05, 0.01, 30.0, 90.0, -3.0),
)
GAINS = {2: 10.0, 3: 5.0}
"""By how much the modified kick is better at P/20, by the number of planets. It removes errors of
second order in the masses; those that the third-order corrector leaves, of first order in the
masses and fourth in the step, stay, and are what is left of the triple's."""

Times = list[NDArray[np.float64]]


def ias15(problem: Problem, point: NDArray[np.float64]) -> Times:
    """Return the transit times of all planets, in the order of their periods."""
    model = problem.model
    orbits = sorted(TimingModel(problem).orbits(point.tolist()), key=lambda orbit: orbit.period)
    numbers = ttvfast_parameters(orbits, model.star_mass, model.epoch)
    simulation = rebound.Simulation()
    simulation.G = G
    simulation.integrator = "ias15"
    simulation.add(m=model.star_mass)
    for k in range(len(orbits)):
        mass, *state = numbers[2 + 7 * k : 9 + 7 * k]
        names = ("x", "y", "z", "vx", "vy", "vz")
        simulation.add(m=mass, **dict(zip(names, state, strict=True)))
    simulation.move_to_com()
    found: list[list[float]] = [[] for _ in orbits]
    span = model.end - model.epoch
    grid = np.append(np.arange(0.0, span, orbits[0].period / 15.0), span)
    before = [_rate(simulation, k)[0] for k in range(len(orbits))]
    for time in grid[1:]:
        simulation.integrate(time)
        for k in range(len(orbits)):
            rate, _, in_front = _rate(simulation, k)
            crossed, before[k] = before[k] < 0.0 <= rate and in_front, rate
            if crossed:
                copy = simulation.copy()
                for _ in range(8):
                    rate, slope, _ = _rate(copy, k)
                    copy.integrate(copy.t - rate / slope)
                found[k].append(copy.t + model.epoch)
    return [np.array([time for time in times if time <= model.end]) for times in found]


def _rate(simulation: rebound.Simulation, k: int) -> tuple[float, float, bool]:
    """Return D = x vx + y vy from the star, about dD/dt, and whether the planet is in front."""
    star, planet = simulation.particles[0], simulation.particles[k + 1]
    x, y, z = planet.x - star.x, planet.y - star.y, planet.z - star.z
    vx, vy = planet.vx - star.vx, planet.vy - star.vy
    pull = simulation.G * (star.m + planet.m) / (x * x + y * y + z * z) ** 1.5
    return x * vx + y * vy, vx * vx + vy * vy - pull * (x * x + y * y), z > 0.0


@pytest.fixture(scope="module", params=["kepler-9", "three planets"])
def case(request: pytest.FixtureRequest) -> tuple[Problem, NDArray[np.float64], Times]:
    if request.param == "kepler-9":
        problem, point = example("kepler-9")[0], np.array(MODES["kepler-9"])
    else:
        problem = Problem.from_mapping(settings_of(TRIPLE, end=1000.0, dt=0.5))
        point = np.ravel(TRIPLE)
    return problem, point, ias15(problem, point)


def errors(case: tuple[Problem, NDArray[np.float64], Times], modified: bool) -> tuple[float, float]:
    """Return the largest true and stated errors of all transits, days."""
    problem, point, truth = case
    problem = replace(problem, model=replace(problem.model, modified_kick=modified))
    table = table_of(problem, point)
    coarse, fine = (
        BatchEngine(problem, table, problem.model.dt / part).all_times(point[None])[0]
        for part in (1.0, 4.0)
    )
    assert coarse is not None
    assert fine is not None
    assert [len(times) for times in coarse] == [len(times) for times in truth]
    true = max(float(np.abs(a - b).max()) for a, b in zip(coarse, truth, strict=True))
    stated = max(float(np.abs(a - b).max()) for a, b in zip(coarse, fine, strict=True))
    return true, stated


@pytest.mark.parametrize("modified", [False, True], ids=["kick", "modified kick"])
def test_times_agree_with_ias15_within_the_stated_error(case, modified: bool) -> None:
    true, stated = errors(case, modified)
    assert stated < 60.0 * SECOND
    assert true <= MARGIN * stated + ROUNDING


def test_the_modified_kick_is_better(case) -> None:
    plain, _ = errors(case, modified=False)
    modified, _ = errors(case, modified=True)
    assert modified <= plain / GAINS[len(case[2])]
