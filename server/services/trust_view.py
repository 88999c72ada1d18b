"""The error rates of the project, for everybody; and a computer's standing, for its owner.

Rates come with their 95 % confidence interval by Wilson's method, because most of them are small
numbers of rare events, for which a plain percentage says more than is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from boinc_project.lifecycle.effects import EventKind
from boinc_project.lifecycle.faults import Factor
from boinc_project.lifecycle.host_record import HostRecord
from boinc_project.lifecycle.trust import is_proven, required
from boinc_project.states import Outcome, ServerState, ValidateState
from server.db import Database
from server.models import AppVersion, CampaignRow, Event, HostAppVersion, Result
from server.services.fault_rows import faults

_Z = 1.959964
"""Of a normal distribution, 95 % lie within so many standard deviations."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened.

    Attributes
    ----------
    count, total : int
        Times that it did, of so many.
    """

    count: int
    total: int

    @property
    def value(self) -> float | None:
        """The plain rate; None of nothing."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval (Wilson 1927, eq. 5)."""
        if not self.total:
            return 0.0, 1.0
        n, p = self.total, self.count / self.total
        middle = p + _Z * _Z / (2 * n)
        half = _Z * math.sqrt(p * (1 - p) / n + _Z * _Z / (4 * n * n))
        scale = 1 + _Z * _Z / n
        return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


@dataclass(frozen=True, slots=True)
class TrustView:
    """What is published.

    Attributes
    ----------
    failed, late, invalid : Rate
        Of the tasks that ended: failed on the computer, or not returned in time. Of those judged:
        not believed.
    audits_failed : Rate
        Of the audits made.
    reopened : int
        Workunits that were opened again.
    proven, computers : int
        Records that are long enough to compute alone, of all records.
    suspects : tuple[str, ...]
        What fails more than the rest now, in words without identities.
    """

    failed: Rate
    late: Rate
    invalid: Rate
    audits_failed: Rate
    reopened: int
    proven: int
    computers: int
    suspects: tuple[str, ...]


def trust_view(database: Database, *, now: float) -> TrustView:
    """Return the project's published error rates."""
    with database.read() as session:
        outcomes = dict(
            session.execute(
                select(Result.outcome, func.count())
                .where(Result.server_state == ServerState.OVER)
                .group_by(Result.outcome)
            ).all()
        )
        judged, invalid = session.execute(
            select(
                func.count(),
                func.sum(case((Result.validate_state == ValidateState.INVALID, 1), else_=0)),
            ).where(Result.validate_state.in_((ValidateState.VALID, ValidateState.INVALID)))
        ).one()
        kinds = dict(
            session.execute(
                select(Event.kind, func.count())
                .where(
                    Event.kind.in_(
                        (EventKind.AUDIT_PASSED, EventKind.AUDIT_FAILED, EventKind.REOPENED)
                    )
                )
                .group_by(Event.kind)
            ).all()
        )
        records = [
            HostRecord(consecutive_valid=valid, n_audit_failed=failed)
            for valid, failed in session.execute(
                select(HostAppVersion.consecutive_valid, HostAppVersion.n_audit_failed)
            )
        ]
        suspects = _suspects(session, now)
    errors, late = outcomes.get(Outcome.CLIENT_ERROR, 0), outcomes.get(Outcome.NO_REPLY, 0)
    returned = outcomes.get(Outcome.SUCCESS, 0) + outcomes.get(Outcome.VALIDATE_ERROR, 0)
    bad = kinds.get(EventKind.AUDIT_FAILED, 0)
    return TrustView(
        failed=Rate(errors, returned + errors),
        late=Rate(late, returned + errors + late),
        invalid=Rate(int(invalid or 0), int(judged)),
        audits_failed=Rate(bad, kinds.get(EventKind.AUDIT_PASSED, 0) + bad),
        reopened=kinds.get(EventKind.REOPENED, 0),
        proven=sum(is_proven(one) for one in records),
        computers=len(records),
        suspects=suspects,
    )


def _suspects(session: Session, now: float) -> tuple[str, ...]:
    found = faults(session, now=now)
    words = [
        _group_words(session, one.factor, one.name)
        + f": {one.failed} of {one.ended} computers fail (p = {one.p_value:.1g})"
        for one in found
        if one.factor is not Factor.HOST
    ]
    hosts = sum(one.factor is Factor.HOST for one in found)
    if hosts:
        words.append(f"{hosts} computer{'' if hosts == 1 else 's'}: their owners can see which")
    return tuple(words)


def _group_words(session: Session, factor: Factor, name: int | str) -> str:
    if factor is Factor.CAMPAIGN:
        row = session.get(CampaignRow, name)
        return f"The campaign {row.name if row else name}"
    if factor is Factor.APP_VERSION:
        version = session.get(AppVersion, name)
        if version is None:
            return f"An app version ({name})"
        number = f"{version.version_num // 100}.{version.version_num % 100:02d}"
        return f"Version {number} of {version.app.user_friendly_name} on {version.platform}"
    return f"The platform {name}"


def standing(record: HostAppVersion) -> str:
    """Return where a computer stands with an app version, for its owner."""
    kept = HostRecord(
        consecutive_valid=record.consecutive_valid, n_audit_failed=record.n_audit_failed
    )
    more = required(kept) - kept.consecutive_valid
    if is_proven(kept):
        return "proven: it may compute tasks alone, and the server audits some of them"
    times = "once" if kept.n_audit_failed == 1 else f"{kept.n_audit_failed} times"
    why = f"it failed an audit {times}; " if kept.n_audit_failed else ""
    tasks = "1 more task" if more == 1 else f"{more} more tasks"
    return f"{why}others confirm its tasks, until {tasks} in a row agree"


def rates_by_name(view: TrustView) -> Mapping[str, Rate]:
    """Return the rates by the words of the page."""
    return {
        "Tasks that failed on a computer": view.failed,
        "Tasks that were not returned in time": view.late,
        "Judged tasks that were not believed": view.invalid,
        "Audits that failed": view.audits_failed,
    }
