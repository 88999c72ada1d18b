"""A whole campaign on this machine, without BOINC: the same units, judged and merged the same way.

Everything lies in one directory. Nothing is remembered elsewhere, so a run that was interrupted,
however it was, goes on when it is repeated: units that are done are only checked again, the others
go on from their checkpoints, and all that was planned is planned again with the same digests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from apps.runtime.platforms import platform_name
from boinc_project import application
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from boinc_project.outputs import Canonical, Rejected
from boinc_project.product import Product
from boinc_project.unit import Unit, seal
from server.executors import preparing
from server.executors.local import LocalPool, Task
from server.executors.preparing import Preparing
from server.services.files import write_durably
from validator.quorum import decide as judge
from work_generator.definition import from_definition, to_definition
from work_generator.stop import Complete, TopUp, decide

DEFINITION_FILE = "campaign.json"
UNITS, PRODUCT, INPUTS = "units", "product", "inputs"


class Listener(preparing.Listener, Protocol):
    """Is told how a run goes on."""

    def begins(self, generation: int, units: Sequence[Unit], undone: Sequence[Unit]) -> None:
        """Say that a generation is planned; earlier runs have left `undone` of its units."""

    def computing(self, fractions: Mapping[str, float]) -> None:
        """Say how much is done of every unit that was begun, by its name."""

    def merged(self, product: Product) -> None:
        """Say that a generation is judged and merged."""


@dataclass(frozen=True, slots=True)
class LocalRun:
    """What came of a run.

    Attributes
    ----------
    product : Product
        Of all generations; its files are in `directory`.
    directory : Path
        The product's directory.
    end : Complete
        Why the campaign is over.
    rejected : tuple[Rejected, ...]
        Outputs that did not pass their check.
    """

    product: Product
    directory: Path
    end: Complete
    rejected: tuple[Rejected, ...]


@dataclass(slots=True)
class LocalCampaign:
    """One campaign in one directory.

    Attributes
    ----------
    campaign : Campaign
        As read from its file.
    directory : Path
        Where everything is kept but the preparation.
    preparing : Preparing
        Prepares the campaign, with the same pool.
    pool : LocalPool
        Computes the units.
    clock : Callable[[], datetime]
        Aware; dates the product.
    listener : Listener
        Told how it goes on.
    """

    campaign: Campaign
    directory: Path
    preparing: Preparing
    pool: LocalPool
    clock: Callable[[], datetime]
    listener: Listener
    _canonical: list[Canonical] = field(default_factory=list)
    _rejected: list[Rejected] = field(default_factory=list)

    def run(self) -> LocalRun:
        """Compute until the stop rule is met or the budget is used up.

        Raises
        ------
        InputError
            If the directory belongs to another campaign, or nothing can be planned.
        ComputationFailed
            If a worker fails.
        """
        self._prepare()
        planner = application.get(self.campaign.app)
        progress, product = Progress(), None
        while True:
            decision = decide(progress, self.campaign.stop, self.campaign.units_per_generation)
            if isinstance(decision, Complete):
                if product is None:
                    raise InputError(decision.text)
                return LocalRun(product, self.directory / PRODUCT, decision, tuple(self._rejected))
            assert isinstance(decision, TopUp)  # no unit is open between two generations
            units = planner.plan(self.campaign, progress)
            self._compute(decision.generation, units)
            product = self._merge()
            self.listener.merged(product)
            progress = replace(
                progress,
                issued=(*progress.issued, decision.n_unit),
                sampled=product.sampled,
                draws=product.draws if product.n_draw else None,
                merged=product.n_unit,
            )

    def _prepare(self) -> None:
        """Take the prepared campaign from the directory, or prepare it and put it there."""
        path = self.directory / DEFINITION_FILE
        if path.exists():
            stored = from_definition(path.read_bytes())
            same = stored.source == self.campaign.source
            if not same or stored.inputs != self.campaign.inputs:
                raise InputError(
                    f"{self.directory} holds the run of another campaign, or of an earlier "
                    "version of this file: name another directory with --out.",
                    path=self.directory,
                )
            if self.preparing.again:
                raise InputError(
                    f"{self.directory} holds a run that is prepared: name another directory with "
                    "--out to prepare it again.",
                    path=self.directory,
                )
            self.campaign = stored
            return
        self.campaign = self.preparing.prepare(self.campaign, self._store, self._beside)
        write_durably(path, to_definition(self.campaign))

    def _beside(self, units: Sequence[Unit]) -> list[Task]:
        """Return the tasks of units that can be computed while the campaign is prepared."""
        undone = [unit for unit in units if not self._passes(unit)]
        return self._tasks(undone)

    def _compute(self, generation: int, units: Sequence[Unit]) -> None:
        """Have the units computed that are not yet; judge all of them."""
        undone = [unit for unit in units if not self._passes(unit)]
        self.listener.begins(generation, units, undone)
        self.pool.run(self._tasks(undone), self.listener.computing)
        for unit in units:
            self._judge(unit)

    def _tasks(self, units: Sequence[Unit]) -> list[Task]:
        """Seal units in their slots, where checkpoints may lie."""
        for unit in units:
            self._output(unit).unlink(missing_ok=True)
            files = {name: self._input(name, unit) for name in unit.inputs}
            seal(unit, files, self._slot(unit))
        return [Task(unit.name, unit.app, self._slot(unit)) for unit in units]

    @property
    def _store(self) -> InputStore:
        return InputStore(self.directory / INPUTS)

    def _input(self, name: str, unit: Unit) -> bytes | Path:
        small = self.campaign.inputs.get(name)
        return small if small is not None else self._store.find(unit.inputs[name])

    def _slot(self, unit: Unit) -> Path:
        return self.directory / UNITS / unit.name

    def _output(self, unit: Unit) -> Path:
        return self._slot(unit) / application.get(unit.app).output_file

    def _passes(self, unit: Unit) -> bool:
        """Whether a unit was computed by an earlier run, and its output passes its check."""
        return self._output(unit).exists() and self._verdict(unit)[0]

    def _verdict(self, unit: Unit) -> tuple[bool, str]:
        """Judge a unit's output as the validator judges a quorum of one."""
        slot = self._slot(unit)
        decision = judge(
            unit,
            {0: self._output(unit)},
            min_quorum=1,
            app=application.get(unit.app).judging(),
            inputs={name: slot / name for name in unit.inputs},
        )
        return decision.canonical == 0, decision.reasons[0]

    def _judge(self, unit: Unit) -> None:
        passed, reason = self._verdict(unit)
        if passed:
            canonical = Canonical(
                unit=unit,
                path=self._output(unit),
                workunit=unit.name,
                platform=platform_name(),
                quorum=f"Computed once, on this machine. {reason}",
            )
            self._canonical.append(canonical)
        else:
            self._rejected.append(Rejected(unit.name, unit.name, "invalid", reason))

    def _merge(self) -> Product:
        product = application.get(self.campaign.app).merge(
            self.campaign,
            self._canonical,
            created_at=self.clock(),
            rejected=self._rejected,
            jobs=self.pool.jobs,
        )
        product.write(self.directory / PRODUCT)
        return product
