"""One unit of the app ``ttv_mcmc``: a sub-chain of a transit-timing posterior, or a population.

It can be killed at any moment and started again, and the output is the same, bit for bit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.runtime.checkpoint import CHECKPOINT_FILE, CheckpointFile
from apps.runtime.run_loop import complete, resumed
from apps.ttv.compute import checkpoint
from apps.ttv.compute.app import Chains
from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population import unit as populations
from apps.ttv.compute.population.settings import is_population
from apps.ttv.compute.sampler import Chain, Ensemble, Sampler
from apps.ttv.compute.settings import TtvSettings
from apps.ttv.compute.table import TABLE_FILE, TransitTable, parse_table
from apps.ttv.output import TtvOutput, write_ttv_output
from boinc_project.computation import Runtime
from boinc_project.errors import UnitError
from boinc_project.seeds import Stream, stream_key
from boinc_project.unit import Unit


def run(unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime) -> None:
    """Compute a unit and write its output.

    Parameters
    ----------
    unit : Unit
        What to compute: a chain, see `apps.ttv.compute.settings`, or populations, see
        `apps.ttv.compute.population.settings`.
    inputs : Mapping[str, Path]
        Where the input files are, by logical name; ``transits.csv`` is needed.
    output : Path
        Where to write the output; see `apps.ttv.output`.
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
        populations.run(unit, inputs, output, runtime, app_version=Chains.version)
        return
    settings = TtvSettings.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, parse_table(inputs[TABLE_FILE].read_bytes()))
    sampler = chain_sampler(unit, settings, posterior, runtime.poll)
    file = CheckpointFile(
        runtime.slot / CHECKPOINT_FILE,
        unit.digest,
        format_version=checkpoint.CHECKPOINT_FORMAT,
    )
    chain = resumed(
        file, lambda data: checkpoint.from_bytes(data, settings.sampler, settings.problem.n_dim)
    )
    if chain is None:
        chain = sampler.begin(settings.start)
    else:
        sys.stderr.write(f"Resumed after step {chain.step} of {settings.sampler.n_step}.\n")
    posterior.failures.update(chain.failures)
    complete(_Steps(chain, sampler, posterior), file, runtime)
    whole = output_of(
        unit, settings, chain, platform=runtime.platform, app_digest=runtime.app_digest
    )
    write_ttv_output(output, whole)


def compute(unit: Unit, table: TransitTable) -> Chain:
    """Compute a unit's whole chain in memory, without a client, a checkpoint or an output."""
    settings = TtvSettings.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, table)
    sampler = chain_sampler(unit, settings, posterior)
    chain = sampler.begin(settings.start)
    while chain.step < settings.sampler.n_step:
        sampler.advance(chain)
    chain.failures = posterior.failures.copy()
    return chain


def chain_sampler(
    unit: Unit,
    settings: TtvSettings,
    posterior: Posterior,
    poll: Callable[[], None] = lambda: None,
) -> Sampler:
    """Return the sampler of a unit, with the unit's own random stream."""
    key = stream_key(unit.seed, Stream.CHAIN)
    coordinates = chain_coordinates(settings, posterior)
    return Sampler(settings.sampler, key, posterior.log_densities, poll, coordinates)


def chain_coordinates(settings: TtvSettings, posterior: Posterior) -> Coordinates | None:
    """Return the coordinates that a unit's moves are made in; None: the parameters."""
    corrections = settings.sampler.corrections
    if corrections is None:
        return None
    return Coordinates(settings.problem, posterior.engine, posterior.observations, corrections)


def replay(
    unit: Unit,
    table: TransitTable,
    coords: NDArray[np.float64],
    log_prob: NDArray[np.float64],
    first_step: int,
    n_step: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute a part of a unit's chain again.

    Parameters
    ----------
    unit : Unit
        The unit.
    table : TransitTable
        Its table.
    coords, log_prob : ndarray
        The ensemble after step ``first_step - 1``: float64 (n_walker, n_dim) and (n_walker,).
        Draw k of an output is the ensemble after step ``(k + 1) * thin``. Only from the start or
        from a draw do the bits follow; see `apps.ttv.compute.sampler.Ensemble`.
    first_step, n_step : int
        First step to do, counted from 1, and number of steps.

    Returns
    -------
    coords, log_prob : ndarray
        The ensembles after each of the steps, (n_step, n_walker, n_dim) and (n_step, n_walker).
    """
    settings = TtvSettings.from_mapping(unit.settings)
    sampler = chain_sampler(unit, settings, Posterior(settings.problem, table))
    all_coords, all_log_prob = [], []
    now = Ensemble(coords, log_prob)
    for step in range(first_step, first_step + n_step):
        now, _ = sampler.step(now, step)
        all_coords.append(now.coords)
        all_log_prob.append(now.log_prob)
    return np.array(all_coords), np.array(all_log_prob)


@dataclass(slots=True)
class _Steps:
    """The steps of a chain that are left."""

    chain: Chain
    sampler: Sampler
    posterior: Posterior

    @property
    def is_complete(self) -> bool:
        return self.chain.step >= self.sampler.settings.n_step

    @property
    def fraction(self) -> float:
        return self.chain.step / self.sampler.settings.n_step

    def advance(self) -> None:
        self.sampler.advance(self.chain)
        # Counted at the end of a step only: an interrupted step will be done again.
        self.chain.failures = self.posterior.failures.copy()

    def to_bytes(self) -> bytes:
        return checkpoint.to_bytes(self.chain)


def output_of(
    unit: Unit, settings: TtvSettings, chain: Chain, *, platform: str, app_digest: str
) -> TtvOutput:
    """Return what a chain is written as.

    Parameters
    ----------
    unit, settings : Unit, TtvSettings
        What was computed.
    chain : Chain
        All of it.
    platform, app_digest : str
        Where, and by which files.
    """
    return TtvOutput(
        unit_digest=unit.digest,
        app_version=Chains.version,
        platform=platform,
        app_digest=app_digest,
        parameter_names=settings.problem.parameter_names,
        draws=np.array(chain.draws),
        log_prob=np.array(chain.draws_log_prob),
        accepted=chain.accepted,
        n_likelihood=chain.n_call,
        failures=dict(chain.failures),
        thin=settings.sampler.thin,
        n_step=settings.sampler.n_step,
    )
