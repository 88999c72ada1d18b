"""A small but real timing problem, and sub-chains of it that take half a second to compute."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from apps.ttv.compute import chain as ttv_mcmc
from apps.ttv.compute.model import TimingModel
from apps.ttv.compute.settings import Problem, TtvSettings
from apps.ttv.compute.table import parse_table
from apps.ttv.output import TtvOutput, write_ttv_output
from boinc_project.campaign import Campaign, Published, Quorum, StopRule
from boinc_project.unit import Unit, seal

TRUTH = {"c.mass": 20.0, "b.period": 10.0, "b.t0": 4.0, "c.ecosw": 0.02, "c.esinw": -0.01}
SIGMA = 0.002
MODEL: dict[str, Any] = {
    "star_mass": 1.0,
    "epoch": 0.0,
    "end": 210.0,
    "dt": 0.5,
    "engine": "ttvfast",
    "planets": [{"name": "b", "observed": True}, {"name": "c", "observed": False}],
}
PARAMETERS: list[dict[str, Any]] = [
    {"name": "b.mass", "fixed": 5.0},
    {"name": "b.period", "prior": {"kind": "uniform", "low": 9.9, "high": 10.1}},
    {"name": "b.ecosw", "fixed": 0.0},
    {"name": "b.esinw", "fixed": 0.0},
    {"name": "b.t0", "prior": {"kind": "uniform", "low": 3.9, "high": 4.1}},
    {"name": "c.mass", "prior": {"kind": "log_uniform", "low": 1.0, "high": 300.0}},
    {"name": "c.period", "fixed": 20.3},
    {"name": "c.eccentricity", "prior": {"kind": "uniform", "low": 0.0, "high": 0.2}},
    {"name": "c.t0", "fixed": 7.0},
]
N_WALKER, N_STEP, THIN = 12, 60, 3


@dataclass(frozen=True)
class TtvCase:
    """A unit, its input and the output that its app gives."""

    unit: Unit
    table: bytes
    output: TtvOutput

    def write(self, directory: Path, output: TtvOutput | None = None, name: str = "o.h5") -> Path:
        path = directory / name
        write_ttv_output(path, self.output if output is None else output)
        return path

    def inputs(self, directory: Path) -> dict[str, Path]:
        seal(self.unit, {"transits.csv": self.table}, directory / "unit")
        return {"transits.csv": directory / "unit" / "transits.csv"}

    def changed(self, **fields: Any) -> TtvOutput:
        return replace(self.output, **fields)


@cache
def table() -> bytes:
    """Return transit times of the true system with Gaussian noise."""
    problem = Problem.from_mapping({"model": MODEL, "parameters": PARAMETERS})
    truth = [TRUTH[name] for name in problem.parameter_names]
    times = TimingModel(problem).transit_times(truth)[0]
    noisy = times + SIGMA * np.random.default_rng(5).standard_normal(len(times))
    rows = [f"b,{k},{time:.6f},{SIGMA}" for k, time in enumerate(noisy)]
    return "\n".join(["planet,epoch,bkjd,sigma_days", *rows, ""]).encode()


def make_unit(index: int = 0, *, generation: int = 0, n_step: int = N_STEP, **model: Any) -> Unit:
    """Return a unit that starts around the true values; `model` changes its model settings."""
    problem = Problem.from_mapping({"model": MODEL, "parameters": PARAMETERS})
    truth = np.array([TRUTH[name] for name in problem.parameter_names])
    widths = np.array([_WIDTHS[name] for name in problem.parameter_names])
    rng = np.random.default_rng([7, generation, index])
    start = truth + widths * rng.standard_normal((N_WALKER, len(truth)))
    return Unit(
        app="ttv_mcmc",
        min_app_version=100,
        campaign="toy",
        campaign_seed=11,
        generation=generation,
        index=index,
        settings={
            "model": {**MODEL, **model},
            "parameters": PARAMETERS,
            "sampler": {
                "n_walker": N_WALKER,
                "n_step": n_step,
                "thin": THIN,
                "moves": [["de", 0.8], ["snooker", 0.2]],
            },
            "start": start.tolist(),
        },
        inputs={"transits.csv": hashlib.sha256(table()).hexdigest()},
    )


_WIDTHS = {"c.mass": 2.0, "b.period": 1e-4, "b.t0": 1e-3, "c.ecosw": 3e-3, "c.esinw": 3e-3}


def compute(unit: Unit, data: bytes | None = None) -> TtvOutput:
    """Run the app's sampler on a unit; `data` instead of its own table makes a wrong posterior."""
    settings = TtvSettings.from_mapping(unit.settings)
    chain = ttv_mcmc.compute(unit, parse_table(table() if data is None else data))
    return ttv_mcmc.output_of(unit, settings, chain, platform="x86_64-pc-linux-gnu", app_digest="")


@cache
def case(index: int = 0, generation: int = 0, n_step: int = N_STEP, **model: Any) -> TtvCase:
    """Return an honest case; computed once in a session."""
    unit = make_unit(index, generation=generation, n_step=n_step, **model)
    return TtvCase(unit, table(), compute(unit))


def campaign(**changes: Any) -> Campaign:
    """Return the campaign that the units belong to."""
    unit = make_unit()
    settings = {key: unit.settings[key] for key in ("model", "parameters", "sampler")}
    fields: dict[str, Any] = {
        "name": "toy",
        "title": "A toy system",
        "description": "Two planets, one of them unseen.",
        "app": "ttv_mcmc",
        "seed": 11,
        "settings": settings,
        "inputs": {"transits.csv": table()},
        "units_per_generation": 4,
        "quorum": Quorum(),
        "stop": StopRule(),
        "published": (Published("c.mass", 20.0, 1.0, 2.0, "A paper"),),
        "source": "[campaign]\n",
    }
    return Campaign(**{**fields, **changes})
