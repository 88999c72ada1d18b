"""Units of populations of the small timing problem of `nested_case`; each takes a second."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from apps.ttv.likelihood import Posterior
from apps.ttv.population.computing import Archipelago, Computer
from apps.ttv.population.settings import PopulationUnit
from apps.ttv.population.unit import output_of
from apps.ttv.table import parse_table
from boinc_project.population_output import PopulationOutput, write_population_output
from boinc_project.unit import Unit, seal
from tests.unit.validator import nested_case, ttv_case

N_POINT = 200
POPULATION: dict[str, Any] = {"n_island": 1, "n_point": N_POINT, "corrections": 1, "calls": 50_000}


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


def make_unit(index: int = 0, **population: Any) -> Unit:
    """Return a unit; `population` changes its settings."""
    return Unit(
        app="ttv_mcmc",
        min_app_version=220,
        campaign="toy",
        campaign_seed=11,
        generation=0,
        index=index,
        settings={
            "model": nested_case.MODEL,
            "parameters": nested_case.PARAMETERS,
            "population": {**POPULATION, **population},
        },
        inputs={"transits.csv": hashlib.sha256(ttv_case.table()).hexdigest()},
    )


def computer_of(unit: Unit, seed: np.random.SeedSequence | None = None) -> Computer:
    """Return what computes a unit; with another seed than its own if one is given."""
    settings = PopulationUnit.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, parse_table(ttv_case.table()))
    return Computer(settings, posterior, unit.seed if seed is None else seed)


def compute(unit: Unit, seed: np.random.SeedSequence | None = None) -> PopulationOutput:
    """Return the output of a unit."""
    computer, state = computer_of(unit, seed), Archipelago()
    while not computer.is_complete(state):
        computer.advance(state)
    return output_of(
        unit,
        computer,
        computer.conclude(state),
        app_version=220,
        platform="x86_64-pc-linux-gnu",
        app_digest="",
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
