"""What deadlines, audits and quotas do to a campaign: ``python bench/fleet.py``.

Simulated fleets drive the real server (see `server.simulation`), each run with one setting that is
not at its default: how long a host may take for a result, how many results are audited at least,
and how many results a processor gets a day. No simulated validator is behind with its audits, so
that `quorum_audit_rate` has no part in it. Each run is repeated with other seeds; numbers are
means, those of false accepts and rejects are sums. Progress goes to stderr, the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.tables import show
from boinc_project.campaign import Quorum
from boinc_project.settings import SchedulerSection, TrustSection
from server.logging import configure_logging
from server.simulation.hosts import Population
from server.simulation.report import Report
from server.simulation.run import Simulation, run
from server.simulation.world import Work

DAY = 86400.0
DEADLINES = (2.0, 4.0, 7.0, 14.0)
"""Days."""
FLOORS = (0.02, 0.1, 0.5, 1.0)
QUOTAS = (10, 100, 500)


def grid(hosts: int, units: int, hours: float, cheaters: float) -> Iterator[tuple[str, Simulation]]:
    """Yield the runs: that of all defaults, then each setting's other values."""
    quorum = Quorum(adaptive=True)
    usual = Simulation(
        population=Population(hosts=hosts, cheaters=cheaters),
        work=Work(units=units, hours=hours, quorum=quorum),
        days=120.0,
    )
    yield "defaults", usual
    for days in DEADLINES:
        if days * DAY != quorum.delay_bound:
            late = replace(quorum, delay_bound=days * DAY)
            yield f"deadline {days:g} d", replace(usual, work=replace(usual.work, quorum=late))
    for floor in FLOORS:
        if floor != TrustSection().audit_floor:
            yield (
                f"audit_floor {floor:g}",
                replace(usual, sections={"trust": {"audit_floor": floor}}),
            )
    for quota in QUOTAS:
        if quota != SchedulerSection().daily_result_quota:
            limited = {"scheduler": {"daily_result_quota": quota}}
            yield f"daily_result_quota {quota}", replace(usual, sections=limited)


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--units", type=int, default=3000)
    parser.add_argument("--hours", type=float, default=6.0, help="of a unit, at 3 GFLOP/s")
    parser.add_argument("--cheaters", type=float, default=0.1, help="part of the hosts")
    parser.add_argument("--only", default="", help="settings whose names begin so, by commas")
    parser.add_argument("--markdown", action="store_true", help="tables as the documentation's")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each setting")
    options = parser.parse_args()
    # What hosts do wrong is meant, and not for the log.
    configure_logging("bench", level="ERROR")
    logging.disable(logging.ERROR)
    found: dict[str, list[Report]] = {}
    began = time.monotonic()
    for name, one in grid(options.hosts, options.units, options.hours, options.cheaters):
        if not name.startswith(("defaults", *options.only.split(","))):
            continue
        for seed in range(1, options.seeds + 1):
            with tempfile.TemporaryDirectory() as directory:
                again = run(replace(one, seed=seed), Path(directory))
            found.setdefault(name, []).append(again)
            print(
                f"[{time.monotonic() - began:4.0f} s] {name}, seed {seed}: {again.done} units",
                file=sys.stderr,
                flush=True,
            )
    title = "One campaign, one setting changed"
    show(title, COLUMNS, rows_of(found), markdown=options.markdown)
    print(json.dumps({name: [asdict(one) for one in runs] for name, runs in found.items()}))
    return 0


COLUMNS = (
    *("setting", "days", "99 % after", "computing", "alone", "results", "timed out", "audits"),
    *("second looks", "false in (ever)", "false out", "reopened", "bytes a unit"),
)


def rows_of(found: dict[str, list[Report]]) -> list[list[str]]:
    """Return what came of every setting."""
    return [
        [
            name,
            _mean([one.days for one in runs], ".1f"),
            _mean([one.days_99 for one in runs], ".1f"),
            _mean([one.cost for one in runs], ".3f"),
            _mean([one.alone for one in runs], ".0f"),
            _mean([one.results for one in runs], ".0f"),
            _mean([one.timeouts for one in runs], ".0f"),
            _mean([one.audits for one in runs], ".0f"),
            _mean([one.looks for one in runs], ".0f"),
            f"{sum(one.false_accepts for one in runs)} ({sum(one.ever_false for one in runs)})",
            str(sum(one.false_rejects for one in runs)),
            _mean([one.reopened for one in runs], ".0f"),
            _mean([one.bytes_per_unit for one in runs], ".0f"),
        ]
        for name, runs in found.items()
    ]


def _mean(values: list[Any], form: str) -> str:
    return "-" if None in values else format(float(np.mean(values)), form)


if __name__ == "__main__":
    sys.exit(main())
