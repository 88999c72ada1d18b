"""A unit of populations, computed under a client: resumed, checkpointed, written.

It can be killed at any moment and started again, and the output is the same, bit for bit.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from apps.runtime.checkpoint import CHECKPOINT_FILE, PERIOD, CheckpointFile
from apps.runtime.errors import QuitRequested
from apps.runtime.runtime import Runtime
from apps.ttv.likelihood import Posterior
from apps.ttv.population import computing
from apps.ttv.population.computing import Archipelago, Computer, Conclusion
from apps.ttv.population.settings import PopulationUnit
from apps.ttv.table import TABLE_FILE, parse_table
from boinc_project.errors import CorruptCheckpoint, UnitError
from boinc_project.population_output import PopulationOutput, write_population_output
from boinc_project.unit import Unit


def run(
    unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime, *, app_version: int
) -> None:
    """Compute a unit and write its output.

    Parameters
    ----------
    unit : Unit
        What to compute; see `apps.ttv.population.settings`.
    inputs : Mapping[str, Path]
        Where the input files are, by logical name; ``transits.csv`` is needed.
    output : Path
        Where to write the output; see `boinc_project.population_output`.
    runtime : Runtime
        Told of progress, asked whether to go on.
    app_version : int
        Of the app that computes it.

    Raises
    ------
    UnitError
        If the unit or its table cannot be understood.
    """
    if TABLE_FILE not in inputs:
        raise UnitError(f"The input file {TABLE_FILE} is missing.", name=TABLE_FILE)
    settings = PopulationUnit.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, parse_table(inputs[TABLE_FILE].read_bytes()))
    computer = Computer(settings, posterior, unit.seed, runtime.poll)
    file = CheckpointFile(
        runtime.slot / CHECKPOINT_FILE,
        unit.digest,
        format_version=computing.CHECKPOINT_FORMAT,
    )
    state = _resume(file, settings)
    if state is None:
        state = Archipelago()
    else:
        sys.stderr.write(f"Resumed with {len(state.islands)} of {settings.n_island} islands.\n")
    _compute(state, computer, runtime, file)
    conclusion = computer.conclude(state)
    whole = output_of(
        unit,
        computer,
        conclusion,
        app_version=app_version,
        platform=runtime.platform,
        app_digest=runtime.app_digest,
    )
    write_population_output(output, whole)


def output_of(
    unit: Unit,
    computer: Computer,
    conclusion: Conclusion,
    *,
    app_version: int,
    platform: str,
    app_digest: str,
) -> PopulationOutput:
    """Return what a unit's draws are written as.

    A draw that no parameters belong to is written as the first one that has some, without weight,
    because every stored point must be one of the priors.
    """
    points, densities = [], []
    for look in conclusion.looks:
        x = computer.coordinates.to_points(look.y)
        possible = np.isfinite(look.target)
        x[~possible] = x[np.flatnonzero(possible)[0]]
        density = np.full(len(x), -math.inf)
        density[possible] = computer.target.posterior.log_densities(x[possible])
        points.append(x)
        densities.append(density)
    return PopulationOutput(
        unit_digest=unit.digest,
        app_version=app_version,
        platform=platform,
        app_digest=app_digest,
        parameter_names=computer.settings.problem.parameter_names,
        points=np.stack(points),
        log_density=np.stack(densities),
        log_weight=np.stack([look.logs for look in conclusion.looks]),
        island_log_z=np.array([island.log_z for island in conclusion.islands]),
        n_likelihood=conclusion.n_call,
    )


def _resume(file: CheckpointFile, settings: PopulationUnit) -> Archipelago | None:
    payload = file.load()
    if payload is None:
        return None
    try:
        return computing.from_bytes(payload, settings)
    except CorruptCheckpoint:
        # Whole, of this unit, and still no populations: nothing older can be better.
        file.remove()
        return None


def _compute(
    state: Archipelago, computer: Computer, runtime: Runtime, file: CheckpointFile
) -> None:
    """Do the steps that are left, with a checkpoint after each that is late or asked for."""
    saved_at = runtime.cpu_time()
    try:
        while not computer.is_complete(state):
            runtime.set_fraction_done(computer.fraction(state))
            computer.advance(state)
            is_late = runtime.cpu_time() - saved_at >= PERIOD
            if is_late or runtime.time_to_checkpoint() or computer.is_complete(state):
                file.save(computing.to_bytes(state))
                runtime.checkpoint_completed()
                saved_at = runtime.cpu_time()
    except QuitRequested:
        # A full disk only costs the steps since the last checkpoint.
        with contextlib.suppress(OSError):
            file.save(computing.to_bytes(state))
        raise
