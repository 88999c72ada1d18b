"""Honest outputs of another platform: the app, with arithmetic that rounds differently.

Every coordinate after every step, and every point before its likelihood, is changed in its last
place at random: what another C library, BLAS or compiler does, and more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from apps.nested.compute.cube import CubeLikelihood
from apps.nested.compute.proposal import Proposal
from apps.nested.compute.run import is_complete
from apps.nested.compute.settings import NestedUnit
from apps.nested.compute.unit import nested_sampler
from apps.nested.output import NestedOutput
from apps.ttv.compute.chain import chain_coordinates, output_of
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.sampler import Ensemble, Sampler
from apps.ttv.compute.settings import TtvSettings
from apps.ttv.compute.table import parse_table
from apps.ttv.output import TtvOutput
from boinc_project.seeds import Stream, stream_key
from boinc_project.unit import Unit
from tests import nested_targets
from tests.unit.apps.ttv.validate import ttv_case

LAST_PLACE = 2.0**-52


def rounded(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return values * (1.0 + LAST_PLACE * rng.uniform(-1.0, 1.0, values.shape))


def ttv_output(unit: Unit, seed: int = 0, data: bytes | None = None) -> TtvOutput:
    """Compute a unit on an unlike platform; its table is that of `ttv_case` if none is given."""
    settings = TtvSettings.from_mapping(unit.settings)
    table = parse_table(ttv_case.table() if data is None else data)
    posterior = Posterior(settings.problem, table)
    rng = np.random.default_rng(seed)
    sampler = Sampler(
        settings.sampler,
        stream_key(unit.seed, Stream.CHAIN),
        lambda points: posterior.log_densities(rounded(points, rng)),
        coordinates=chain_coordinates(settings, posterior),
    )
    chain = sampler.begin(settings.start)
    while chain.step < settings.sampler.n_step:
        # A walker that stays is not computed anew: only those that moved are rounded.
        before = chain.now.coords
        sampler.advance(chain)
        moved = (chain.now.coords != before).any(axis=1)
        coords = np.where(moved[:, None], rounded(chain.now.coords, rng), chain.now.coords)
        chain.now = Ensemble(coords, chain.now.log_prob)
        if chain.step % settings.sampler.thin == 0:
            chain.draws[-1] = coords
    chain.failures = posterior.failures
    return output_of(unit, settings, chain, platform="aarch64-unknown-linux-gnu", app_digest="")


class _Rounded(CubeLikelihood):
    """A likelihood on an unlike platform."""

    def __init__(
        self, posterior: Posterior, proposal: Proposal | None, rng: np.random.Generator
    ) -> None:
        super().__init__(posterior, proposal)
        self._rng = rng

    def log_likelihoods(self, cube: np.ndarray) -> np.ndarray:
        return super().log_likelihoods(rounded(cube, self._rng))


def nested_output(unit: Unit, seed: int = 0) -> NestedOutput:
    """Compute a unit of `nested_case` on an unlike platform."""
    settings = NestedUnit.from_mapping(unit.settings)
    rng = np.random.default_rng(seed)
    posterior = Posterior(settings.problem, parse_table(ttv_case.table()))
    target = _Rounded(posterior, settings.sampler.proposal, rng)
    sampler = nested_sampler(unit, settings.sampler, target)
    found = sampler.begin()
    found.calls.append(target.n_call)
    while not is_complete(found, settings.sampler):
        before = found.live_u
        sampler.advance(found)
        # Points of the prior are the same everywhere: uniform numbers are not rounded.
        found.live_u = np.where(found.live_u == before, before, rounded(found.live_u, rng))
        found.calls.append(target.n_call)
    found.failures = target.posterior.failures
    return replace(
        nested_targets.written(found),
        unit_digest=unit.digest,
        platform="aarch64-unknown-linux-gnu",
        parameter_names=settings.coordinates,
    )
