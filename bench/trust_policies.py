"""The three policies that ``bench/trust.py`` compares, and hosts that send false results to them.

- *quorum 2*: every unit is computed twice, outputs that can be read are compared, nothing else;
- *BOINC adaptive*: as BOINC's adaptive replication (``sched/sched_send.cpp``): a host with ten
  valid replicated results in a row computes alone, but for one in ``consecutive_valid`` units;
- *ours*: the rules of `boinc_project.lifecycle.trust` with the default settings: check of every
  output, time between sending and report, replication as BOINC's with a floor, audits at a rate
  that falls with the audits passed but not below a floor, and of all that contradicts each other.
  An app whose outputs one host's word is not enough for is always replicated. The validator keeps
  up with its audits.

What check, audit and comparison say of an output is not simulated: it is passed in, as `Seen`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from boinc_project.lifecycle import trust
from boinc_project.lifecycle.host_record import HostRecord
from boinc_project.settings import TrustSection
from tests.adversarial.kinds import Host
from validator.plausible import Pace, is_too_fast
from validator.segments import AUDIT_SHARE

N_FALSE = 10
"""False results of a host, over which it is to be caught."""
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
class Falsehood:
    """A kind of false output, and what is seen of it.

    Attributes
    ----------
    name : str
        For tables.
    seen : list[Seen]
        Of forgeries of several units.
    host : Host
        Who sends it.
    elapsed : float
        Time until its report, in times that the work takes on the reference host.
    bias : float
        Of a subtle bias, standard deviations; 0 for all others.
    alone : bool
        Whether a proven host computes such units alone.
    """

    name: str
    seen: list[Seen]
    host: Host = Host.ALONE
    elapsed: float = 1.0
    bias: float = 0.0
    alone: bool = True


Policy = Callable[[Falsehood, Seen, np.random.Generator], tuple[bool, float]]
"""From a false result to whether it is found out, and the extra compute."""


FRIENDS = {Host.PAIR, Host.MAJORITY, Host.NEWCOMERS, Host.SLEEPERS}
"""Hosts whose wingmen send the same."""


def _agrees(kind: Falsehood, seen: Seen) -> bool:
    """Whether the wingman's result agrees."""
    return seen.reads and (kind.host in FRIENDS or seen.agrees)


def _wingman(kind: Falsehood, seen: Seen) -> tuple[bool, float]:
    """Compare with a second result; a third is computed if they do not agree."""
    agree = _agrees(kind, seen)
    return not agree, 1.0 if agree else 2.0


def _old_record() -> HostRecord:
    """Return that of a thousand good results: as many were audited as the floor asks for."""
    return HostRecord(consecutive_valid=OLD_RECORD, n_audited=int(TRUST.audit_floor * OLD_RECORD))


def _record(kind: Falsehood) -> HostRecord:
    """Return the record with which a host's false results begin: just proven, if not said else."""
    if kind.host in {Host.NEW, Host.NEWCOMERS}:
        return HostRecord()
    if kind.host in {Host.OLD, Host.SLEEPERS}:
        return _old_record()
    return HostRecord(consecutive_valid=trust.PROVEN_AFTER)


def quorum_2(kind: Falsehood, seen: Seen, rng: np.random.Generator) -> tuple[bool, float]:
    """Every unit twice."""
    del rng
    return _wingman(kind, seen)


def boinc_adaptive(kind: Falsehood, seen: Seen, rng: np.random.Generator) -> tuple[bool, float]:
    """Let a host with a record compute alone, but for one result in `consecutive_valid`."""
    # Without a floor it is BOINC's rule.
    if rng.random() >= trust.replication_rate(_record(kind), floor=0.0):
        return not seen.reads, 0.0 if seen.reads else 1.0
    return _wingman(kind, seen)


def ours(kind: Falsehood, seen: Seen, rng: np.random.Generator) -> tuple[bool, float]:
    """Check, time, audit, and now and then a wingman."""
    if not seen.passes or is_too_fast(UNIT_SECONDS, Pace(kind.elapsed * UNIT_SECONDS)):
        return True, 1.0
    record = _record(kind)
    replication = trust.replication_rate(record, floor=TRUST.replication_floor)
    if kind.alone and rng.random() >= replication:
        found = rng.random() < trust.audit_rate(record, floor=TRUST.audit_floor)
        caught = found and not _audited(seen, rng)
        return caught, AUDIT_SHARE * found + caught
    return _confirmed(kind, seen, record, rng)


def _confirmed(
    kind: Falsehood, seen: Seen, record: HostRecord, rng: np.random.Generator
) -> tuple[bool, float]:
    """Compare with a wingman, and audit: always where anybody contradicts."""
    # Whoever is honest has an old record: the worst case for the lottery.
    other = record if kind.host in FRIENDS else _old_record()
    contradicted = not _agrees(kind, seen) or kind.host is Host.MAJORITY
    rate = trust.confirmed_audit_rate((record, other), floor=TRUST.audit_floor)
    looked = contradicted or rng.random() < rate
    caught = looked and not _audited(seen, rng)
    found, more = _wingman(kind, seen)
    # Who fails an audit is out: another result is computed for it, and no third for the quorum.
    extra = more if found or not caught else more + 1.0
    return found or caught, extra + AUDIT_SHARE * looked * (1 + contradicted)


def _audited(seen: Seen, rng: np.random.Generator) -> bool:
    """Whether an audit with a fresh seed passes the output."""
    return seen.audits[int(rng.integers(len(seen.audits)))]


POLICIES: dict[str, Policy] = {
    "quorum 2": quorum_2,
    "BOINC adaptive": boinc_adaptive,
    "ours": ours,
}


def interval(count: int, n: int) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of 95 % of a probability."""
    low = float(beta.ppf(0.025, count, n - count + 1)) if count else 0.0
    return low, float(beta.ppf(0.975, count + 1, n - count)) if count < n else 1.0


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
        low, high = interval(self.caught, self.n)
        return f"{self.share:.3f} ({low:.3f}-{high:.3f}) +{self.extra:.2f}"


def simulate(kind: Falsehood, policy: Policy, n: int, rng: np.random.Generator) -> Rate:
    """Let `n` hosts send ten false results each."""
    caught, extra = 0, 0.0
    for _ in range(n):
        seen = [kind.seen[int(one)] for one in rng.integers(len(kind.seen), size=N_FALSE)]
        results = [policy(kind, one, rng) for one in seen]
        caught += any(found for found, _ in results)
        extra += sum(more for _, more in results) / N_FALSE
    return Rate(caught, n, extra / n)
