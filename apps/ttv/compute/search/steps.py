"""Choose the integration step by measurement, and say how good it is.

Settings may leave the step open: ``model.dt`` or ``model.modified_kick`` is then None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.model import TimingModel
from apps.ttv.compute.search.mode import Mode, log_laplace
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable
from boinc_project.errors import InputError

TOLERANCE = 0.1
"""Largest shift of any transit that a step may cause, in the table's smallest sigma."""

# A step is looked at together with two neighbours: a step resonance is narrow (Rauch & Holman 1999,
# AJ 117, 1087), so a step that is good only by itself sits beside one.
_NEIGHBOURS = (0.985, 1.0, 1.015)
_STEPS_PER_PERIOD = (10.0, 640.0)
# Of a search that is to choose the step for what it finds.
_FIRST_STEPS = 20
# Log evidence below the best mode's at which a mode no longer decides about the step: 1 %.
_VISITED = 4.6
# A modified kick takes 10 to 25 % of a step's time more.
_KICK_COST = 1.2
_DAY = 86400.0

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """A step, and what it was measured to do.

    Attributes
    ----------
    dt : float
        Days.
    modified_kick : bool
        See `apps.ttv.compute.settings.ModelSettings`.
    error : float
        Largest shift of any measured transit against a step of a quarter, seconds; neighbouring
        steps included.
    error_sigma : float
        The same in units of the table's smallest sigma.
    """

    dt: float
    modified_kick: bool
    error: float
    error_sigma: float


@dataclass(frozen=True, slots=True)
class Stated:
    """The step as settings state it; None where they leave it open."""

    dt: float | None
    modified_kick: bool | None


def stated_step(model: Mapping[str, Any]) -> Stated:
    """Return what ``settings["model"]`` says of the step."""
    return Stated(model["dt"], model.get("modified_kick", False))


def with_step(problem: Problem, step: Step) -> Problem:
    """Return a problem with another step."""
    model = replace(problem.model, dt=step.dt, modified_kick=step.modified_kick)
    return replace(problem, model=model)


def with_first_step(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with a step to search with: a twentieth of the shortest period, if open."""
    model = dict(settings["model"])
    if model["dt"] is None:
        periods = [p for p in settings["parameters"] if p["name"].endswith(".period")]
        model["dt"] = min(largest(period) for period in periods) / _FIRST_STEPS
    if model.get("modified_kick", False) is None:
        model["modified_kick"] = False
    return {**settings, "model": model}


def largest(stated: Mapping[str, Any]) -> float:
    """Return the largest plausible value of a fixed parameter or a prior, as settings have it."""
    if "fixed" in stated:
        return float(stated["fixed"])
    prior = stated["prior"]
    return float(prior["high"] if "high" in prior else prior["mean"] + 3 * prior["sigma"])


def step_for(stated: Stated, first: Posterior, modes: Sequence[Mode]) -> Step:
    """Choose the step where it is open, and measure it in any case.

    Parameters
    ----------
    stated : Stated
        By the settings.
    first : Posterior
        That the modes were searched with.
    modes : sequence of Mode
        At least one.

    Raises
    ------
    InputError
        If no step is fine enough.
    """
    logs = [log_laplace(mode, first) for mode in modes]
    # The step must be fine enough for every mode that a chain is likely to visit.
    least = max(logs) - _VISITED
    points = np.array([m.params for m, log in zip(modes, logs, strict=True) if log >= least])
    if stated.dt is not None:
        return _usable(measure_step(first.problem, points, first.table))
    return choose_dt(first.problem, points, first.table, modified_kick=stated.modified_kick)


def _usable(step: Step) -> Step:
    if not math.isfinite(step.error):
        raise InputError(
            f"With steps of {step.dt:g} days, or of 1.5 % more or less, the best fit has no model: "
            'state a shorter one, or dt = "auto".'
        )
    return step


def choose_dt(
    problem: Problem,
    points: Array,
    table: TransitTable,
    *,
    tolerance: float = TOLERANCE,
    modified_kick: bool | None = None,
) -> Step:
    """Return the cheapest step, of a series of factors sqrt(2), that is fine enough.

    Parameters
    ----------
    problem : Problem
        Model and priors, with the campaign's engine; its own dt is not used.
    points : ndarray
        float64 (n, n_dim), where to measure: the modes' parameters. The worst of them counts.
    table : TransitTable
        The measured transits.
    tolerance : float
        In units of the table's smallest sigma.
    modified_kick : bool, optional
        Only steps with or without it; both are tried if it is not given and the engine has it.

    Raises
    ------
    InputError
        If no step down to 1/640 of the shortest period is fine enough.
    """
    model = TimingModel(problem)
    shortest = min(orbit.period for point in points.tolist() for orbit in model.orbits(point))
    kinds = (False, True) if problem.model.engine == "batch" else (False,)
    kinds = kinds if modified_kick is None else (modified_kick,)
    fine = [
        step
        for kick in kinds
        if (step := _longest(_with(problem, kick), points, table, shortest, tolerance)) is not None
    ]
    if not fine:
        raise InputError(
            f"Even {_STEPS_PER_PERIOD[1]:.0f} steps per period of {shortest:.4g} days move a "
            f"transit by more than {tolerance:g} sigma: the planets are too close for this model."
        )
    return min(fine, key=lambda step: (_KICK_COST if step.modified_kick else 1.0) / step.dt)


def measure_step(problem: Problem, points: Array, table: TransitTable) -> Step:
    """Measure the step that the problem has; its error is infinite if a step has no model."""
    error = _error(problem, points, table, problem.model.dt)
    sigma = error / (table.smallest_sigma * _DAY)
    return Step(problem.model.dt, problem.model.modified_kick, error, sigma)


def _longest(
    problem: Problem, points: Array, table: TransitTable, shortest: float, tolerance: float
) -> Step | None:
    steps = _STEPS_PER_PERIOD[0]
    while steps <= _STEPS_PER_PERIOD[1]:
        dt = float(f"{shortest / steps:.6g}")
        error = _error(problem, points, table, dt)
        sigma = error / (table.smallest_sigma * _DAY)
        if sigma < tolerance:
            kick = problem.model.modified_kick
            return Step(dt, kick, float(f"{error:.4g}"), float(f"{sigma:.4g}"))
        steps *= math.sqrt(2.0)
    return None


def _error(problem: Problem, points: Array, table: TransitTable, dt: float) -> float:
    """Return the largest shift of a transit with a step or its neighbours, seconds."""
    reference = _times(problem, points, table, dt / 4.0)
    shifts = [np.abs(_times(problem, points, table, dt * f) - reference) for f in _NEIGHBOURS]
    # NaN where there is no model.
    worst = float(np.max(shifts)) * _DAY
    return worst if math.isfinite(worst) else math.inf


def _times(problem: Problem, points: Array, table: TransitTable, dt: float) -> Array:
    return Posterior(problem, table, dt).engine.observed_times(points)[0]


def _with(problem: Problem, kick: bool) -> Problem:
    return replace(problem, model=replace(problem.model, modified_kick=kick))
