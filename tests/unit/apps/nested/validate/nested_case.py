"""Nested runs of the small timing problem of `ttv_case`; each takes a second or two."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from apps.nested.compute.cube import CubeLikelihood, PriorTransform
from apps.nested.compute.run import is_complete
from apps.nested.compute.settings import NestedUnit
from apps.nested.compute.unit import nested_sampler
from apps.nested.output import NestedOutput, write_nested_output
from apps.nested.weights import merge_points, weigh
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.proposal import fit_proposal
from apps.ttv.compute.population.straightening import dependence_order
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import parse_table
from apps.ttv.compute.whitening import Whitening
from boinc_project.campaign import Campaign, Published, Quorum, StopRule
from boinc_project.unit import Unit, seal
from tests import nested_targets
from tests.prepared_by_hand import POPULATION
from tests.unit.apps.ttv.validate import ttv_case

MODEL = ttv_case.MODEL | {"engine": "batch", "modified_kick": False}
# A circular orbit for the unseen planet: what is left is one compact mode, which runs can agree on.
CHANGED: dict[str, dict[str, Any]] = {
    "c.mass": {"prior": {"kind": "log_uniform", "low": 5.0, "high": 80.0}},
    "c.eccentricity": {"fixed": 0.0},
    "c.t0": {"prior": {"kind": "uniform", "low": 6.0, "high": 8.0}},
}
PARAMETERS = [
    {"name": one["name"], **CHANGED[one["name"]]} if one["name"] in CHANGED else one
    for one in ttv_case.PARAMETERS
]
SAMPLER: dict[str, Any] = {
    "n_live": 80,
    "dlogz": 0.1,
    "segment": 40,
    "method": "rwalk",
    "walks": 30,
    "batch": 10,
    "max_segments": 200,
}


@dataclass(frozen=True)
class NestedCase:
    """A unit, its input and the output that its app gives."""

    unit: Unit
    output: NestedOutput

    def write(
        self, directory: Path, output: NestedOutput | None = None, name: str = "o.h5"
    ) -> Path:
        path = directory / name
        write_nested_output(path, self.output if output is None else output)
        return path

    def inputs(self, directory: Path) -> dict[str, Path]:
        seal(self.unit, {"transits.csv": ttv_case.table()}, directory / "unit")
        return {"transits.csv": directory / "unit" / "transits.csv"}

    def changed(self, **fields: Any) -> NestedOutput:
        return replace(self.output, **fields)


def make_unit(index: int = 0, **sampler: Any) -> Unit:
    return Unit(
        app="ttv_nested",
        min_app_version=100,
        campaign="toy-nested",
        campaign_seed=11,
        generation=0,
        index=index,
        settings={"model": MODEL, "parameters": PARAMETERS, "sampler": SAMPLER | sampler},
        inputs={"transits.csv": hashlib.sha256(ttv_case.table()).hexdigest()},
    )


def compute(unit: Unit, data: bytes | None = None, index: int | None = None) -> NestedOutput:
    """Run the app's sampler on a unit.

    `data` instead of its own table makes a wrong posterior; `index` instead of its own another
    run of the right one.
    """
    settings = NestedUnit.from_mapping(unit.settings)
    table = parse_table(ttv_case.table() if data is None else data)
    target = CubeLikelihood(Posterior(settings.problem, table), settings.sampler.proposal)
    seeded = unit if index is None else replace(unit, index=index)
    sampler = nested_sampler(seeded, settings.sampler, target)
    found = sampler.begin()
    found.calls.append(target.n_call)
    while not is_complete(found, settings.sampler):
        sampler.advance(found)
        found.calls.append(target.n_call)
    found.failures = target.posterior.failures
    return replace(
        nested_targets.written(found),
        unit_digest=unit.digest,
        parameter_names=settings.coordinates,
    )


@cache
def case(index: int = 0) -> NestedCase:
    """Return an honest case; computed once in a session."""
    unit = make_unit(index)
    return NestedCase(unit, compute(unit))


@cache
def proposal() -> dict[str, Any]:
    """Return a proposal that is fitted to the first case's run, as a pilot fits its own."""
    problem = Problem.from_mapping({"model": MODEL, "parameters": PARAMETERS})
    points = merge_points([case().output])
    weights = weigh(points).weights
    chosen = np.random.default_rng(3).choice(len(weights), size=2000, p=weights)
    draws = PriorTransform(problem)(points.cube[chosen])
    y = Whitening(problem).whiten(draws)
    fitted = fit_proposal([y], [1.0], dependence_order(problem.parameter_names))
    return fitted.for_cube(0.8, 0)


@cache
def proposed_case(index: int = 0) -> NestedCase:
    """Return an honest case of a unit with a proposal."""
    unit = make_unit(index, proposal=proposal())
    return NestedCase(unit, compute(unit))


@cache
def other_run() -> NestedOutput:
    """Return another honest run that claims to be of the first unit: as if rounding had parted."""
    return compute(make_unit(0), index=1000)


@cache
def wrong_run() -> NestedOutput:
    """Return a run of a table whose errors are twice as large, which claims to be of the unit."""
    data = ttv_case.table().replace(
        f",{ttv_case.SIGMA}".encode(), f",{2 * ttv_case.SIGMA}".encode()
    )
    return compute(make_unit(0), data)


def campaign(**changes: Any) -> Campaign:
    """Return the campaign that the cases are of."""
    values: dict[str, Any] = {
        "name": "toy-nested",
        "title": "A small nested campaign",
        "description": "",
        "app": "ttv_nested",
        "seed": 11,
        "settings": {
            "model": MODEL,
            "parameters": PARAMETERS,
            "sampler": {key: value for key, value in SAMPLER.items() if key != "max_segments"},
            "starts": 4,
            "best": {"params": [], "chi2": 20.0, "e_folds": 15.0},
            "population": dict(POPULATION),
        },
        "inputs": {"transits.csv": ttv_case.table()},
        "units_per_generation": 4,
        "quorum": Quorum(),
        "stop": StopRule(logz_error=0.6, ess=500.0, max_units=16),
        "published": (Published("c.mass", 20.0, 1.0, 1.0, "A paper"),),
        "source": '[campaign]\nname = "toy-nested"\n',
    }
    return Campaign(**(values | changes))
