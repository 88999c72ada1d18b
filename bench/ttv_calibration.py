"""Simulation-based calibration of the MCMC campaigns: ``python bench/ttv_calibration.py``.

Systems are drawn from the prior, transit times are computed and scattered, and each system goes the
whole way of a campaign: modes, pilot, units, sub-chains, merge. If all of it is right, the rank of
the true value among draws of the posterior is uniform, for every parameter (Talts et al. 2018,
arXiv:1804.06788; Cook, Gelman & Rubin 2006, J. Comput. Graph. Stat. 15, 675). Transit times are
simulated with TTVFast and sampled with the batch engine: neither engine can hide its own mistake.

One generation is computed, whatever its diagnostics say: sub-chains that are too short for the
posterior's ridges fail here, also where R-hat does not tell.

The histograms are written as a picture; the last line is JSON with the smallest probability of a
chi^2 as large as seen under uniform ranks. With a family-wise false-alarm rate of 1 %, that is to
be above 0.01 divided by the number of parameters.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy import stats

from apps.ttv.compute.chain import compute
from apps.ttv.compute.engine import make_engine
from apps.ttv.compute.population.settings import is_population
from apps.ttv.compute.priors import Prior
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TABLE_FILE, parse_table
from apps.ttv.merge.chains import merge_chains
from apps.ttv.merge.sub_chain import SubChain
from apps.ttv.plan import units as planner
from apps.ttv.plan.campaign_file import DEFAULT_MOVES
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import InputError

HERE = Path(__file__).resolve().parent
PICTURE = HERE.parent / "docs" / "scientist" / "calibration.png"
SIGMA = 2.0 / 1440.0
"""Days; an ordinary Kepler time."""
EPOCH, END = 0.0, 500.0
PERIODS = {"b": 10.0, "c": 20.25}
N_UNIT = 4
N_BIN = 10
N_RANK = 99
"""Draws that a true value is ranked among: bins of equal width then hold equally many ranks."""


def settings() -> dict[str, Any]:
    """Return a campaign's settings: two planets near a 2:1 resonance, 80 transits in 500 days."""

    def uniform(low: float, high: float) -> dict[str, Any]:
        return {"kind": "uniform", "low": low, "high": high}

    parameters = []
    for planet, period in PERIODS.items():
        parameters += [
            {"name": f"{planet}.mass", "prior": {"kind": "log_uniform", "low": 3.0, "high": 30.0}},
            {"name": f"{planet}.period", "prior": uniform(period - 0.02, period + 0.02)},
            {"name": f"{planet}.eccentricity", "prior": {"kind": "rayleigh", "sigma": 0.03}},
            {"name": f"{planet}.t0", "prior": uniform(period / 2, period / 2 + 0.05)},
        ]
    return {
        "model": {
            "star_mass": 1.0,
            "epoch": EPOCH,
            "end": END,
            "dt": 0.5,
            "modified_kick": False,
            "engine": "batch",
            "planets": [{"name": name, "observed": True} for name in PERIODS],
        },
        "parameters": parameters,
        "sampler": {
            "n_walker": 48,
            "n_step": 400,
            "thin": 4,
            "moves": [[name, weight] for name, weight in DEFAULT_MOVES.items()],
        },
        "starts": 24,
    }


def draw_truth(problem: Problem, rng: np.random.Generator) -> np.ndarray:
    """Draw a system from the prior."""
    values: dict[str, float] = {}
    for parameter in problem.free:
        if isinstance(parameter.prior, Prior):
            values[parameter.name] = parameter.prior.sample(rng)
    for planet, prior in problem.eccentricities.items():
        values[f"{planet}.ecosw"], values[f"{planet}.esinw"] = prior.sample(rng)
    return np.array([values[name] for name in problem.parameter_names])


def simulate(problem: Problem, rng: np.random.Generator) -> tuple[np.ndarray, bytes]:
    """Return a true point and its table; systems that TTVFast cannot integrate are drawn anew."""
    dummy = "planet,epoch,bkjd,sigma_days\n" + "".join(f"{p},0,{3.0},0.1\n" for p in PERIODS)
    engine = make_engine(problem, parse_table(dummy.encode()), name="ttvfast")
    while True:
        truth = draw_truth(problem, rng)
        found = engine.all_times(truth[np.newaxis])[0]
        if found is not None:
            break
    rows = ["planet,epoch,bkjd,sigma_days"]
    for planet, times in zip(PERIODS, found, strict=True):
        seen = times[times < END - 15.0]
        scattered = seen + SIGMA * rng.normal(size=len(seen))
        rows += [f"{planet},{i},{t!r},{SIGMA!r}" for i, t in enumerate(scattered.tolist())]
    return truth, ("\n".join(rows) + "\n").encode()


def posterior_draws(campaign: Campaign) -> tuple[np.ndarray, float]:
    """Compute a campaign's first generation and merge it: draws (n, n_dim), and the acceptance."""
    prepared = planner.prepare(campaign)
    table = parse_table(campaign.inputs[TABLE_FILE])
    chains, acceptance = [], []
    for unit in planner.plan(prepared, Progress()):
        if is_population(unit.settings):
            continue
        chain = compute(unit, table)
        acceptance.append(chain.accepted.mean() / chain.step)
        name = (unit.generation, unit.index, unit.digest)
        chains.append(SubChain(name, np.array(chain.draws), np.array(chain.draws_log_prob)))
    merged = merge_chains(chains, chains[0].draws.shape[2])
    return merged.draws.reshape(-1, merged.draws.shape[-1]), float(np.mean(acceptance))


def rank_system(index: int, seed: int) -> tuple[np.ndarray, float] | None:
    """Return the ranks of one simulated system's true values, (n_dim,), and its acceptance.

    None if it has no modes.
    """
    rng = np.random.default_rng([seed, index])
    truth, table = simulate(Problem.from_mapping(settings()), rng)
    campaign = Campaign(
        name=f"sbc-{index}",
        title="",
        description="",
        app="ttv_mcmc",
        seed=int(rng.integers(2**31)),
        settings=settings(),
        inputs={TABLE_FILE: table},
        units_per_generation=N_UNIT,
    )
    try:
        draws, acceptance = posterior_draws(campaign)
    except InputError as error:
        Console(stderr=True).print(f"system {index}: {error.message}")
        return None
    chosen = draws[rng.choice(len(draws), size=N_RANK, replace=False)]
    return (chosen < truth).sum(axis=0), acceptance


def plot(ranks: np.ndarray, names: tuple[str, ...], path: Path) -> None:
    """Draw a histogram of the ranks of each parameter, with the 98 % band of uniform ones."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    axes = figure.subplots(2, (len(names) + 1) // 2, sharey=True, squeeze=False).ravel()
    low, high = stats.binom(len(ranks), 1 / N_BIN).ppf([0.01, 0.99])
    for axis, name, column in zip(axes, names, ranks.T, strict=False):
        axis.axhspan(low, high, color="0.9")
        axis.hist(column, bins=np.linspace(-0.5, N_RANK + 0.5, N_BIN + 1), color="tab:blue")
        axis.set_title(name)
        axis.set_xlabel("rank of the truth")
    figure.suptitle(f"{len(ranks)} simulated systems; band: 98 % of uniform ranks")
    figure.savefig(path, dpi=80)


def main() -> int:
    """Calibrate, print a table, write the picture; the last line is JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--systems", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        ranked = pool.map(partial(rank_system, seed=options.seed), range(options.systems))
        found, told = [], Console(stderr=True)
        for one in track(ranked, total=options.systems, console=told):
            found.append(one)
            if not told.is_terminal:
                told.print(f"{len(found)} of {options.systems} systems")
    ranks = np.array([one[0] for one in found if one is not None])
    acceptance = [one[1] for one in found if one is not None]
    names = Problem.from_mapping(settings()).parameter_names
    bins = ranks * N_BIN // (N_RANK + 1)
    p_values = [
        float(stats.chisquare(np.bincount(column, minlength=N_BIN)).pvalue) for column in bins.T
    ]
    for name, p in zip(names, p_values, strict=True):
        print(f"{name:<12} p = {p:.3f}")
    plot(ranks, names, options.picture)
    print(
        json.dumps(
            {
                "systems": len(ranks),
                "failed": len(found) - len(ranks),
                "acceptance": round(float(np.median(acceptance)), 3),
                "p_min": round(min(p_values), 5),
                "threshold": 0.01 / len(names),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
