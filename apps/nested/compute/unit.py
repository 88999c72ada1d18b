"""One unit of the app ``ttv_nested``: a nested run of a transit-timing posterior, or a population.

It can be killed at any moment and started again, and the output is the same, bit for bit.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
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
from apps.runtime.run_loop import complete, resumed
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population import unit as populations
from apps.ttv.compute.population.settings import is_population
from apps.ttv.compute.table import TABLE_FILE, TransitTable, parse_table
from boinc_project.computation import Runtime
from boinc_project.errors import UnitError
from boinc_project.seeds import Stream, stream_key
from boinc_project.unit import Unit


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
    nested = resumed(
        file,
        lambda data: checkpoint.from_bytes(data, settings.sampler, len(settings.coordinates)),
    )
    if nested is None:
        nested = sampler.begin()
        _count(nested, target)
    else:
        sys.stderr.write(f"Resumed after segment {nested.n_segment}.\n")
        target.n_call = nested.calls[-1]
        posterior.failures.update(nested.failures)
    complete(_Segments(nested, sampler, target), file, runtime)
    whole = output_of(
        nested,
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


@dataclass(slots=True)
class _Segments:
    """The segments of a run that are left."""

    run: NestedRun
    sampler: NestedSampler
    target: CubeLikelihood

    @property
    def is_complete(self) -> bool:
        return is_complete(self.run, self.sampler.settings)

    @property
    def fraction(self) -> float:
        return _fraction(self.run, self.sampler.settings)

    def advance(self) -> None:
        self.sampler.advance(self.run)
        # Counted at the end of a segment only: an interrupted one will be done again.
        _count(self.run, self.target)

    def to_bytes(self) -> bytes:
        return checkpoint.to_bytes(self.run)


def _count(run: NestedRun, target: CubeLikelihood) -> None:
    run.calls.append(target.n_call)
    run.failures = target.posterior.failures.copy()


def _fraction(run: NestedRun, settings: NestedSettings) -> float:
    """Return how much of the run is done, as far as that can be told.

    Near the end, the logarithm of what is left falls by one for every n_live iterations. Before,
    it rises while better points are run: then the fraction only creeps.
    """
    if not run.n_segment:
        return 0.0
    left = log_left(np.concatenate(run.dead_logl), run.live_logl, run.n_drawn)
    ahead = max(0.0, left - math.log(math.expm1(settings.dlogz)))
    behind = run.n_segment * settings.segment / settings.n_live
    by_number = run.n_segment / settings.max_segments
    return max(by_number, behind / (behind + ahead))
