"""Units of populations of the small timing problem of `nested_case`; each takes a second."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.computing import Computer
from apps.ttv.compute.population.settings import Islands, PopulationUnit
from apps.ttv.compute.population.stages import UnitComputer, UnitState
from apps.ttv.compute.population.unit import output_of
from apps.ttv.compute.table import parse_table
from apps.ttv.population_output import PopulationOutput, write_population_output
from boinc_project.unit import Unit, seal
from tests.unit.apps.nested.validate import nested_case
from tests.unit.apps.ttv.validate import ttv_case

N_POINT, VERSION = 200, 230
POPULATION: dict[str, Any] = {
    "n_start": 8,
    "n_island": 1,
    "n_point": N_POINT,
    "corrections": 1,
    "calls": 50_000,
}


@dataclass(frozen=True)
class PopulationCase:
    """A unit and the output that its app gives."""

    unit: Unit
    output: PopulationOutput

    def write(
        self, directory: Path, output: PopulationOutput | None = None, name: str = "o.h5"
    ) -> Path:
        path = directory / name
        write_population_output(path, self.output if output is None else output)
        return path

    def inputs(self, directory: Path) -> dict[str, Path]:
        seal(self.unit, {"transits.csv": ttv_case.table()}, directory / "unit")
        return {"transits.csv": directory / "unit" / "transits.csv"}

    def changed(self, **fields: Any) -> PopulationOutput:
        return replace(self.output, **fields)


def make_unit(index: int = 0, model: Mapping[str, Any] | None = None, **population: Any) -> Unit:
    """Return a unit; `population` changes its settings, and `model` its model's."""
    return Unit(
        app="ttv_mcmc",
        min_app_version=VERSION,
        campaign="toy",
        campaign_seed=11,
        generation=0,
        index=index,
        settings={
            "model": {**nested_case.MODEL, **(model or {})},
            "parameters": nested_case.PARAMETERS,
            "population": {**POPULATION, **population},
        },
        inputs={"transits.csv": hashlib.sha256(ttv_case.table()).hexdigest()},
    )


def computer_of(unit: Unit) -> Computer:
    """Return what computes the populations of a unit without a search, which knows no peaks."""
    settings = PopulationUnit.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, parse_table(ttv_case.table()))
    assert settings.corrections is not None
    islands = Islands(settings.problem, settings.n_island, settings.n_point, settings.corrections)
    return Computer(islands, posterior, unit.seed)


def compute(unit: Unit, seed: np.random.SeedSequence | None = None) -> PopulationOutput:
    """Return the output of a unit; with another seed than its own if one is given."""
    settings, state = PopulationUnit.from_mapping(unit.settings), UnitState()
    table = parse_table(ttv_case.table())
    computer = UnitComputer(settings, table, unit.seed if seed is None else seed)
    while not computer.is_complete(state):
        computer.advance(state)
    return output_of(
        unit,
        computer.conclude(state),
        app_version=VERSION,
        platform="x86_64-pc-linux-gnu",
        app_digest="",
    )


def blank() -> PopulationOutput:
    """Return an output of the right shapes, and no meaning."""
    names = ("b.mass", "b.period", "c.mass", "c.period")
    return PopulationOutput(
        unit_digest="ab" * 32,
        app_version=VERSION,
        platform="",
        app_digest="",
        parameter_names=names,
        points=np.zeros((4, 9, 4)),
        log_density=np.zeros((4, 9)),
        log_weight=np.zeros((4, 9)),
        island_log_z=np.zeros(1),
        wide=np.zeros((1, 9, 4)),
        step=np.ones(3),
        modified_kick=0,
        corrections=1,
        peaks=np.zeros((1, 4)),
        peak_covariances=np.eye(4)[np.newaxis],
        peak_chi2=np.zeros(1),
        peak_counts=np.ones(1, dtype=np.int64),
        artefact=0,
        above=0,
        ridge=0,
        n_likelihood=1,
    )


@cache
def case() -> PopulationCase:
    """Return an honest case; computed once in a session."""
    unit = make_unit()
    return PopulationCase(unit, compute(unit))


@cache
def other_seed() -> PopulationOutput:
    """Return an honest output of the same unit that shares no random number with `case`."""
    return compute(make_unit(), np.random.SeedSequence(12345))
