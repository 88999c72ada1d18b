"""Effective draws that a CPU-hour buys: ``python bench/ttv_sampling.py [SYSTEM ...]``.

A system is an example of the project (``kepler-9``) or a kind of the zoo (``easy``, ``ridge``).

Ours is ``openastro campaign run-local`` as a process of its own: search, pilot, second opinion,
chains, validation, merging and plots all count. The peer, in the same run, on the same data and
priors: emcee with differential evolution and snooker moves, four independent ensembles that begin
where our chains begin, until R-hat is below 1.01 and its effective size reaches our stop rule's.
It is given our batch engine's likelihood, because with the one that a user writes with
ttvfast-python few systems end within a day; that likelihood is timed beside it, and the last
column says how long the peer's calls would take with it.

Both are judged by the same code. A run counts only if it has settled: ours, if its product says
*sampled*; the peer, if R-hat is below 1.01. Every seed is a run of its own: the spread of medians
and widths over seeds, in units of what the stated effective size promises, lowers the effective
size where it is above 1. The last line is JSON: for every system the ratio of effective draws for
an hour of CPU, with the same likelihood and with the user's; null where a side has not settled.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table

from apps.ttv.compute.likelihood import Posterior
from bench.sampling.campaigns import Computed, NotComputed, campaign_path, compute
from bench.sampling.judge import Score, score
from bench.sampling.peers import N_CHAIN, emcee_run
from bench.sampling.users_likelihood import UsersLikelihood
from bench.zoo.runs import ROOT

DEFAULT = ("kepler-9", "easy", "weak", "ridge")
_TIMED = 200
"""Calls of the user's likelihood that are timed."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Both sides of one system.

    Attributes
    ----------
    system : str
        Its name.
    ours, peer : Score
        Over seeds.
    user_call : float
        CPU seconds of one likelihood as a user writes it.
    unmet : tuple of str
        Rows of our verdicts that are not met.
    """

    system: str
    ours: Score
    peer: Score
    user_call: float
    unmet: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """Ours over the peer's, for the same likelihood; NaN if a side has not settled."""
        return self.ours.per_hour / self.peer.per_hour

    @property
    def users_seconds(self) -> float:
        """CPU seconds of the peer with the user's likelihood: calls times measured seconds."""
        return self.peer.n_call * self.user_call

    @property
    def users_ratio(self) -> float:
        """Ours over the peer's with the user's likelihood; NaN if a side has not settled."""
        return self.ratio * self.users_seconds / self.peer.seconds


def compared(system: str, options: argparse.Namespace) -> Compared:
    """Run both sides of one system, all seeds."""
    directory = options.directory.resolve() / system
    path = campaign_path(system, directory)
    ours: list[Computed] = []
    peers = []
    for seed in range(1, options.seeds + 1):
        say(f"{system}, seed {seed}: our campaign")
        computed = compute(
            path, directory / f"seed-{seed}", seed=seed, limit=60.0 * options.minutes
        )
        ours.append(computed)
        say(f"{system}, seed {seed}: {computed.run.seconds:.0f} s, sampled {computed.run.settled}")
        posterior = Posterior(computed.problem, computed.table)
        starts = [computed.starts[place % len(computed.starts)] for place in range(N_CHAIN)]
        peer = emcee_run(
            posterior.log_densities,
            starts,
            seed=seed,
            budget=60.0 * options.peer_minutes,
            least_ess=options.ess,
        )
        say(f"{system}, seed {seed}: emcee {peer.seconds:.0f} s, R-hat {peer.rhat:.4f}")
        peers.append(peer)
    return Compared(
        system,
        score("OpenAstro@home", [computed.run for computed in ours]),
        score("emcee, DE and snooker", peers),
        timed(ours[0]),
        tuple(sorted({key for computed in ours for key in computed.unmet})),
    )


def timed(computed: Computed) -> float:
    """Return the CPU seconds of a user's likelihood where chains begin."""
    likelihood = UsersLikelihood(computed.problem, computed.table)
    points = np.concatenate(computed.starts)[:_TIMED]
    began = time.process_time()
    for point in points:
        likelihood(point)
    return (time.process_time() - began) / len(points)


def show(results: list[Compared]) -> None:
    """Print the table."""
    table = Table(title="Effective draws for an hour of CPU")
    for column in ("system", "sampler", "CPU s", "calls", "R-hat", "settled", "ESS", "spread",
                   "ESS / h", "with ttvfast-python, CPU h"):  # fmt: skip
        table.add_column(column, justify="left" if column in ("system", "sampler") else "right")
    for result in results:
        for side, users in ((result.ours, ""), (result.peer, f"{result.users_seconds / 3600:.3g}")):
            table.add_row(
                result.system,
                side.name,
                f"{side.seconds:.0f}",
                f"{side.n_call:.3g}",
                f"{side.rhat:.4f}",
                "yes" if side.settled else "no",
                f"{side.ess:.0f}",
                f"{side.spread:.2f}",
                f"{side.per_hour:.3g}",
                users,
            )
        if result.unmet:
            table.add_row("", f"not met: {', '.join(result.unmet)}")
    Console(width=140).print(table)


def say(text: str) -> None:
    """Tell how it goes."""
    Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False)


def number(value: float) -> float | None:
    """Return a number for JSON."""
    return round(value, 2) if math.isfinite(value) else None


def main() -> int:
    """Compare all systems, print a table; the last line is JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("systems", nargs="*", default=list(DEFAULT))
    parser.add_argument("--seeds", type=int, default=2, help="runs of each side")
    parser.add_argument("--minutes", type=float, default=60.0, help="of one campaign, at most")
    parser.add_argument("--peer-minutes", type=float, default=30.0, help="CPU of one run of emcee")
    parser.add_argument(
        "--ess", type=float, default=400.0, help="effective size that emcee ends at"
    )
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "sampling")
    options = parser.parse_args()
    results: list[Compared] = []
    failed: dict[str, str] = {}
    for system in options.systems:
        try:
            results.append(compared(system, options))
        except NotComputed as error:
            failed[system] = str(error)
            say(str(error))
    show(results)
    told = {
        result.system: {
            "ess_per_cpu_hour_ratio": number(result.ratio),
            "with_users_likelihood": number(result.users_ratio),
            "sampled": result.ours.settled,
            "peer_rhat": number(result.peer.rhat),
            "spread_over_stated": number(result.ours.spread),
        }
        for result in results
    }
    print(json.dumps({**told, "failed": failed}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
