"""Do campaigns keep what *sampled* promises? ``python bench/ttv_zoo.py [--short]``.

A zoo of simulated systems (``bench/zoo/kinds.py``), true parameters drawn from each campaign's own
priors, goes the whole way of a user: a campaign file and a table, ``openastro campaign run-local``
as a process of its own, and the product's files. Asked are

- what products say (sampled, described) and what that costs;
- whether ranks of true values are uniform (``bench/zoo/ranks.py``);
- whether widths, tails and evidence are those of a long run that shares nothing with campaigns but
  the density (``bench/zoo/reference.py``), for the first seeds of each kind.

Everything that is done lies in ``--directory``: the bench can be stopped with Ctrl-C and goes on
where it was, and references are never made twice. Campaigns are run anew when the program's files
have changed. Progress goes to stderr. The last line is JSON:

- ``false_sampled``: systems that say sampled with a width or tail off by more than 10 %, beyond
  the reference's own error, or log Z by more than three errors; of these,
  ``false_sampled_beyond_own_error`` by more than the product's own Monte Carlo error allows;
- ``false_described``: systems that violate their noise model and are said to be described;
- ``kinds_sampled``: kinds of which every system says sampled;
- ``sbc_p_min``: the smallest of ``sbc_tests`` probabilities after Bonferroni, over systems that say
  sampled; ``sbc_p_min_all`` over all that have draws;
- ``worst_width_ratio``: the width that is farthest from the reference's, of systems that say
  sampled.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from bench.zoo.compare import compare
from bench.zoo.kinds import KINDS, SHORT, short
from bench.zoo.reference import of_posterior
from bench.zoo.report import Seen, print_report, summary
from bench.zoo.runs import ROOT, code_digest, run
from bench.zoo.simulate import simulate


@dataclass(frozen=True, slots=True)
class Task:
    """One system, and what is to be done with it.

    Attributes
    ----------
    kind, seed
        Of the system.
    short : bool
        Whether its campaign is the shortest.
    reference_seconds : float
        CPU of its reference; 0 if none is wanted.
    limit : float
        Seconds of wall time of its campaign.
    directory : Path
        Where everything is kept.
    code : str
        Digest of the program's files.
    """

    kind: str
    seed: int
    short: bool
    reference_seconds: float
    limit: float
    directory: Path
    code: str


def look(task: Task) -> Seen:
    """Simulate a system, run its campaign, and compare it with its reference."""
    kind = short(KINDS[task.kind]) if task.short else KINDS[task.kind]
    form = "short" if task.short else "whole"
    files = task.directory / "systems" / form / task.kind / str(task.seed)
    system = simulate(kind, task.seed, files)
    name = f"{task.kind} {task.seed}"
    place = f"{task.kind}-{task.seed}-{system.digest[:16]}"
    outcome = run(system, task.directory / "runs" / task.code[:16] / place, limit=task.limit)
    say(
        f"{name}: {outcome.word}, {outcome.cpu:.0f} s of CPU, {outcome.wall:.0f} s, "
        f"{outcome.n_call:,} likelihoods, log Z {outcome.log_z} {outcome.said}"
    )
    if not task.reference_seconds:
        return Seen(outcome, (), "not asked for")
    reference = of_posterior(
        system.posterior,
        system.truth,
        seed=task.seed,
        budget=task.reference_seconds,
        directory=task.directory / "references" / place,
        told=lambda text: say(f"{name}, reference: {text}"),
    )
    if reference is None or not reference.settled:
        say(f"{name} has no reference: it has not settled in {task.reference_seconds:.0f} s.")
        return Seen(outcome, (), "not settled")
    names = system.posterior.problem.parameter_names
    offsets = compare(outcome, names, reference) if outcome.quantiles else []
    return Seen(outcome, tuple(offsets), "settled")


def say(text: str) -> None:
    """Tell how it goes."""
    Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False)


def all_seen(tasks: list[Task], jobs: int) -> Iterator[Seen]:
    """Look at all systems, as many at once as wanted."""
    if jobs == 1:
        yield from map(look, tasks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        futures = [pool.submit(look, task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def tasks_of(options: argparse.Namespace) -> list[Task]:
    """Return what is to be done: the first seed of every kind before the second of any."""
    code = code_digest()
    seconds = 60.0 * options.reference_minutes
    return [
        Task(
            kind,
            seed,
            options.short,
            seconds if seed <= options.references else 0.0,
            60.0 * options.run_minutes,
            options.directory.resolve(),
            code,
        )
        for seed in range(1, options.seeds + 1)
        for kind in options.kinds
    ]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--seeds", type=int, help="systems of each kind; 6 if not given")
    parser.add_argument("--jobs", type=int, default=1, help="systems at once")
    parser.add_argument("--references", type=int, default=1, help="systems of each kind with one")
    parser.add_argument("--reference-minutes", type=float, help="CPU of one reference, at most")
    parser.add_argument("--run-minutes", type=float, default=120.0, help="of one campaign, at most")
    parser.add_argument("--short", action="store_true", help="two kinds, one small generation")
    parser.add_argument("--markdown", action="store_true", help="the table for the documentation")
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "zoo")
    options = parser.parse_args(arguments)
    options.kinds = options.kinds or list(SHORT if options.short else KINDS)
    options.seeds = options.seeds or (1 if options.short else 6)
    options.reference_minutes = options.reference_minutes or (1.5 if options.short else 20.0)
    return options


def main() -> int:
    """Run the zoo, print the report; the last line is JSON."""
    options = parse()
    tasks = tasks_of(options)
    seen: list[Seen] = []
    try:
        for system in all_seen(tasks, options.jobs):
            seen.append(system)
            say(f"{len(seen)} of {len(tasks)} systems")
    except KeyboardInterrupt:
        say("Interrupted. Run the same command again to go on from here.")
        return 130
    print_report(seen, markdown=options.markdown)
    print(json.dumps(summary(seen)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
