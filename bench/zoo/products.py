"""The product of a campaign, read from its files as a user reads them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.settings import Problem
from apps.ttv.merge.evidence import log_constant
from bench.zoo.ranks import DENSITY, MOST_DRAWS, fractional_ranks
from bench.zoo.reference import QUANTILES
from bench.zoo.simulate import System


def look(system: System, product: Path) -> dict[str, Any]:
    """Return what a product's files say, as fields of `bench.zoo.runs.Outcome`."""
    summary = json.loads((product / "summary.json").read_text(encoding="utf-8"))
    units = json.loads((product / "provenance.json").read_text(encoding="utf-8"))["units"]
    numbers = {
        **_words(summary),
        **_evidence(system, summary),
        "n_call": sum(int(unit["n_likelihood"]) for unit in units),
        "n_unit": len(units),
    }
    path = product / "posterior.h5"
    if path.exists() and units:
        model = units[0]["unit"]["settings"]["model"]
        numbers |= _marginals(system, path, summary, float(model["dt"]), model["modified_kick"])
    return numbers


def _words(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the verdict's words; of a product without a verdict, whether it says converged."""
    verdict = summary.get("verdict")
    if verdict is None:
        words = {"sampled": bool(summary["converged"]), "described": None, "informative": None}
        return {**words, "reasons": tuple(summary.get("missing", ()))}
    unmet = tuple(
        f"{row['key']}: {row['text']}"
        for row in verdict["rows"]
        if row["word"] == "sampled" and not row["met"]
    )
    words = {word: bool(verdict[word]) for word in ("sampled", "described", "informative")}
    return {**words, "reasons": unmet}


def _evidence(system: System, summary: Mapping[str, Any]) -> dict[str, float | None]:
    evidence = summary.get("evidence") or {}
    stated = evidence.get("logz", evidence)
    value, error = stated.get("value"), stated.get("mcse")
    if value is not None:
        value -= log_constant(system.posterior.problem, system.posterior.table)
    return {"log_z": value, "log_z_error": error}


def _marginals(
    system: System, path: Path, summary: Mapping[str, Any], dt: float, kick: bool
) -> dict[str, Any]:
    with h5py.File(path) as file:
        names = [str(name) for name in file.attrs["parameter_names"]]
        draws = np.array(file["draws"]).reshape(-1, len(names))
        nested = "log_likelihood" in file
        densities = np.array(file["log_likelihood" if nested else "log_prob"]).reshape(-1)
    problem = system.posterior.problem
    order = [names.index(name) for name in problem.parameter_names]
    draws = draws[:, order]
    posterior = Posterior(_with_kick(problem, kick=kick), system.posterior.table, dt=dt)
    log_density = posterior.log_likelihoods if nested else posterior.log_densities
    true = float(log_density(system.truth[np.newaxis])[0])
    bulk = summary.get("ess_bulk_min") or {}
    effective = bulk.get("value") or (MOST_DRAWS if nested else 0.0)
    rng = np.random.default_rng([system.seed, 7])
    ranks = fractional_ranks(
        np.column_stack([draws, densities]), np.append(system.truth, true), effective, rng
    )
    entries = {entry["name"]: entry for entry in summary["parameters"]}
    keys = ("q05", "q16", "median", "q84", "q95")
    quantiles = np.quantile(draws, QUANTILES, axis=0).T
    return {
        "ranks": dict(zip([*problem.parameter_names, DENSITY], ranks.tolist(), strict=True)),
        "quantiles": dict(zip(problem.parameter_names, quantiles.tolist(), strict=True)),
        "errors": {
            name: [_number(entries[name][key]["mcse"]) for key in keys]
            for name in problem.parameter_names
        },
    }


def _with_kick(problem: Problem, *, kick: bool) -> Problem:
    return replace(problem, model=replace(problem.model, modified_kick=kick))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
