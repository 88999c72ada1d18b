"""The preparation of a campaign: computed as a unit in worker processes, kept, and used again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from boinc_project import application
from boinc_project.campaign import Campaign
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from boinc_project.unit import Unit
from server.executors.kept import Kept
from server.executors.local import ComputationFailed, LocalPool, Task

_PARTS = 1000
"""Parts of the work that progress is told in."""


class Listener(Protocol):
    """Is told how a preparation goes on."""

    def preparing(self, done: int, total: int) -> None:
        """Say how much of the preparation is done, and out of what."""

    def says(self, sentence: str) -> None:
        """Say something unusual."""

    def prepared(self, campaign: Campaign, seconds: float | None) -> None:
        """Say that a campaign is prepared, and what that took; None if it was kept."""


@dataclass(frozen=True, slots=True)
class Preparing:
    """Prepares campaigns.

    Attributes
    ----------
    root : Path
        Where preparations are kept; see `server.executors.kept`.
    pool : LocalPool
        Computes their units.
    clock : Callable
        Seconds; it tells how long a preparation took.
    listener : Listener
        Told how it goes on.
    again : bool
        Whether to compute anew what is kept.
    """

    root: Path
    pool: LocalPool
    clock: Callable[[], float]
    listener: Listener
    again: bool = False

    def prepare(
        self,
        campaign: Campaign,
        store: InputStore | None = None,
        beside: Callable[[Sequence[Unit]], Sequence[Task]] = lambda _: (),
    ) -> Campaign:
        """Return a campaign prepared, from what is kept or by computing it.

        Parameters
        ----------
        campaign : Campaign
            As read from its file; a prepared one is returned as it is.
        store : InputStore, optional
            For large inputs; see `boinc_project.application.Application.prepare`.
        beside : Callable
            Given the units that need no preparation, returns the tasks to compute at the same time.

        Raises
        ------
        InputError
            If nothing can be prepared; in the preparation's own words.
        """
        planner = application.get(campaign.app)
        units = planner.preparing(campaign)
        if not units:
            return planner.prepare(campaign, self.listener.preparing, store, self.pool.jobs)
        unit, *others = units
        began = self.clock()
        path, is_new = self._output(campaign, unit, lambda: beside(others))
        prepared = application.get(campaign.app).prepared_from(campaign, path)
        self.listener.prepared(prepared, self.clock() - began if is_new else None)
        return prepared

    def if_kept(self, campaign: Campaign) -> Campaign:
        """Return a campaign prepared from what is kept; as it is, if nothing is.

        An app without preparing units is prepared by its own rules; see `prepare`.
        """
        units = application.get(campaign.app).preparing(campaign)
        if not units or self.again:
            return campaign
        kept = Kept(self.root, self.listener.says)
        path = kept.output(units[0])
        if path is None:
            return campaign
        prepared = application.get(campaign.app).prepared_from(campaign, path)
        self.listener.prepared(prepared, None)
        return prepared

    def _output(
        self, campaign: Campaign, unit: Unit, beside: Callable[[], Sequence[Task]]
    ) -> tuple[Path, bool]:
        """Return the output of the preparation's unit, and whether it was computed now."""
        kept = Kept(self.root, self.listener.says)
        with kept.alone(unit):
            if self.again:
                kept.forget(unit)
            path = kept.output(unit)
            if path is not None:
                return path, False
            slot = kept.begin(unit, {name: campaign.inputs[name] for name in unit.inputs})
            path = self._computed(kept, unit, [Task(unit.name, unit.app, slot), *beside()])
            return path, True

    def _computed(self, kept: Kept, unit: Unit, tasks: Sequence[Task]) -> Path:
        def progress(fractions: Mapping[str, float]) -> None:
            share = sum(fractions.values()) / len(tasks)
            self.listener.preparing(round(_PARTS * share), _PARTS)

        try:
            self.pool.run(tasks, progress)
        except ComputationFailed as error:
            if error.unit != unit.name or not error.reason:
                raise
            raise InputError(error.reason) from error
        path = kept.keep(unit)
        if path is None:
            raise InputError(f"The preparation of {unit.campaign} does not pass its own check.")
        return path
