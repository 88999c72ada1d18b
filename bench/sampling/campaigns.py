"""Our side: a whole campaign, as a user starts it, and what its product says."""

from __future__ import annotations

import json
import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable, parse_table
from bench.sampling.judge import Run
from bench.zoo.kinds import KINDS
from bench.zoo.runs import ROOT, run_local
from bench.zoo.simulate import simulate


class NotComputed(Exception):
    """The campaign ended without a product."""


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """A computed campaign.

    Attributes
    ----------
    run : Run
        For the judge; its seconds are all of the command's: search, pilot, second opinion, chains,
        validation, merging, plots.
    problem : Problem
        As prepared, with its step.
    table : TransitTable
        The measured times.
    starts : list of ndarray
        (n_walker, n_dim) each, where chains began.
    unmet : tuple of str
        Keys of the verdict's rows that are not met, of the word *sampled*.
    """

    run: Run
    problem: Problem
    table: TransitTable
    starts: list[np.ndarray]
    unmet: tuple[str, ...]


def campaign_path(name: str, directory: Path) -> Path:
    """Return the file of an example of the project, or of a kind of the zoo, seed 1."""
    if name in KINDS:
        return simulate(KINDS[name], 1, directory / "system").path
    return ROOT / "examples" / f"{name}.toml"


def compute(path: Path, directory: Path, *, seed: int, limit: float) -> Computed:
    """Run a campaign with another seed.

    Raises
    ------
    NotComputed
        If the command fails, or does not end within `limit` seconds.
    """
    text = re.sub(r"(?m)^seed = \d+$", f"seed = {seed}", path.read_text(encoding="utf-8"), count=1)
    # The table lies beside the file, by a relative path.
    text = re.sub(
        r'(?m)^table = "(.*)"$', lambda match: f'table = "{path.parent / match[1]}"', text, count=1
    )
    directory.mkdir(parents=True, exist_ok=True)
    own = directory / "campaign.toml"
    own.write_text(text, encoding="utf-8")
    code, cpu, _ = run_local(own, directory, limit)
    product = directory / "run" / "product"
    if code or not (product / "summary.json").exists():
        lines = (directory / "said.txt").read_text(encoding="utf-8", errors="replace").splitlines()
        raise NotComputed(f"{path.name}, seed {seed}: exit {code}: {lines[-1] if lines else ''}")
    named = tomllib.loads(text)["data"]["table"]
    return _read(product, cpu, parse_table(Path(named).read_bytes()))


def _read(product: Path, seconds: float, table: TransitTable) -> Computed:
    summary = json.loads((product / "summary.json").read_text(encoding="utf-8"))
    entries = json.loads((product / "provenance.json").read_text(encoding="utf-8"))["units"]
    chains = [entry["unit"] for entry in entries if "start" in entry["unit"]["settings"]]
    with h5py.File(product / "posterior.h5") as file:
        draws = np.array(file["draws"])
        names = [str(name) for name in file.attrs["parameter_names"]]
    problem = Problem.from_mapping(chains[0]["settings"])
    draws = draws[..., [names.index(name) for name in problem.parameter_names]]
    n_call = sum(int(entry["n_likelihood"]) for entry in entries)
    run = Run(
        seconds=seconds,
        n_call=n_call,
        draws=draws,
        rhat=_number(summary["rhat_max"]),
        ess=_number(summary["ess_bulk_min"]),
        settled=bool(summary["verdict"]["sampled"]),
    )
    unmet = tuple(
        row["key"]
        for row in summary["verdict"]["rows"]
        if row["word"] == "sampled" and not row["met"]
    )
    return Computed(run, problem, table, [np.array(c["settings"]["start"]) for c in chains], unmet)


def _number(entry: Any) -> float:
    value = entry["value"] if isinstance(entry, dict) else entry
    return math.nan if value is None else float(value)
