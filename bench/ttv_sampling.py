"""Effective draws that a CPU-hour buys: ``python bench/ttv_sampling.py [CAMPAIGN.toml]``.

Ours: a campaign as volunteers compute it. Modes and proposal are found first, and count; then
sub-chains with seeds of their own are run one after the other and merged as the assimilator merges
them. The peer, in the same run, on the same data and priors and from the same starting points: the
default move of emcee with the likelihood that a user writes with ttvfast-python, as many
independent ensembles as there are sub-chains.

Both are judged by the same code: rank-normalised split R-hat over the independent ensembles, and
the smallest bulk effective size of any parameter, from the series of ensemble means. A peer that
has not converged overstates its own effective size; its R-hat is printed beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import emcee
import numpy as np
import ttvfast
from rich.console import Console
from rich.table import Table

from apps.ttv.failures import IntegrationFailed
from apps.ttv.likelihood import Posterior
from apps.ttv.matching import Matcher
from apps.ttv.model import TimingModel, ttvfast_parameters
from apps.ttv.settings import Problem
from apps.ttv.table import TABLE_FILE, TransitTable, parse_table
from apps.ttv_mcmc import compute
from assimilator.diagnostics import marginal
from assimilator.merge import merge_chains
from assimilator.sub_chain import SubChain
from boinc_project.campaign import Campaign, Progress
from work_generator import ttv as planner
from work_generator.campaign_file import load_campaign

HERE = Path(__file__).resolve().parent
N_CHAIN = 4
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sampler gave for its CPU time."""

    name: str
    seconds: float
    n_call: int
    rhat: float
    ess: float

    @property
    def per_hour(self) -> float:
        """Smallest bulk effective size for an hour of CPU."""
        return self.ess / self.seconds * HOUR


def judge(name: str, seconds: float, n_call: int, draws: np.ndarray) -> Outcome:
    """Judge draws (n_chain, n_draw, n_walker, n_dim)."""
    found = [marginal(draws[..., i]) for i in range(draws.shape[-1])]
    rhat = max(one.rhat for one in found)
    return Outcome(name, seconds, n_call, rhat, min(one.ess_bulk for one in found))


def ours(path: Path) -> tuple[Outcome, Campaign, list[np.ndarray]]:
    """Prepare a campaign and compute generations until R-hat and size are those of its rule."""
    began = time.process_time()
    campaign = planner.prepare(replace(load_campaign(path), units_per_generation=N_CHAIN))
    prepared = time.process_time() - began
    Console(stderr=True).print(f"prepared in {prepared:.0f} s of CPU")
    table = parse_table(campaign.inputs[TABLE_FILE])
    units = planner.plan(campaign, Progress())
    chains, starts, n_call = [], [], 0
    for unit in units:
        chain = compute(unit, table)
        starts.append(np.array(unit.settings["start"]))
        n_call += chain.n_call
        name = (unit.generation, unit.index, unit.digest)
        chains.append(SubChain(name, np.array(chain.draws), np.array(chain.draws_log_prob)))
    merged = merge_chains(chains, starts[0].shape[1])
    if len(merged.keys) < len(units):
        Console(stderr=True).print(f"only {len(merged.keys)} of {len(units)} sub-chains merged")
    seconds = time.process_time() - began
    return judge("OpenAstro@home", seconds, n_call, merged.draws), campaign, starts


class UsersLikelihood:
    """The posterior that a user writes with ttvfast-python's public function.

    Priors, matching and conversion of elements are ours, so that both sample the same density; the
    integration and the way its results are read are those of the package's documentation.
    """

    def __init__(self, problem: Problem, table: TransitTable) -> None:
        self.problem = problem
        self.prior = Posterior(problem, table).log_prior
        self.model = TimingModel(problem)
        self.matchers = [
            (place, Matcher(row), row)
            for place, planet in enumerate(problem.model.planets)
            if (row := table.of(planet.name)) is not None
        ]

    def __call__(self, values: np.ndarray) -> float:
        """Return the log posterior density of one point."""
        prior = self.prior(values)
        if not prior > -math.inf:
            return -math.inf
        try:
            times = self.times(values)
        except IntegrationFailed:
            return -math.inf
        return prior - 0.5 * sum(
            float(np.sum(((row.times - found) / row.sigmas) ** 2))
            for (_, _, row), found in zip(self.matchers, times, strict=True)
        )

    def times(self, values: np.ndarray) -> list[np.ndarray]:
        """Return the model's times of the measured transits of each observed planet."""
        model = self.problem.model
        orbits = self.model.orbits(values)
        order = sorted(range(len(orbits)), key=lambda place: orbits[place].period)
        raw = ttvfast_parameters([orbits[i] for i in order], model.star_mass, model.epoch)
        planets = [_Cartesian(raw[2 + 7 * i : 9 + 7 * i]) for i in range(len(orbits))]
        result = ttvfast.ttvfast(
            planets,
            model.star_mass,
            0.0,
            model.dt,
            model.end - model.epoch,
            input_flag=2,
        )
        which, _, found, *_ = result["positions"]
        which, found = np.array(which), np.array(found)
        used = found != -2.0
        which, found = which[used], found[used] + model.epoch
        return [
            matcher.times(
                found[which == order.index(place)], orbits[place].t0, orbits[place].period
            )
            for place, matcher, _ in self.matchers
        ]


class _Cartesian:
    """A planet as ttvfast-python's function reads it, by the names of its attributes."""

    def __init__(self, values: list[float]) -> None:
        self.mass, *rest = values
        names = ("period", "eccentricity", "inclination", "longnode", "argument", "mean_anomaly")
        for name, value in zip(names, rest, strict=True):
            setattr(self, name, value)


def peer(campaign: Campaign, starts: list[np.ndarray], seconds: float) -> Outcome:
    """Run emcee's default move for so many seconds of CPU, set-up excluded."""
    problem = Problem.from_mapping(campaign.settings)
    posterior = UsersLikelihood(problem, parse_table(campaign.inputs[TABLE_FILE]))
    samplers = []
    for index, start in enumerate(starts):
        sampler = emcee.EnsembleSampler(*start.shape, posterior)
        sampler.random_state = np.random.RandomState(index).get_state()
        samplers.append([sampler, emcee.State(start)])
    began, n_step = time.process_time(), 0
    while time.process_time() - began < seconds:
        for one in samplers:
            # On a ridge as thin as this emcee takes walkers for linearly dependent.
            one[1] = one[0].run_mcmc(one[1], 20, skip_initial_state_check=True)
        n_step += 20
    spent = time.process_time() - began
    chains = np.array([sampler.get_chain(discard=n_step // 3) for sampler, _ in samplers])
    n_call = sum(len(start) * (n_step + 1) for start in starts)
    return judge("emcee stretch + ttvfast-python", spent, n_call, chains)


def main() -> int:
    """Run both and print a table; the last line is JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = HERE.parent / "examples" / "kepler-9.toml"
    parser.add_argument("campaign", nargs="?", type=Path, default=default)
    parser.add_argument("--peer-seconds", type=float, default=240.0, help="CPU time of the peer")
    options = parser.parse_args()
    first, campaign, starts = ours(options.campaign)
    second = peer(campaign, starts, options.peer_seconds)
    table = Table(title=f"{campaign.title}: effective draws for an hour of CPU")
    for column in ("sampler", "CPU s", "likelihoods", "us each", "R-hat", "bulk ESS", "ESS / h"):
        table.add_column(column, justify="left" if column == "sampler" else "right")
    for one in (first, second):
        table.add_row(
            one.name,
            f"{one.seconds:.0f}",
            f"{one.n_call}",
            f"{one.seconds / one.n_call * 1e6:.0f}",
            f"{one.rhat:.4f}",
            f"{one.ess:.0f}",
            f"{one.per_hour:.3g}",
        )
    Console(width=100).print(table)
    ratio = first.per_hour / second.per_hour
    print(json.dumps({"ess_per_cpu_hour_ratio": round(ratio, 1), "rhat": round(first.rhat, 4)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
