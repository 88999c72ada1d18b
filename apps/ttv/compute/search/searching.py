"""The whole search before a population: modes, which of them are real, and the step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.search.journal import Journal
from apps.ttv.compute.search.mode import Mode
from apps.ttv.compute.search.modes import LeftOut, confirmed, find_modes
from apps.ttv.compute.search.squares import SumOfSquares
from apps.ttv.compute.search.steps import Stated, Step, step_for, with_step
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable

MAX_MODES = 64
"""Modes that are kept at most, the best ones: each of them gets a part of the first proposal."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The result of a search.

    Attributes
    ----------
    modes : tuple[Mode, ...]
        Best first; their chi2 is that with `step`.
    left_out : LeftOut
        How many candidates were left out.
    failed : Mapping[str, int]
        Starts without a model, by `apps.ttv.compute.failures.FailureKind`.
    step : Step
        Chosen, or stated and measured.
    """

    modes: tuple[Mode, ...]
    left_out: LeftOut
    failed: Mapping[str, int]
    step: Step


def search(
    problem: Problem,
    stated: Stated,
    table: TransitTable,
    rng: np.random.Generator,
    journal: Journal | None = None,
    *,
    n_start: int,
) -> Outcome:
    """Find the modes of a posterior, and the step that is fine enough for them.

    Parameters
    ----------
    problem : Problem
        With a step to search with.
    stated : Stated
        What the settings say of the step.
    table : TransitTable
        The measured transits.
    rng : Generator
        Decides the starts, and so the result.
    journal : Journal, optional
        Of the same search, interrupted.
    n_start : int
        Starts.

    Raises
    ------
    InputError
        If no model fits, or no step is fine enough.
    """
    journal = journal or Journal()
    journal.repeat()
    first = find_modes(problem, table, rng, journal, n_start=n_start)
    last = confirmed(problem, table, first.modes, journal)
    modes = last.modes[:MAX_MODES]
    step = step_for(stated, Posterior(problem, table), modes)
    left_out = first.left_out + last.left_out + LeftOut(above=len(last.modes) - len(modes))
    return Outcome(
        _with_step(with_step(problem, step), table, modes), left_out, dict(first.failed), step
    )


def deviances(problem: Problem, table: TransitTable, coords: NDArray[np.float64]) -> list[float]:
    """Return -2 log(likelihood) at whitened coordinates (n, n_dim), as `Mode.chi2` has it."""
    return list(SumOfSquares(Posterior(problem, table)).deviances(coords).tolist())


def _with_step(problem: Problem, table: TransitTable, modes: tuple[Mode, ...]) -> tuple[Mode, ...]:
    values = deviances(problem, table, np.array([mode.coords for mode in modes]))
    return tuple(replace(mode, chi2=value) for mode, value in zip(modes, values, strict=True))
