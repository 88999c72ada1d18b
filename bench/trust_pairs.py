"""How often two honest results are said to disagree: ``python bench/trust_pairs.py``.

One long chain is computed as an app computes it, and one with its arithmetic disturbed in the last
place, as an unlike platform would; rounding makes them part, so that they are two chains of one
posterior. Honest pairs are made of them: one result of blocks of the first chain, one of blocks of
the second, drawn at random with replacement and joined to the length of a unit (moving-block
bootstrap: Kuensch 1989, Ann. Statist. 17, 1217). Blocks hold whole ensembles and are many
autocorrelation times long, so that they keep the dependence of walkers and of draws.

Each pair goes through the comparison that the validator makes. Printed is the part of those that
were said to disagree at the validator's own rate, and at larger ones where more can be counted,
each with its Clopper-Pearson interval of 95 %; and how many had too little evidence. All rates are
family-wise: of pairs, however many tests a pair consists of. Of 40,000 pairs, none of which is said
to disagree, the interval ends below 1e-4. It is that of the resampling: all pairs come from the
same two chains. These differ by their own Monte Carlo error, which makes the rates a little too
large. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for tests.adversarial

from apps.ttv.autocorrelation import autocorrelate
from apps.ttv.compute.chain import compute
from apps.ttv.compute.table import parse_table
from apps.ttv.validate.statistics import FALSE_REJECTION_RATE, compare_runs
from bench.tables import show
from bench.trust_policies import interval
from tests.adversarial import campaign
from tests.unit.apps.nested.validate import unlike

RATES = (1e-1, 1e-2, 1e-3, FALSE_REJECTION_RATE)
N_STEP = 48_000
N_DRAW = 250
"""Stored draws of a result: half of what units of `tests.adversarial.campaign` have, which is twice
the evidence that a comparison asks for, so that the least of it is what is measured."""
BLOCK = 50
"""Stored draws of a block. The longest autocorrelation time is printed: below 2 draws."""

SAID_EVERY = 1000

Floats = np.ndarray


def long_chains(n_step: int) -> list[tuple[Floats, Floats]]:
    """Return draws and log-probabilities of both chains, without their beginnings."""
    unit = campaign.make_unit(0, n_step - n_step % campaign.THIN)
    chain = compute(unit, parse_table(campaign.table()))
    elsewhere = unlike.ttv_output(replace(unit, index=1), 1, campaign.table())
    skip = BLOCK
    return [
        (np.array(chain.draws)[skip:], np.array(chain.draws_log_prob)[skip:]),
        (elsewhere.draws[skip:], elsewhere.log_prob[skip:]),
    ]


def resample(
    chain: tuple[Floats, Floats], rng: np.random.Generator, n_draw: int = N_DRAW
) -> tuple[Floats, Floats]:
    """Return a result of blocks of a chain."""
    starts = rng.integers(len(chain[0]) - BLOCK + 1, size=n_draw // BLOCK)
    at = (starts[:, None] + np.arange(BLOCK)).ravel()
    return chain[0][at], chain[1][at]


def measure(
    n_pair: int,
    n_step: int = N_STEP,
    seed: int = 1,
    *,
    say: Callable[[str], None],
    n_draw: int = N_DRAW,
    markdown: bool = False,
) -> dict[str, Any]:
    """Compute, resample, compare and print; return what belongs into the last line.

    Parameters
    ----------
    n_pair : int
        Honest pairs.
    n_step : int
        Of each long chain.
    seed : int
        Of the resampling.
    say : Callable
        Told of progress.
    n_draw : int
        Stored draws of a result.
    markdown : bool
        Print the table as the documentation has it.
    """
    say(f"two chains of {n_step} steps for honest pairs")
    chains = long_chains(n_step)
    names = tuple(str(k) for k in range(chains[0][0].shape[2]))
    times = [autocorrelate(draws.mean(axis=1)).time.max() for draws, _ in chains]
    say(f"longest autocorrelation times: {times[0]:.1f} and {times[1]:.1f} draws")
    rng = np.random.default_rng(seed)
    smallest: list[float] = []
    rejected = 0
    for number in range(1, n_pair + 1):
        (a, log_a), (b, log_b) = (resample(chain, rng, n_draw) for chain in chains)
        found = compare_runs(names, (a, b), (log_a, log_b))
        if found.has_evidence:
            rejected += not found.agrees
            smallest.append(found.p_min * found.n_test)
        if number % SAID_EVERY == 0:
            say(f"{number} of {n_pair} honest pairs: {rejected} of {len(smallest)} disagree")
    return report(np.array(smallest), rejected, n_pair, markdown)


def report(smallest: Floats, rejected: int, n_pair: int, markdown: bool) -> dict[str, Any]:
    """Print the rates; `smallest` are family-wise probabilities of pairs with evidence.

    Such a probability is that of the smallest of all tests of a pair times their number, so that a
    rate of pairs, not of tests, is asked for and counted.
    """
    n = len(smallest)
    rows = []
    for rate in RATES:
        count = int((smallest < rate).sum())
        low, high = interval(count, n)
        rows.append([f"{rate:g}", str(count), f"{count / n:.2e}", f"{low:.1e} to {high:.1e}"])
    show(
        f"Honest pairs said to disagree, of {n} with enough evidence",
        ("family-wise rate asked for", "counted", "measured", "95 % interval"),
        rows,
        markdown=markdown,
    )
    return {
        "pairs": n_pair,
        "judged": n,
        "rejected": rejected,
        "false_rejection": rejected / n,
        "false_rejection_upper": float(f"{interval(rejected, n)[1]:.3g}"),
        "smallest": float(f"{smallest.min():.3g}"),
    }


def main() -> int:
    """Measure and print; the last line is JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=N_STEP, help="of each long chain")
    parser.add_argument("--draws", type=int, default=N_DRAW, help="stored draws of a result")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", action="store_true", help="tables as the documentation's")
    options = parser.parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {text}", file=sys.stderr, flush=True)

    found = measure(
        options.pairs,
        options.steps,
        options.seed,
        say=say,
        n_draw=options.draws,
        markdown=options.markdown,
    )
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
