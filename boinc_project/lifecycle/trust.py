"""Whom to believe: which hosts may compute a workunit alone, and how often they are looked at.

A record belongs to a host *with one app version*: a new version, or a second app, begins anew. A
host without a record is replicated; a proven one mostly computes alone, and what it computes alone
is audited at a rate that never reaches zero. Replication stays, too, at a low rate: an audit looks
at a part of an output, a second host at all of it. What hosts confirm each other is audited, too:
two that have agreed upon something false agree with each other, and no comparison tells.

Three numbers decide; see each for its derivation. What they do together is measured by
``openastro simulate`` and written down in ``docs/admin/trust.md``. BOINC's rule
(``sched/sched_send.cpp``, ``sched/validator.cpp``) is the special case without audits, and without
floors: there a host of 1000 good results is looked at once in a thousand.
"""

from __future__ import annotations

from collections.abc import Collection

from boinc_project.lifecycle.host_record import HostRecord

PROVEN_AFTER = 10
"""Replicated valid results in a row after which a host is proven (BOINC's number). A host that is
wrong in every tenth result gets there with probability 0.9**10 = 35 %, one that is wrong in every
third with 1.7 %: the first hurdle keeps out broken hosts; audits must find the rest."""

PROBATION = 2
"""By how many times `PROVEN_AFTER` each failed audit raises the hurdle. A host that cheats as soon
as it may must compute 10, then 30, then 50 honest replicated results for each time that it is
caught, after one false result on average (see `exposure`, with half of the results audited), and
each catch costs it the credit of all that it computed alone."""

MOST_PROBATION = 100
"""Above this hurdle nothing is gained: it is two months of an ordinary host."""

AUDITS_AT_FIRST = 10.0
"""The audit rate is this over (this + audits passed): all of the first results that a host computes
alone or confirms, and fewer with every audit that it passes, down to the floor. The default floor
of 0.5 is reached after ten. At 0.37 a host that turns bad would be caught by its tenth false result
with 1 - 0.63**10 = 0.99, if the audit finds each of them; half leaves room for results that are
false in a part."""


def required(record: HostRecord) -> int:
    """Return the replicated valid results in a row that make this host a proven one."""
    return min(MOST_PROBATION, PROVEN_AFTER * (1 + PROBATION * record.n_audit_failed))


def is_proven(record: HostRecord) -> bool:
    """Whether the host has a record to be believed on."""
    return record.consecutive_valid >= required(record)


def replication_rate(record: HostRecord, *, floor: float) -> float:
    """Return the probability with which another host must confirm the next result.

    Parameters
    ----------
    floor : float
        The rate that a long record does not get below. BOINC's ``1 / consecutive_valid`` has none.
    """
    return max(floor, 1.0 / record.consecutive_valid) if is_proven(record) else 1.0


def on_probation(record: HostRecord) -> bool:
    """Whether the host failed an audit and is not proven since."""
    return record.n_audit_failed > 0 and not is_proven(record)


def audit_rate(record: HostRecord, *, floor: float) -> float:
    """Return the probability with which a host's result is audited; at least `floor`.

    On probation it always is.
    """
    if on_probation(record):
        return 1.0
    passed = record.n_audited - record.n_audit_failed
    return max(floor, AUDITS_AT_FIRST / (AUDITS_AT_FIRST + passed))


def confirmed_audit_rate(
    records: Collection[HostRecord], *, floor: float, spared: float | None = None
) -> float:
    """Return the probability with which results that confirm each other are audited.

    The host that has passed most audits speaks for the others: it is the one whose word the rest
    is compared with. Hosts without a record that agree are always looked at. One host on probation
    is enough for a look, whoever agrees with it.

    Parameters
    ----------
    records : Collection[HostRecord]
        Of the hosts whose results are judged together; at least one.
    floor : float
        The least rate.
    spared : float, optional
        The rate for all but hosts on probation, where the validator has no time for more.
    """
    if any(on_probation(record) for record in records):
        return 1.0
    if spared is not None:
        return spared
    return min(audit_rate(record, floor=floor) for record in records)


def exposure(*, audit: float, replication: float, detection: float) -> float:
    """Return how many false results a host that turned bad gets in before it is caught, on average.

    The number of results up to the first that is looked at *and* found false is geometric. They do
    not stay in: the catch reopens all that the host alone computed.

    Parameters
    ----------
    audit, replication : float
        The two rates.
    detection : float
        Probability that an audit finds a false result false. Replication always does.
    """
    caught = 1.0 - (1.0 - replication) * (1.0 - audit * detection)
    return (1.0 - caught) / caught
