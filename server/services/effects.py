"""Carry out effects of the life-cycle machine: hosts' records, credit, the story's rows.

Rows that many workunits share (hosts, users) are locked without waiting, in one order; see
`server.services.lifecycle`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from boinc_project.errors import TransientError
from boinc_project.lifecycle.credit import Account, grant, revoke
from boinc_project.lifecycle.effects import (
    Effect,
    GrantCredit,
    JudgeHost,
    RecordEvent,
    RevokeCredit,
)
from boinc_project.lifecycle.host_record import HostRecord, judge
from boinc_project.lifecycle.state import ResultState, WorkunitState
from server.db import Database
from server.models import Host, HostAppVersion, Result, User
from server.services.state_rows import result_label, workunit_label


def judge_hosts(
    session: Session,
    database: Database,
    effects: Iterable[Effect],
    rows: Mapping[int, Result],
    *,
    daily_quota: int,
    replicated: bool = True,
) -> None:
    """Change the records of the hosts that are judged.

    Parameters
    ----------
    rows : Mapping[int, Result]
        Results by instance number; those computed by no known app version have no record.
    daily_quota : int
        The project's ``daily_result_quota``.
    replicated : bool
        Whether the workunit's canonical result is more than one host's word.
    """
    deeds = [
        ((row.hostid, row.app_version_id), row, effect.deed)
        for effect in effects
        if isinstance(effect, JudgeHost)
        for row in [rows[effect.result]]
        if row.hostid is not None and row.app_version_id is not None
    ]
    records = _host_records(session, database, {key for key, _, _ in deeds})
    for key, row, deed in deeds:
        record = records[key]
        after = judge(
            record_of(record),
            deed,
            daily_quota=daily_quota,
            replicated=replicated,
            turnaround=(row.received_time or 0.0) - (row.sent_time or 0.0),
        )
        for name, value in asdict(after).items():
            setattr(record, name, value)


def record_of(row: HostAppVersion) -> HostRecord:
    """Return a row of ``host_app_version`` as the rules see it."""
    return HostRecord(**{name: getattr(row, name) for name in HostRecord.__dataclass_fields__})


def _host_records(
    session: Session, database: Database, keys: Iterable[tuple[Any, Any]]
) -> dict[tuple[Any, Any], HostAppVersion]:
    keys = set(keys)
    if not keys:
        return {}
    columns = tuple_(HostAppVersion.host_id, HostAppVersion.app_version_id)
    chosen = select(HostAppVersion).where(columns.in_(keys))
    found = session.scalars(database.locked(chosen).execution_options(populate_existing=True)).all()
    records = {(one.host_id, one.app_version_id): one for one in found}
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


def grant_credit(
    session: Session, database: Database, effects: Iterable[Effect], rows: Mapping[int, Result]
) -> None:
    """Give users and hosts the credit that is granted, and take back what is revoked."""
    grants = [effect for effect in effects if isinstance(effect, GrantCredit | RevokeCredit)]
    users = _locked(session, database, User, {rows[one.result].userid for one in grants})
    hosts = _locked(session, database, Host, {rows[one.result].hostid for one in grants})
    for one in grants:
        row = rows[one.result]
        for account in (users.get(row.userid), hosts.get(row.hostid)):
            if account is None:
                continue
            before = Account(account.total_credit, account.expavg_credit, account.expavg_time)
            after = (
                grant(before, one.credit, now=one.time, work_start=row.sent_time or one.time)
                if isinstance(one, GrantCredit)
                else revoke(before, one.credit, granted=one.granted)
            )
            account.total_credit = after.total
            account.expavg_credit = after.average
            account.expavg_time = after.average_time


def _locked(
    session: Session, database: Database, table: type[Any], ids: Iterable[int | None]
) -> dict[int | None, Any]:
    wanted = {one for one in ids if one is not None}
    if not wanted:
        return {}
    chosen = select(table).where(table.id.in_(wanted)).order_by(table.id)
    found = session.scalars(database.locked(chosen).execution_options(populate_existing=True)).all()
    if len(found) < len(wanted):
        raise TransientError(f"Another process changes a {table.__tablename__}.", ids=wanted)
    return {one.id: one for one in found}


def story_rows(
    effects: Sequence[Effect],
    *,
    actor: str,
    campaign: int | None,
    workunit: int,
    results: Mapping[int, int],
    before: WorkunitState | ResultState,
    after: WorkunitState | ResultState,
) -> list[dict[str, Any]]:
    """Return the rows of the table ``event`` that tell what `effects` record.

    Parameters
    ----------
    results : Mapping[int, int]
        Row ids of the results, by instance number.
    before, after : WorkunitState | ResultState
        The state that the event changed, and the new one.
    """
    return [
        _story_row(effect, _labels(before, after, effect.result), _host(after, effect.result))
        | {
            "actor": actor,
            "campaign_id": campaign,
            "workunitid": workunit,
            "resultid": None if effect.result is None else results[effect.result],
        }
        for effect in effects
        if isinstance(effect, RecordEvent)
    ]


def _story_row(record: RecordEvent, labels: tuple[str, str], host: int | None) -> dict[str, Any]:
    detail = dict(record.detail)
    reason = str(detail.pop("reason", ""))
    return {
        "time": record.time,
        "kind": record.kind.value,
        "hostid": host,
        "before": labels[0],
        "after": labels[1],
        "reason": reason,
        "data": detail or None,
    }


def _one(state: WorkunitState | ResultState, instance: int) -> ResultState | None:
    if isinstance(state, ResultState):
        return state
    return next((one for one in state.results if one.instance == instance), None)


def _host(state: WorkunitState | ResultState, instance: int | None) -> int | None:
    one = None if instance is None else _one(state, instance)
    return None if one is None else one.host


def _labels(
    before: WorkunitState | ResultState, after: WorkunitState | ResultState, instance: int | None
) -> tuple[str, str]:
    if instance is None:
        assert isinstance(before, WorkunitState)
        assert isinstance(after, WorkunitState)
        return workunit_label(before)[:254], workunit_label(after)[:254]
    was, is_now = _one(before, instance), _one(after, instance)
    return (
        result_label(was) if was is not None else "",
        result_label(is_now) if is_now is not None else "",
    )
