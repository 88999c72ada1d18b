"""The scheduler's SQL, built once.

Conditions that a partial index repeats are literals: a planner cannot match a parameter with them.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    Integer,
    ScalarSelect,
    Select,
    Subquery,
    Table,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from boinc_project.states import ServerState
from server.models import (
    CampaignRow,
    Event,
    HostAppVersion,
    Result,
    Workunit,
    WorkunitFile,
)
from server.prepared import Prepared

results = cast(Table, Result.__table__)
workunits = cast(Table, Workunit.__table__)
campaigns = cast(Table, CampaignRow.__table__)
workunit_files = cast(Table, WorkunitFile.__table__)
records = cast(Table, HostAppVersion.__table__)

UNSENT: ColumnElement[int] = literal_column(f"{ServerState.UNSENT:d}")
IN_PROGRESS: ColumnElement[int] = literal_column(f"{ServerState.IN_PROGRESS:d}")

USER_LOCK = 7177
"""Class of our advisory locks on users; any number that nothing else uses."""

_RESULT = (
    results.c.id,
    results.c.name,
    results.c.workunitid,
    results.c.instance,
    results.c.server_state,
    results.c.outcome,
    results.c.validate_state,
    results.c.file_delete_state,
    results.c.exit_status,
    results.c.hostid,
    results.c.userid,
    results.c.app_version_id,
    results.c.sent_time,
    results.c.received_time,
    results.c.report_deadline,
    results.c.granted_credit,
    results.c.output_name,
)
_WORKUNIT = (
    workunits.c.name.label("workunit_name"),
    workunits.c.appid,
    workunits.c.campaign_id,
    workunits.c.min_app_version,
    workunits.c.rsc_fpops_est,
    workunits.c.rsc_fpops_bound,
    workunits.c.rsc_memory_bound,
    workunits.c.rsc_disk_bound,
    workunits.c.max_nbytes,
    workunits.c.output_open_name,
    workunits.c.delay_bound,
    workunits.c.error_mask,
    workunits.c.canonical_resultid,
    workunits.c.assimilate_state,
    workunits.c.min_quorum,
    workunits.c.full_quorum,
    workunits.c.hr_class,
    workunits.c.app_version_id.label("only_version"),
    workunits.c.generation,
    workunits.c.unit_index,
)
_RESULT_AND_WORKUNIT = select(*_RESULT, *_WORKUNIT).join_from(
    results, workunits, workunits.c.id == results.c.workunitid
)


def _for_update(statement: Select[Any], *, skip_locked: bool = False) -> Select[Any]:
    # SQLite renders no FOR UPDATE: its one writer holds everything already.
    return statement.with_for_update(of=results, skip_locked=skip_locked)


in_progress_of_host = Prepared(
    _for_update(
        _RESULT_AND_WORKUNIT.where(
            results.c.hostid == bindparam("hostid"), results.c.server_state == IN_PROGRESS
        ).order_by(results.c.id)
    )
)
"""All that a host has in hand, as we know it."""

results_by_name = _for_update(
    _RESULT_AND_WORKUNIT.where(results.c.name.in_(bindparam("names", expanding=True))).order_by(
        results.c.id
    )
)
"""Results by their names, whoever has them."""


_CHOSEN_COLUMNS = (
    results.c.id,
    results.c.name,
    results.c.workunitid,
    results.c.instance,
    results.c.priority,
    results.c.output_name,
)


tries = Prepared(
    select(results.c.id)
    .join(workunits, workunits.c.id == results.c.workunitid)
    .where(
        results.c.hostid == bindparam("hostid"),
        results.c.server_state == IN_PROGRESS,
        workunits.c.campaign_id == bindparam("campaign"),
        workunits.c.generation == 0,
        workunits.c.unit_index < bindparam("canary"),
    )
    .limit(1)
)
"""Whether a host holds a task of a campaign that is being tried."""


def _level() -> ScalarSelect[int]:
    """Return the highest priority that is not above ``priority``."""
    return (
        select(results.c.priority)
        .where(results.c.server_state == UNSENT, results.c.priority <= bindparam("priority"))
        .order_by(results.c.priority.desc())
        .limit(1)
        .scalar_subquery()
    )


def _chosen_on_postgresql() -> Subquery:
    """Choose rows and lock them, passing over what another scheduler is about to send."""
    level = _level()
    behind = case((level == bindparam("priority"), bindparam("after", type_=Integer)), else_=0)
    return (
        select(*_CHOSEN_COLUMNS)
        .where(results.c.server_state == UNSENT, results.c.priority == level, results.c.id > behind)
        .order_by(results.c.id)
        .limit(bindparam("n", type_=Integer))
        .with_for_update(skip_locked=True)
        .subquery("chosen")
    )


def _chosen_on_sqlite() -> Subquery:
    """Choose rows by the partial index, and by no other.

    Without statistics SQLite prefers an index on the state alone and sorts all that it finds there;
    that was 20 ms with 30,000 results to send, and grew with them.
    """
    indexed = f"FROM result INDEXED BY ix_result_unsent WHERE server_state = {ServerState.UNSENT:d}"
    level = f"(SELECT priority {indexed} AND priority <= :priority ORDER BY priority DESC LIMIT 1)"
    names = ", ".join(column.name for column in _CHOSEN_COLUMNS)
    return (
        text(
            f"SELECT {names} {indexed} AND priority = {level} "
            f"AND id > CASE WHEN {level} = :priority THEN :after ELSE 0 END ORDER BY id LIMIT :n"
        )
        .columns(*_CHOSEN_COLUMNS)
        .subquery("chosen")
    )


def _window(chosen: Subquery) -> Select[Any]:
    """Select some UNSENT results of one priority, by id, from a place on.

    The priority is the highest that is not above ``priority``. The place is behind ``after``, if
    that is a place of this very priority. Both are found in the partial index of UNSENT results,
    which is in this order: nothing is sorted, and at most ``n`` rows are read.
    """
    other = results.alias("other")
    copies = exists().where(other.c.workunitid == chosen.c.workunitid)
    return (
        select(
            chosen,
            *_WORKUNIT,
            campaigns.c.state.label("campaign_state"),
            campaigns.c.title.label("campaign_title"),
            campaigns.c.canary.label("canary"),
            campaigns.c.create_time.label("campaign_time"),
            copies.where(other.c.userid == bindparam("userid")).label("user_has_copy"),
            copies.where(other.c.hostid == bindparam("hostid")).label("host_has_copy"),
        )
        .join_from(chosen, workunits, workunits.c.id == chosen.c.workunitid)
        .join(campaigns, campaigns.c.id == workunits.c.campaign_id)
        .order_by(chosen.c.id)
    )


def _window_on(dialect: str) -> Select[Any]:
    return _window(_chosen_on_sqlite() if dialect == "sqlite" else _chosen_on_postgresql())


window = Prepared(_window_on)
"""Candidates for sending; see `_window`."""


@cache
def files_of_workunits(count: int) -> Prepared:
    """Return the statement for the files of workunits ``w0``, ``w1``, ... of this number."""
    wanted: list[BindParameter[int]] = [bindparam(f"w{i}") for i in range(count)]
    return Prepared(
        select(workunit_files)
        .where(workunit_files.c.workunitid.in_(wanted))
        .order_by(workunit_files.c.id)
    )


records_of_host = Prepared(
    select(records).where(records.c.host_id == bindparam("host_id")).with_for_update()
)
"""How a host fares with each app version."""


def _keep_record(dialect: str) -> Executable:
    keys = ("host_id", "app_version_id")
    insert_into = sqlite.insert if dialect == "sqlite" else postgresql.insert
    row = insert_into(records).values(
        {column.name: bindparam(column.name) for column in records.columns}
    )
    changed = {
        column.name: row.excluded[column.name]
        for column in records.columns
        if column.name not in keys
    }
    return row.on_conflict_do_update(index_elements=keys, set_=changed)


keep_record = Prepared(_keep_record)
"""Insert or change a host's record."""

take = Prepared(
    update(results)
    .where(results.c.id == bindparam("result_id"), results.c.server_state == UNSENT)
    .values(
        server_state=IN_PROGRESS,
        hostid=bindparam("hostid"),
        userid=bindparam("userid"),
        app_version_id=bindparam("app_version_id"),
        sent_time=bindparam("sent_time"),
        report_deadline=bindparam("report_deadline"),
    )
)
"""Give a result to a host, unless somebody else has just done so: then no row changes."""

report = Prepared(
    update(results)
    .where(results.c.id == bindparam("result_id"))
    .values(
        server_state=bindparam("server_state"),
        outcome=bindparam("outcome"),
        file_delete_state=bindparam("file_delete_state"),
        received_time=bindparam("received_time"),
        exit_status=bindparam("exit_status"),
        client_state=bindparam("client_state"),
        cpu_time=bindparam("cpu_time"),
        elapsed_time=bindparam("elapsed_time"),
        peak_working_set_size=bindparam("peak_working_set_size"),
        stderr_out=bindparam("stderr_out"),
    )
)
"""Keep what a client reported."""

look_again = Prepared(
    update(workunits)
    .where(
        workunits.c.id == bindparam("workunit_id"),
        workunits.c.transition_time > bindparam("at"),
    )
    .values(transition_time=bindparam("at"))
)
"""Have the transitioner look at a workunit no later than a time."""
require_quorum = Prepared(
    update(workunits)
    .where(
        workunits.c.id == bindparam("workunit_id"),
        workunits.c.canonical_resultid.is_(None),
        workunits.c.error_mask == literal_column("0"),
        workunits.c.min_quorum < workunits.c.full_quorum,
    )
    .values(
        min_quorum=workunits.c.full_quorum,
        target_nresults=case(
            (
                workunits.c.target_nresults < workunits.c.full_quorum,
                workunits.c.full_quorum,
            ),
            else_=workunits.c.target_nresults,
        ),
        transition_time=case(
            (workunits.c.transition_time > bindparam("at"), bindparam("at")),
            else_=workunits.c.transition_time,
        ),
    )
)
"""Have others confirm a workunit's results; nothing changes once it has its answer."""

fix_class = Prepared(
    update(workunits)
    .where(
        workunits.c.id == bindparam("workunit_id"),
        workunits.c.hr_class.in_((literal_column("0"), bindparam("of_host"))),
        workunits.c.app_version_id.in_((literal_column("0"), bindparam("of_version"))),
    )
    .values(hr_class=bindparam("new_class"), app_version_id=bindparam("new_version"))
)
"""Keep a workunit for one class of hosts, one app version; no row changes if it is another's."""

events = cast(Table, Event.__table__)
tell = Prepared(
    insert(events).values(
        {column.name: bindparam(column.name) for column in events.columns if column.name != "id"}
    )
)
"""Append to the story."""


one_rpc_of_a_user = select(func.pg_advisory_xact_lock(USER_LOCK, bindparam("userid")))
"""PostgreSQL: no other host of this user is being given work until the transaction ends.

Else two hosts of one user could each be given a copy of the same workunit at the same moment.
"""
