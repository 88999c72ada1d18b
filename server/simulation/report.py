"""What came of a simulation: the server's rows beside what the simulation knows to be true."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from boinc_project.lifecycle.effects import EventKind
from boinc_project.states import Outcome, ValidateState
from server.models import Event, Result, Workunit
from server.services.second_looks import KIND as SECOND_LOOK
from server.simulation.fleet import Truth
from server.simulation.world import World
from validator.segments import AUDIT_SHARE


@dataclass(frozen=True, slots=True)
class Report:
    """The numbers of a run; times are virtual unless they are called real.

    Attributes
    ----------
    units, done, failed : int
        Units in all, with a canonical result, and ended in error.
    days, days_99 : float or None
        Until the last unit had its answer, and until 99 % had; None if that did not happen.
    alone : int
        Of those done, units that rest on one host's word.
    results : int
        Results that hosts returned or lost.
    cost : float
        Computing of all hosts, in that of one run of every finished unit: 1 would be no replication
        and no loss.
    audits, audit_cost : int, float
        Audits made, and what they cost in the same measure, at the share of a unit that a real
        audit takes; the simulated one looks at a larger part, but of fewer.
    looks : int
        Those of confirmed results of a host that was found wrong since.
    timeouts, errors : int
        Results that were not returned, and that failed.
    false_accepts : int
        Canonical results at the end that are wrong in a segment or more.
    ever_false : int
        Times a wrong result became canonical; the others were withdrawn.
    false_rejects : int
        Right results that were found invalid.
    reopened : int
        Units opened again because a host that computed them was found wrong, or they were.
    caught : dict[str, int]
        Hosts that failed an audit or had an invalid result, by what they are.
    credit_of_cheaters : float
        Part of all credit that is for results that are wrong.
    rpcs, rpc_ms : int, float
        Requests, and real milliseconds that answering one took.
    spared : int
        Requests of hosts with nothing to tell that were not made, there being no work for anybody.
    database_bytes, bytes_per_unit : float
        Size at the end.
    state : str
        Of the campaign.
    """

    units: int
    done: int
    failed: int
    days: float | None
    days_99: float | None
    alone: int
    results: int
    cost: float
    audits: int
    audit_cost: float
    looks: int
    timeouts: int
    errors: int
    false_accepts: int
    ever_false: int
    false_rejects: int
    reopened: int
    caught: dict[str, int]
    credit_of_cheaters: float
    rpcs: int
    rpc_ms: float
    spared: int
    database_bytes: float
    bytes_per_unit: float
    state: str

    @property
    def units_per_day(self) -> float | None:
        """Mean rate up to the last unit."""
        return self.done / self.days if self.days else None

    @property
    def tail(self) -> float | None:
        """Part of the time that the last 1 % took."""
        return (self.days - self.days_99) / self.days if self.days and self.days_99 else None


def report(world: World, truth: Truth, state: str) -> Report:
    """Count."""
    with world.database.read() as session:
        units = world.work.units
        canonical = session.execute(
            select(Result.name).join(Workunit, Workunit.canonical_resultid == Result.id)
        ).all()
        alone = session.scalar(
            select(func.count()).where(
                Workunit.canonical_resultid.is_not(None), Workunit.min_quorum < Workunit.full_quorum
            )
        )
        failed = session.scalar(select(func.count()).where(Workunit.error_mask != 0)) or 0
        kinds = Counter(
            dict(session.execute(select(Event.kind, func.count()).group_by(Event.kind)).all())
        )
        made = session.execute(
            select(Result.name)
            .join(Event, Event.resultid == Result.id)
            .where(Event.kind == EventKind.CANONICAL)
        ).all()
        outcomes = Counter(
            dict(
                session.execute(select(Result.outcome, func.count()).group_by(Result.outcome)).all()
            )
        )
        invalid = session.execute(
            select(Result.name, Result.hostid).where(Result.validate_state == ValidateState.INVALID)
        ).all()
        credited = session.execute(
            select(Result.name, Result.granted_credit).where(Result.granted_credit > 0)
        ).all()
        sent = session.scalar(select(func.count()).where(Result.sent_time.is_not(None))) or 0
    wrong = truth.wrong
    done = len(canonical)
    unit_seconds = world.work.hours * 3600.0
    total_credit = sum(credit for _, credit in credited)
    size = float(_size(world.root))
    caught = {(truth.makers[name].value, host) for name, host in invalid if name in truth.makers}
    return Report(
        units=units,
        done=done,
        failed=failed,
        days=_reached(truth, units),
        days_99=_reached(truth, -(-99 * units // 100)),
        alone=alone or 0,
        results=sent,
        cost=truth.cpu_seconds / (unit_seconds * max(1, done)),
        audits=world.n_audit,
        audit_cost=AUDIT_SHARE * world.n_audit / max(1, done),
        looks=kinds[SECOND_LOOK],
        timeouts=outcomes[Outcome.NO_REPLY],
        errors=outcomes[Outcome.CLIENT_ERROR],
        false_accepts=sum(wrong.get(name, 0) > 0 for (name,) in canonical),
        ever_false=sum(wrong.get(name, 0) > 0 for (name,) in made),
        false_rejects=sum(wrong.get(name, 1) == 0 for name, _ in invalid),
        reopened=kinds[EventKind.REOPENED],
        caught=dict(Counter(character for character, _ in sorted(caught))),
        credit_of_cheaters=sum(c for name, c in credited if wrong.get(name, 0))
        / max(total_credit, 1e-300),
        rpcs=truth.rpcs,
        rpc_ms=1e3 * truth.rpc_seconds / max(1, truth.rpcs),
        spared=truth.spared,
        database_bytes=size,
        bytes_per_unit=size / units,
        state=state,
    )


def _reached(truth: Truth, units: int) -> float | None:
    """Return the virtual days until so many units had an answer for good."""
    last = None
    for seconds, done in reversed(truth.progress):
        if done < units:
            break
        last = seconds
    return None if last is None else last / 86400.0


def _size(root: Path) -> int:
    return sum(path.stat().st_size for path in root.glob("project.sqlite*"))


def lines(found: Report) -> list[str]:
    """Return the report for people."""

    def days(value: float | None) -> str:
        return "not reached" if value is None else f"{value:.2f} days"

    tail, rate = found.tail, found.units_per_day
    caught = ", ".join(f"{n} {name}" for name, n in sorted(found.caught.items())) or "none"
    return [
        f"Units          {found.done} of {found.units} done, {found.failed} failed, "
        f"{found.alone} by one host alone ({found.state})",
        f"Completion     {days(found.days)}; 99 % after {days(found.days_99)}"
        + ("" if tail is None else f"; the last 1 % is {100 * tail:.0f} % of the time"),
        "Throughput     " + ("-" if rate is None else f"{rate:.0f} units a day"),
        f"Computing      {found.cost:.3f} times that of one run a unit; {found.results} results "
        f"sent, {found.timeouts} timed out, {found.errors} failed",
        f"Audits         {found.audits}, costing {found.audit_cost:.4f} of one run a unit; "
        f"{found.looks} were second looks",
        f"False accepts  {found.false_accepts} at the end ({found.ever_false} ever, "
        f"{found.reopened} units reopened)",
        f"False rejects  {found.false_rejects}",
        f"Found wrong    hosts: {caught}",
        f"Credit         {100 * found.credit_of_cheaters:.3f} % of it for results that are wrong",
        f"Scheduler      {found.rpcs} requests, {found.rpc_ms:.2f} ms each (real); "
        f"{found.spared} more were spared, when there was no work",
        f"Database       {found.database_bytes / 1e6:.1f} MB, {found.bytes_per_unit:.0f} bytes a "
        "unit",
    ]
