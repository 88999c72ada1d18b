"""What is caught, and at which price: ``python bench/trust.py``.

Every kind of `tests.adversarial.kinds` is made from honest results of real units. Check, audit and
comparison judge each of them, the audit with many secret seeds. From these verdicts three policies
are simulated, ten false results of a host one after the other:

- *quorum 2*: every unit is computed twice, outputs that can be read are compared, nothing else;
- *BOINC adaptive*: as BOINC's adaptive replication (``sched/sched_send.cpp``): a host with ten
  valid replicated results in a row computes alone, but for one in ``consecutive_valid`` units;
- *ours*: the rules of `boinc_project.lifecycle.trust` with the default settings: check of every
  output, time between sending and report, replication as BOINC's with a floor, audits of what is
  not replicated at a rate that falls with the audits passed but not below a floor, and of a small
  part of what is.

A host is *caught* when one of its ten false results is found out. The extra compute is that of
second and third results and of audits, in units, for each of the ten. Intervals are those of
Clopper and Pearson, 95 %. Kinds with 0.99 or more are not missed; biases below half a standard
deviation are listed apart.

The same run measures how often honest results are refused: by check and audit on an unlike
platform, and by the comparison in pairs (see ``bench/trust_pairs.py``). The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for tests.adversarial

from bench import trust_pairs
from boinc_project.errors import OutputError
from boinc_project.lifecycle import trust
from boinc_project.lifecycle.host_record import HostRecord
from boinc_project.settings import TrustSection
from boinc_project.ttv_output import read_ttv_output
from boinc_project.unit import seal
from tests.adversarial import campaign
from tests.adversarial.kinds import KINDS, NESTED_KINDS, Honest, Host, Kind, honest
from tests.unit.validator import nested_case, unlike
from validator import nested, ttv
from validator.plausible import Pace, is_too_fast
from validator.segments import AUDIT_SHARE

N_FALSE = 10
"""False results of a host, over which it is to be caught."""
ENOUGH = 0.99
SUBTLE = 0.5

TRUST = TrustSection()
"""The rates of a project that leaves them as they are."""
OLD_RECORD = 1000
UNIT_SECONDS = 2700.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the judges say of one false output.

    Attributes
    ----------
    reads : bool
        Whether it is a whole file of the right form.
    passes : bool
        Whether its check does not refuse it.
    audits : tuple[bool, ...]
        Whether each of the audits passes it.
    agrees : bool
        Whether the comparison with an honest result passes it.
    """

    reads: bool
    passes: bool
    audits: tuple[bool, ...]
    agrees: bool


@dataclass(frozen=True, slots=True)
class Costs:
    """Of honest results: CPU seconds of unit, check and audit."""

    unit: float
    check: float
    audit: float
    share: float


def look(kind: Kind, one: Honest, directory: Path, n_audit: int) -> Seen:
    """Forge, and judge."""
    path = kind.forge(one, directory / "false.h5")
    inputs = _inputs(one, directory)
    try:
        read_ttv_output(path)
    except OutputError:
        return Seen(False, False, (False,), False)
    passes = ttv.check(one.unit, path, inputs).is_valid
    # What fails its check is not audited: a policy with audits has checks, too.
    audits = tuple(
        ttv.audit(one.unit, path, inputs, rng=np.random.default_rng([seed, 5]), budget=1e9).is_valid
        for seed in range(n_audit if passes else 1)
    )
    other = one.write(directory / "honest.h5")
    return Seen(True, passes, audits, ttv.compare(one.unit, path, other).is_valid)


def _inputs(one: Honest, directory: Path) -> dict[str, Path]:
    seal(one.unit, {"transits.csv": campaign.table()}, directory / "unit")
    return {"transits.csv": directory / "unit" / "transits.csv"}


Policy = Callable[[Kind, Seen, np.random.Generator], tuple[bool, float]]
"""From a false result to whether it is found out, and the extra compute."""


def _wingman(kind: Kind, seen: Seen) -> tuple[bool, float]:
    """Compare with a second result; a third is computed if they do not agree."""
    friend = kind.host in {Host.PAIR, Host.MAJORITY}
    agree = seen.reads and (friend or seen.agrees)
    return not agree, 1.0 if agree else 2.0


def _record(kind: Kind) -> HostRecord:
    """Return the record with which a host's false results begin: just proven, if not said else."""
    if kind.host is Host.NEW:
        return HostRecord()
    if kind.host is Host.OLD:
        # All but the replicated results of an old record may have been audited, at the floor.
        alone = OLD_RECORD - trust.PROVEN_AFTER
        return HostRecord(consecutive_valid=OLD_RECORD, n_audited=int(TRUST.audit_floor * alone))
    return HostRecord(consecutive_valid=trust.PROVEN_AFTER)


def quorum_2(kind: Kind, seen: Seen, rng: np.random.Generator) -> tuple[bool, float]:
    """Every unit twice."""
    del rng
    return _wingman(kind, seen)


def boinc_adaptive(kind: Kind, seen: Seen, rng: np.random.Generator) -> tuple[bool, float]:
    """Let a host with a record compute alone, but for one result in `consecutive_valid`."""
    # Without a floor it is BOINC's rule.
    if rng.random() >= trust.replication_rate(_record(kind), floor=0.0):
        return not seen.reads, 0.0 if seen.reads else 1.0
    return _wingman(kind, seen)


def ours(kind: Kind, seen: Seen, rng: np.random.Generator) -> tuple[bool, float]:
    """Check, time, audit, and now and then a wingman."""
    record = _record(kind)
    replicated = rng.random() < trust.replication_rate(record, floor=TRUST.replication_floor)
    audit = (
        TRUST.quorum_audit_rate if replicated else trust.audit_rate(record, floor=TRUST.audit_floor)
    )
    extra = 0.0
    found = not seen.passes or is_too_fast(UNIT_SECONDS, Pace(kind.elapsed * UNIT_SECONDS))
    if not found and rng.random() < audit:
        extra += AUDIT_SHARE
        found = not seen.audits[int(rng.integers(len(seen.audits)))]
    if found:
        return True, extra + 1.0
    if replicated:
        found, more = _wingman(kind, seen)
        extra += more
    return found, extra


POLICIES: dict[str, Policy] = {
    "quorum 2": quorum_2,
    "BOINC adaptive": boinc_adaptive,
    "ours": ours,
}


@dataclass(frozen=True, slots=True)
class Rate:
    """How often hosts of a kind are caught, and what each of their results costs besides."""

    caught: int
    n: int
    extra: float

    @property
    def share(self) -> float:
        """The part that was caught."""
        return self.caught / self.n

    def __str__(self) -> str:
        low, high = trust_pairs.interval(self.caught, self.n)
        return f"{self.share:.3f} ({low:.3f}-{high:.3f}) +{self.extra:.2f}"


def simulate(
    kind: Kind, seen: list[Seen], policy: Policy, n: int, rng: np.random.Generator
) -> Rate:
    """Let `n` hosts send ten false results each."""
    caught, extra = 0, 0.0
    for _ in range(n):
        results = [policy(kind, seen[int(rng.integers(len(seen)))], rng) for _ in range(N_FALSE)]
        caught += any(found for found, _ in results)
        extra += sum(more for _, more in results) / N_FALSE
    return Rate(caught, n, extra / n)


def costs(index: int, directory: Path) -> Costs:
    """Compute, check and audit an honest unit that nothing is known of yet."""
    campaign.make_unit(index)
    began = time.process_time()
    one = honest(index)
    computed = time.process_time()
    path, inputs = one.write(directory / "honest.h5"), _inputs(one, directory)
    written = time.process_time()
    assert ttv.check(one.unit, path, inputs).is_valid
    checked = time.process_time()
    rng = np.random.default_rng(index)
    verdict = ttv.audit(one.unit, path, inputs, rng=rng, budget=1e9)
    assert verdict.is_valid, verdict.reason
    share = verdict.statistics["share"]
    audited = time.process_time()
    return Costs(computed - began, checked - written, audited - checked, share)


def refused_elsewhere(n_unit: int, n_audit: int, directory: Path) -> tuple[int, int, int]:
    """Return refusals, doubts and judgements of honest results of an unlike platform."""
    refused = doubted = judged = 0
    for index in range(n_unit):
        one = honest(index)
        output = unlike.ttv_output(one.unit, index, campaign.table())
        path, inputs = (
            Honest(one.unit, output).write(directory / "else.h5"),
            _inputs(one, directory),
        )
        verdicts = [ttv.check(one.unit, path, inputs)] + [
            ttv.audit(one.unit, path, inputs, rng=np.random.default_rng([seed, 6]), budget=1e9)
            for seed in range(n_audit)
        ]
        refused += sum(verdict.is_invalid for verdict in verdicts)
        doubted += sum(not (verdict.is_valid or verdict.is_invalid) for verdict in verdicts)
        judged += len(verdicts)
    return refused, doubted, judged


def nested_table(n_audit: int, directory: Path, console: Console) -> list[str]:
    """Print what check and audit say of nested runs; return the kinds that passed once."""
    case = nested_case.case()
    inputs = case.inputs(directory)
    table = Table(title=f"Nested runs: verdicts of the check and of {n_audit} audits")
    for column in ("kind", "check", "audits not passed"):
        table.add_column(column)
    missed = []
    for forge in (None, *NESTED_KINDS):
        path = directory / "nested.h5"
        case.write(directory, name=path.name) if forge is None else forge(case.output, path)
        check = nested.check(case.unit, path, inputs)
        n = 1 if forge is not None and check.is_invalid else n_audit
        audits = [
            nested.audit(case.unit, path, inputs, rng=np.random.default_rng(seed), budget=1e9)
            for seed in range(n)
        ]
        failed = sum(not verdict.is_valid for verdict in audits)
        name = "honest" if forge is None else forge.__name__.replace("_", " ")
        table.add_row(name, str(check.kind), f"{failed} of {n}")
        if forge is not None and check.is_valid and failed < n:
            missed.append(name)
    console.print(table)
    return missed


def main() -> int:
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--units", type=int, default=3, help="honest units to forge")
    parser.add_argument("--audits", type=int, default=20, help="secret seeds for each output")
    parser.add_argument("--hosts", type=int, default=1000, help="simulated hosts of each kind")
    parser.add_argument("--pairs", type=int, default=10_000, help="honest pairs; 0: none")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    console, progress = Console(width=118), Console(stderr=True)
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        spent = [costs(index, directory) for index in range(options.units)]
        rates: dict[str, dict[str, Rate]] = {}
        for kind in track(KINDS, "forging", console=progress):
            seen = [
                look(kind, honest(index), directory, options.audits)
                for index in range(options.units)
            ]
            rates[kind.name] = {
                title: simulate(kind, seen, policy, options.hosts, rng)
                for title, policy in POLICIES.items()
            }
        refused, doubted, judged = refused_elsewhere(options.units, options.audits, directory)
        console.print(kinds_table(rates))
        missed = nested_table(options.audits, directory, console)
    _print_costs(spent, console)
    console.print(
        f"Honest results of an unlike platform: {refused} refused and {doubted} in doubt of "
        f"{judged} checks and audits."
    )
    pairs = trust_pairs.measure(options.pairs, trust_pairs.N_STEP, 1) if options.pairs else {}
    print(json.dumps(_summary(rates, missed, spent, pairs)))
    return 0


def kinds_table(rates: dict[str, dict[str, Rate]]) -> Table:
    """Return the main table."""
    table = Table(title=f"Hosts caught within {N_FALSE} false results, and extra compute a result")
    for column in ("kind", *POLICIES):
        table.add_column(column)
    for name, found in rates.items():
        table.add_row(name, *(str(found[policy]) for policy in POLICIES))
    return table


def _print_costs(spent: list[Costs], console: Console) -> None:
    unit = sum(one.unit for one in spent)
    console.print(
        f"Honest units of {unit / len(spent):.1f} s of CPU: the check takes "
        f"{sum(one.check for one in spent) / unit:.2%} of it and the audit "
        f"{sum(one.audit for one in spent) / unit:.2%}, {spent[0].share:.2%} of the likelihoods."
    )


def _summary(
    rates: dict[str, dict[str, Rate]],
    missed_nested: list[str],
    spent: list[Costs],
    pairs: dict[str, object],
) -> dict[str, object]:
    biases = {kind.name: kind.bias for kind in KINDS if kind.bias}
    missed = [name for name, found in rates.items() if found["ours"].share < ENOUGH]
    return {
        "false_rejection": pairs.get("false_rejection"),
        "false_rejection_interval": pairs.get("interval"),
        "audit_cost": round(sum(one.audit for one in spent) / sum(one.unit for one in spent), 4),
        "kinds": len(rates) + len(NESTED_KINDS),
        "missed_kinds": [
            *(name for name in missed if not 0.0 < biases.get(name, 1.0) < SUBTLE),
            *missed_nested,
        ],
        "missed_subtle_biases": [name for name in missed if 0.0 < biases.get(name, 1.0) < SUBTLE],
    }


if __name__ == "__main__":
    sys.exit(main())
