"""Effects on the loaded rows of a workunit: new results, hosts' records, credit, the story.

Rows that many workunits share (hosts, users) are locked without waiting, in one order; see
`server.services.lifecycle`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import insert, select, tuple_
from sqlalchemy.orm import Session

from boinc_project.errors import TransientError
from boinc_project.lifecycle.credit import Account, grant, revoke
from boinc_project.lifecycle.effects import (
    CreateResults,
    EventKind,
    GrantCredit,
    JudgeHost,
    RecordEvent,
    RequireQuorum,
    RevokeCredit,
    ScheduleTransition,
)
from boinc_project.lifecycle.host_record import HostRecord, judge
from boinc_project.lifecycle.state import WorkunitState
from server.db import Database
from server.models import Event, Host, HostAppVersion, Result, User, Workunit
from server.services.effects import cannot, record_of, story_row

RETRY_PRIORITY = 1
"""Added to the priority of results that replace or confirm others: somebody waits for their credit.

Confirmations that came last in the queue would be sent when all units of a campaign have been sent
once. Until then no host would have a record, and all would be replicated (``openastro simulate``
found it: of 6,000 units none was computed alone)."""

VERDICTS = frozenset(
    {
        EventKind.VALID,
        EventKind.INVALID,
        EventKind.INCONCLUSIVE,
        EventKind.VALIDATE_ERROR,
        EventKind.NO_CHECK,
        EventKind.TOO_LATE,
    }
)
"""Events whose reason a result's row keeps as its ``validate_reason``."""

# Built once: to put a statement together takes Python as long as to run it takes the database.
_STORY = insert(Event)


@dataclass(slots=True)
class RowEffects:
    """The effects of one event of a workunit whose rows are loaded; an `EffectStore`.

    New results are inserted at once, because their ids are needed to write the states. All else is
    collected, and done by `write` after the states: so every table is asked once an event.

    Attributes
    ----------
    session : Session
        The caller's transaction.
    database : Database
        For its locks.
    row : Workunit
        The workunit's row.
    results : dict[int, Result]
        Its results' rows by instance; new ones are added.
    before, after : WorkunitState
        Its state before and after the event.
    actor : str
        Who did it, for the story.
    daily_quota : int
        The project's ``daily_result_quota``.
    new_token : Callable[[], str]
        Returns the part of an output's file name that nobody can guess.
    """

    session: Session
    database: Database
    row: Workunit
    results: dict[int, Result]
    before: WorkunitState
    after: WorkunitState
    actor: str
    daily_quota: int
    new_token: Callable[[], str]
    _judged: list[JudgeHost] = field(default_factory=list)
    _credit: list[GrantCredit | RevokeCredit] = field(default_factory=list)
    _story: list[RecordEvent] = field(default_factory=list)

    def schedule_transition(self, effect: ScheduleTransition) -> None:
        """Refuse: the machine has folded it into the workunit's state."""
        raise cannot(self, effect)

    def require_quorum(self, effect: RequireQuorum) -> None:
        """Refuse: the machine has folded it into the workunit's state."""
        raise cannot(self, effect)

    def create_results(self, effect: CreateResults) -> None:
        """Insert the rows of new results."""
        row = self.row
        rows = {
            instance: Result(
                name=f"{row.name}_{instance}",
                workunitid=row.id,
                appid=row.appid,
                instance=instance,
                create_time=effect.time,
                priority=row.priority + (RETRY_PRIORITY if effect.retry else 0),
                output_name=f"{row.name}_{instance}_r{self.new_token()}_0",
            )
            for instance in range(effect.first, effect.first + effect.count)
        }
        self.results.update(rows)
        self.session.add_all(rows.values())
        self.session.flush()

    def grant_credit(self, effect: GrantCredit) -> None:
        """Collect credit that is granted."""
        self._credit.append(effect)

    def revoke_credit(self, effect: RevokeCredit) -> None:
        """Collect credit that is taken back."""
        self._credit.append(effect)

    def judge_host(self, effect: JudgeHost) -> None:
        """Collect a deed of a host."""
        self._judged.append(effect)

    def record_event(self, effect: RecordEvent) -> None:
        """Collect a line of the story; a result's row keeps the reason of its verdict."""
        self._story.append(effect)
        if effect.kind in VERDICTS:
            assert effect.result is not None
            self.results[effect.result].validate_reason = str(effect.detail.get("reason", ""))

    def write(self) -> None:
        """Do what was collected; the caller commits.

        Raises
        ------
        TransientError
            If another transaction changes a row that takes part.
        """
        self._judge_hosts()
        _change_credit(self.session, self.database, self._credit, self.results)
        if self._story:
            self.session.connection().execute(_STORY, self._story_rows())

    def _story_rows(self) -> list[dict[str, Any]]:
        return [
            story_row(
                record,
                actor=self.actor,
                campaign=self.row.campaign_id,
                workunit=self.row.id,
                result=None if record.result is None else self.results[record.result].id,
                before=self.before,
                after=self.after,
            )
            for record in self._story
        ]

    def _judge_hosts(self) -> None:
        """Change records; a result that was computed by no known app version has none."""
        deeds = [
            ((row.hostid, row.app_version_id), row, effect.deed)
            for effect in self._judged
            for row in [self.results[effect.result]]
            if row.hostid is not None and row.app_version_id is not None
        ]
        records = _host_records(self.session, self.database, {key for key, _, _ in deeds})
        for key, row, deed in deeds:
            record = records[key]
            after = judge(
                record_of(record),
                deed,
                daily_quota=self.daily_quota,
                # Whether the workunit's canonical result is more than one host's word.
                replicated=self.after.limits.min_quorum > 1,
                turnaround=(row.received_time or 0.0) - (row.sent_time or 0.0),
            )
            for name, value in asdict(after).items():
                setattr(record, name, value)


def _host_records(
    session: Session, database: Database, keys: Iterable[tuple[Any, Any]]
) -> dict[tuple[Any, Any], HostAppVersion]:
    keys = set(keys)
    if not keys:
        return {}
    columns = tuple_(HostAppVersion.host_id, HostAppVersion.app_version_id)
    chosen = select(HostAppVersion).where(columns.in_(keys))
    rows = session.scalars(database.locked(chosen).execution_options(populate_existing=True)).all()
    records = {(row.host_id, row.app_version_id): row for row in rows}
    for host, version in keys - records.keys():
        if session.get(HostAppVersion, (host, version)) is not None:
            raise TransientError("Another process judges this host.", host=host)
        records[host, version] = HostAppVersion(
            host_id=host,
            app_version_id=version,
            **asdict(HostRecord()),
        )
        session.add(records[host, version])
    return records


def _change_credit(
    session: Session,
    database: Database,
    changes: Sequence[GrantCredit | RevokeCredit],
    rows: Mapping[int, Result],
) -> None:
    """Give users and hosts the credit that is granted, and take back what is revoked."""
    users = _locked(session, database, User, {rows[change.result].userid for change in changes})
    hosts = _locked(session, database, Host, {rows[change.result].hostid for change in changes})
    for change in changes:
        row = rows[change.result]
        for account in (users.get(row.userid), hosts.get(row.hostid)):
            if account is None:
                continue
            before = Account(account.total_credit, account.expavg_credit, account.expavg_time)
            after = (
                grant(
                    before, change.credit, now=change.time, work_start=row.sent_time or change.time
                )
                if isinstance(change, GrantCredit)
                else revoke(before, change.credit, granted=change.granted)
            )
            account.total_credit = after.total
            account.expavg_credit = after.average
            account.expavg_time = after.average_time


def _locked(
    session: Session, database: Database, table: type[Any], ids: Iterable[int | None]
) -> dict[int | None, Any]:
    wanted = {number for number in ids if number is not None}
    if not wanted:
        return {}
    chosen = select(table).where(table.id.in_(wanted)).order_by(table.id)
    rows = session.scalars(database.locked(chosen).execution_options(populate_existing=True)).all()
    if len(rows) < len(wanted):
        raise TransientError(f"Another process changes a {table.__tablename__}.", ids=wanted)
    return {row.id: row for row in rows}
