"""A unit of populations from beginning to end: the search, the coordinates, the populations.

The state of an unfinished unit is all that it knows; whatever interrupts it, the same state goes on
to the same result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.computing import Archipelago, Computer, Conclusion
from apps.ttv.compute.population.corrections import choose_corrections
from apps.ttv.compute.population.settings import Islands, Peaks, PopulationUnit
from apps.ttv.compute.search.journal import Journal
from apps.ttv.compute.search.searching import Outcome, search
from apps.ttv.compute.search.steps import with_step
from apps.ttv.compute.table import TransitTable
from boinc_project.seeds import Stream, step_bits, stream_key

# The search's part of a unit's work, about: a sixth to a quarter for the systems in examples/.
_SEARCH = 0.2


@dataclass(slots=True, eq=False)
class UnitState:
    """A unit on its way from the search to the posterior.

    Attributes
    ----------
    journal : Journal
        Of the search; empty when that is over.
    outcome : Outcome | None
        What the search has given; None before.
    corrections : int
        Chosen after the search; see `apps.ttv.compute.coordinates`.
    archipelago : Archipelago
        Populations.
    n_call : int
        Points that the search has integrated.
    """

    journal: Journal = field(default_factory=Journal)
    outcome: Outcome | None = None
    corrections: int = 0
    archipelago: Archipelago = field(default_factory=Archipelago)
    n_call: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The result of a unit.

    Attributes
    ----------
    outcome : Outcome
        Of the search.
    computer : Computer
        That has moved the populations; it has the coordinates of the draws.
    conclusion : Conclusion
        What the populations say.
    n_call : int
        Points integrated in all.
    """

    outcome: Outcome
    computer: Computer
    conclusion: Conclusion
    n_call: int


class UnitComputer:
    """Computes a unit, a stage and a step at a time.

    Parameters
    ----------
    settings : PopulationUnit
        What to compute.
    table : TransitTable
        The measured transits.
    seed : SeedSequence
        The unit's.
    poll : Callable
        Called every fraction of a second; may raise to leave the computation.
    noted : Callable
        Called after each iteration of the search and each part of the conclusion, when the state
        is whole.
    """

    def __init__(
        self,
        settings: PopulationUnit,
        table: TransitTable,
        seed: np.random.SeedSequence,
        poll: Callable[[], None] = lambda: None,
        noted: Callable[[], None] = lambda: None,
    ) -> None:
        # Refused before the search, if the table does not belong to the problem.
        Posterior(settings.problem, table)
        self.settings, self.table = settings, table
        self._seed, self._poll, self._noted = seed, poll, noted
        self._computer = functools.cache(self._make_computer)

    def is_complete(self, state: UnitState) -> bool:
        """Whether all is there that `conclude` needs."""
        if state.outcome is None:
            return False
        return len(state.archipelago.islands) == self.settings.n_island

    def fraction(self, state: UnitState) -> float:
        """Return the share of the work that is done, 0 to 1."""
        if state.outcome is None:
            return _SEARCH * state.journal.fraction
        share = self._computer(state.outcome, state.corrections).fraction(state.archipelago)
        return _SEARCH + (1.0 - _SEARCH) * share

    def advance(self, state: UnitState) -> None:
        """Do the search, or one step of the population that is on its way.

        Raises
        ------
        InputError
            If the search finds no mode, or no step is fine enough.
        UnitError
            If no draw of the broad distribution has a model.
        """
        if state.outcome is None:
            self._search(state)
        else:
            self._computer(state.outcome, state.corrections).advance(state.archipelago)

    def conclude(self, state: UnitState) -> Result:
        """Say what the populations say together; see `Computer.conclude`."""
        assert state.outcome is not None
        computer = self._computer(state.outcome, state.corrections)
        conclusion = computer.conclude(state.archipelago, self._noted)
        return Result(state.outcome, computer, conclusion, state.n_call + conclusion.n_call)

    def _search(self, state: UnitState) -> None:
        key = stream_key(self._seed, Stream.SEARCH)
        journal = state.journal
        journal.poll, journal.noted = self._poll, self._noted
        outcome = search(
            self.settings.problem,
            self.settings.stated,
            self.table,
            np.random.Generator(step_bits(key, 0)),
            journal,
            n_start=self.settings.n_start,
        )
        corrections = self.settings.corrections
        if corrections is None:
            posterior = Posterior(with_step(self.settings.problem, outcome.step), self.table)
            rng = np.random.Generator(step_bits(key, 1))
            corrections = choose_corrections(posterior, rng, _peaks(outcome))
        state.n_call, state.corrections = journal.n_call, corrections
        state.outcome, state.journal = outcome, Journal()

    def _make_computer(self, outcome: Outcome, corrections: int) -> Computer:
        problem = with_step(self.settings.problem, outcome.step)
        islands = Islands(
            problem,
            self.settings.n_island,
            self.settings.n_point,
            corrections,
            _peaks(outcome),
        )
        return Computer(islands, Posterior(problem, self.table), self._seed, self._poll)


def _peaks(outcome: Outcome) -> Peaks:
    """Return the modes of a search as peaks, best first."""
    return Peaks(
        np.array([mode.params for mode in outcome.modes]),
        np.array([mode.covariance for mode in outcome.modes]),
    )
