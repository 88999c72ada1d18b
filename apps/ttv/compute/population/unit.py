"""A unit of populations, computed under a client: resumed, checkpointed, written.

It can be killed at any moment and started again, and the output is the same, bit for bit.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from apps.runtime.checkpoint import CHECKPOINT_FILE, PERIOD, CheckpointFile
from apps.runtime.errors import QuitRequested
from apps.ttv.compute.population import checkpoint
from apps.ttv.compute.population.rounds import joined
from apps.ttv.compute.population.settings import PopulationUnit
from apps.ttv.compute.population.stages import Result, UnitComputer, UnitState
from apps.ttv.compute.table import TABLE_FILE, TransitTable, parse_table
from apps.ttv.population_output import PopulationOutput, write_population_output
from boinc_project.computation import Runtime
from boinc_project.errors import CorruptCheckpoint, UnitError
from boinc_project.unit import Unit


def run(
    unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime, *, app_version: int
) -> None:
    """Compute a unit and write its output.

    Parameters
    ----------
    unit : Unit
        What to compute; see `apps.ttv.compute.population.settings`.
    inputs : Mapping[str, Path]
        Where the input files are, by logical name; ``transits.csv`` is needed.
    output : Path
        Where to write the output; see `apps.ttv.population_output`.
    runtime : Runtime
        Told of progress, asked whether to go on.
    app_version : int
        Of the app that computes it.

    Raises
    ------
    UnitError
        If the unit or its table cannot be understood.
    InputError
        If no model has the table's transits, or no step is fine enough.
    """
    if TABLE_FILE not in inputs:
        raise UnitError(f"The input file {TABLE_FILE} is missing.", name=TABLE_FILE)
    settings = PopulationUnit.from_mapping(unit.settings)
    table = parse_table(inputs[TABLE_FILE].read_bytes())
    file = CheckpointFile(
        runtime.slot / CHECKPOINT_FILE, unit.digest, format_version=checkpoint.CHECKPOINT_FORMAT
    )
    state = _resume(file, settings)
    if state is None:
        state = UnitState()
    else:
        sys.stderr.write(f"Resumed {_place(state, settings)}.\n")
    result = _Computing(settings, table, unit, runtime, file).compute(state)
    whole = output_of(
        unit,
        result,
        app_version=app_version,
        platform=runtime.platform,
        app_digest=runtime.app_digest,
    )
    write_population_output(output, whole)


def compute(
    unit: Unit, table: TransitTable, progress: Callable[[float], None] = lambda _: None
) -> PopulationOutput:
    """Compute a whole unit in memory, without a client, a checkpoint or a file.

    Parameters
    ----------
    unit, table : Unit, TransitTable
        What to compute.
    progress : Callable
        Told the share of the work that is done, 0 to 1.
    """
    settings, state = PopulationUnit.from_mapping(unit.settings), UnitState()
    computer = UnitComputer(
        settings, table, unit.seed, noted=lambda: progress(computer.fraction(state))
    )
    while not computer.is_complete(state):
        progress(computer.fraction(state))
        computer.advance(state)
    progress(computer.fraction(state))
    result = computer.conclude(state)
    return output_of(unit, result, app_version=unit.min_app_version, platform="", app_digest="")


def output_of(
    unit: Unit, result: Result, *, app_version: int, platform: str, app_digest: str
) -> PopulationOutput:
    """Return what a unit's result is written as.

    A draw that no parameters belong to is written as the first one that has some, without weight,
    because every stored point must be one of the priors.
    """
    computer, conclusion, outcome = result.computer, result.conclusion, result.outcome
    together = joined(conclusion.looks)
    possible = np.isfinite(together.target)
    if not possible.any():
        raise UnitError("The populations led to where no model has the table's transits.")
    points = computer.coordinates.to_points(together.y)
    points[~possible] = points[np.flatnonzero(possible)[0]]
    densities = np.full(len(points), -math.inf)
    densities[possible] = computer.target.posterior.log_densities(points[possible])
    shape = (len(conclusion.looks), -1)
    step = outcome.step
    return PopulationOutput(
        unit_digest=unit.digest,
        app_version=app_version,
        platform=platform,
        app_digest=app_digest,
        parameter_names=computer.settings.problem.parameter_names,
        points=points.reshape(*shape, points.shape[1]),
        log_density=densities.reshape(shape),
        log_weight=together.logs.reshape(shape),
        island_log_z=np.array([island.log_z for island in conclusion.islands]),
        wide=np.stack([island.wide for island in conclusion.islands]),
        step=np.array([step.dt, step.error, step.error_sigma]),
        modified_kick=int(step.modified_kick),
        corrections=computer.settings.corrections,
        peaks=np.array([mode.params for mode in outcome.modes]),
        peak_covariances=np.array([mode.covariance for mode in outcome.modes]),
        peak_chi2=np.array([mode.chi2 for mode in outcome.modes]),
        peak_counts=np.array([mode.n_found for mode in outcome.modes], dtype=np.int64),
        n_likelihood=result.n_call,
        failures=dict(outcome.failed),
        **asdict(outcome.left_out),
    )


class _Computing:
    """A unit under a client: its progress is told, and its state is kept in the checkpoint."""

    def __init__(
        self,
        settings: PopulationUnit,
        table: TransitTable,
        unit: Unit,
        runtime: Runtime,
        file: CheckpointFile,
    ) -> None:
        self._runtime, self._file = runtime, file
        self._computer = UnitComputer(
            settings, table, unit.seed, poll=runtime.poll, noted=self._noted
        )
        self._state = UnitState()
        self._saved_at = runtime.cpu_time()

    def compute(self, state: UnitState) -> Result:
        """Do what is left, with a checkpoint wherever one is late or asked for."""
        self._state = state
        try:
            while not self._computer.is_complete(state):
                self._computer.advance(state)
                self._noted()
            return self._computer.conclude(state)
        except QuitRequested:
            # A full disk only costs the steps since the last checkpoint.
            with contextlib.suppress(OSError):
                self._file.save(checkpoint.to_bytes(state))
            raise

    def _noted(self) -> None:
        runtime, state = self._runtime, self._state
        runtime.set_fraction_done(self._computer.fraction(state))
        is_late = runtime.cpu_time() - self._saved_at >= PERIOD
        if is_late or runtime.time_to_checkpoint():
            self._file.save(checkpoint.to_bytes(state))
            runtime.checkpoint_completed()
            self._saved_at = runtime.cpu_time()


def _resume(file: CheckpointFile, settings: PopulationUnit) -> UnitState | None:
    payload = file.load()
    if payload is None:
        return None
    try:
        return checkpoint.from_bytes(payload, settings)
    except CorruptCheckpoint:
        # Whole, of this unit, and still no state of it: nothing older can be better.
        file.remove()
        return None


def _place(state: UnitState, settings: PopulationUnit) -> str:
    if state.outcome is None:
        return f"in the search, after {len(state.journal.fitted)} fits"
    return f"with {len(state.archipelago.islands)} of {settings.n_island} islands"
