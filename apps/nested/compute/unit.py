"""One unit of the app ``ttv_nested``: a nested run of a transit-timing posterior, or a population.

It can be killed at any moment and started again, and the output is the same, bit for bit.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from apps.nested.compute import checkpoint
from apps.nested.compute.app import NestedRuns
from apps.nested.compute.cube import CubeLikelihood
from apps.nested.compute.run import (
    NestedRun,
    NestedSampler,
    Segment,
    is_complete,
    log_left,
    output_of,
)
from apps.nested.compute.settings import NestedSettings, NestedUnit
from apps.nested.output import NestedOutput, write_nested_output
from apps.runtime.checkpoint import CheckpointFile
from apps.runtime.errors import QuitRequested
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population import unit as populations
from apps.ttv.compute.population.settings import is_population
from apps.ttv.compute.table import TABLE_FILE, TransitTable, parse_table
from boinc_project.computation import Runtime
from boinc_project.errors import CorruptCheckpoint, UnitError
from boinc_project.seeds import Stream, stream_key
from boinc_project.unit import Unit

CHECKPOINT_PERIOD = 60.0
"""CPU seconds after which a checkpoint is written, whatever the volunteer's preference."""


def run(unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime) -> None:
    """Compute a unit and write its output.

    Parameters
    ----------
    unit : Unit
        What to compute: a run, see `apps.nested.compute.settings`, or populations, see
        `apps.ttv.compute.population.settings`.
    inputs : Mapping[str, Path]
        Where the input files are, by logical name; ``transits.csv`` is needed.
    output : Path
        Where to write the output; see `apps.nested.output`.
    runtime : Runtime
        Told of progress, asked whether to go on.

    Raises
    ------
    UnitError
        If the unit or its table cannot be understood.
    """
    if TABLE_FILE not in inputs:
        raise UnitError(f"The input file {TABLE_FILE} is missing.", name=TABLE_FILE)
    if is_population(unit.settings):
        populations.run(unit, inputs, output, runtime, app_version=NestedRuns.version)
        return
    settings = NestedUnit.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, parse_table(inputs[TABLE_FILE].read_bytes()))
    target = CubeLikelihood(posterior, settings.sampler.proposal, runtime.poll)
    sampler = nested_sampler(unit, settings.sampler, target)
    file = CheckpointFile(
        runtime.slot / checkpoint.CHECKPOINT_FILE,
        unit.digest,
        format_version=checkpoint.CHECKPOINT_FORMAT,
    )
    found = _resume(file, settings)
    if found is None:
        found = sampler.begin()
        _count(found, target)
    else:
        sys.stderr.write(f"Resumed after segment {found.n_segment}.\n")
        target.n_call = found.calls[-1]
        posterior.failures.update(found.failures)
    _compute(found, sampler, target, runtime, file)
    whole = output_of(
        found,
        settings.coordinates,
        unit_digest=unit.digest,
        app_version=NestedRuns.version,
        platform=runtime.platform,
        app_digest=runtime.app_digest,
    )
    write_nested_output(output, whole)


def nested_sampler(unit: Unit, settings: NestedSettings, target: CubeLikelihood) -> NestedSampler:
    """Return the sampler of a unit, with the unit's own random streams."""
    return NestedSampler(
        settings,
        stream_key(unit.seed, Stream.PRIOR),
        stream_key(unit.seed, Stream.CHAIN),
        target,
    )


def replay(unit: Unit, table: TransitTable, output: NestedOutput, number: int) -> Segment:
    """Compute one segment of a unit's output again, from the live points at its beginning.

    Parameters
    ----------
    unit : Unit
        The unit.
    table : TransitTable
        Its table.
    output : NestedOutput
        Whose segment.
    number : int
        Which, counted from 0.

    Returns
    -------
    Segment
        Its dead points should be those of the output, and its live points those after it.
    """
    settings = NestedUnit.from_mapping(unit.settings)
    target = CubeLikelihood(Posterior(settings.problem, table), settings.sampler.proposal)
    sampler = nested_sampler(unit, settings.sampler, target)
    live_u, live_logl = output.live_at(number * output.segment)
    return sampler.segment(live_u, live_logl, float(output.scales[number]), number)


def _resume(file: CheckpointFile, settings: NestedUnit) -> NestedRun | None:
    payload = file.load()
    if payload is None:
        return None
    try:
        return checkpoint.from_bytes(payload, settings.sampler, len(settings.coordinates))
    except CorruptCheckpoint:
        # Whole, of this unit, and still not a run: nothing older can be better.
        file.remove()
        return None


def _compute(
    found: NestedRun,
    sampler: NestedSampler,
    target: CubeLikelihood,
    runtime: Runtime,
    file: CheckpointFile,
) -> None:
    """Do the segments that are left, with checkpoints."""
    saved_at = runtime.cpu_time()
    try:
        while not is_complete(found, sampler.settings):
            runtime.set_fraction_done(_fraction(found, sampler.settings))
            sampler.advance(found)
            # Counted at the end of a segment only: an interrupted one will be done again.
            _count(found, target)
            is_late = runtime.cpu_time() - saved_at >= CHECKPOINT_PERIOD
            if is_late or runtime.time_to_checkpoint() or is_complete(found, sampler.settings):
                file.save(checkpoint.to_bytes(found))
                runtime.checkpoint_completed()
                saved_at = runtime.cpu_time()
    except QuitRequested:
        # A full disk only costs the segments since the last checkpoint.
        with contextlib.suppress(OSError):
            file.save(checkpoint.to_bytes(found))
        raise


def _count(found: NestedRun, target: CubeLikelihood) -> None:
    found.calls.append(target.n_call)
    found.failures = target.posterior.failures.copy()


def _fraction(found: NestedRun, settings: NestedSettings) -> float:
    """Return how much of the run is done, as far as that can be told.

    Near the end, the logarithm of what is left falls by one for every n_live iterations. Before,
    it rises while better points are found: then the fraction only creeps.
    """
    if not found.n_segment:
        return 0.0
    left = log_left(np.concatenate(found.dead_logl), found.live_logl, found.n_drawn)
    ahead = max(0.0, left - math.log(math.expm1(settings.dlogz)))
    behind = found.n_segment * settings.segment / settings.n_live
    by_number = found.n_segment / settings.max_segments
    return max(by_number, behind / (behind + ahead))
