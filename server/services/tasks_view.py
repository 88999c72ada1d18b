"""What the pages about tasks show: a list, and one task with its wingmen; only reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlalchemy.orm import Session

from boinc_project.states import Outcome, ServerState, ValidateState
from server.db import Database
from server.models import App, AppVersion, CampaignRow, Host, Result, Workunit
from server.services.moment import moment
from server.services.pages import version_name
from server.services.task_state import TaskGroup, TaskState, exit_words, task_state

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task in a list."""

    id: int
    name: str
    workunit: str
    computer_id: int | None
    computer: str
    state: TaskState
    sent_time: datetime | None
    deadline: datetime | None
    received_time: datetime | None
    cpu_time: float
    granted_credit: float


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of a task list.

    Attributes
    ----------
    rows : tuple[TaskRow, ...]
        Newest first.
    counts : Mapping[TaskGroup, int]
        Tasks of every group, of the whole list.
    older : int or None
        The `before` of the next page; None at the end.
    """

    rows: tuple[TaskRow, ...]
    counts: Mapping[TaskGroup, int]
    older: int | None


@dataclass(frozen=True, slots=True)
class Wingman:
    """Another task of the same workunit: its state, and nothing about whose it is."""

    number: int
    state: TaskState
    app_version: str
    sent_time: datetime | None
    received_time: datetime | None


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task, for the volunteer who computes it."""

    row: TaskRow
    app: str
    app_version: str
    campaign: str
    campaign_title: str
    create_time: datetime
    reported: bool
    exit_status: int
    exit_words: str
    elapsed_time: float
    peak_memory_bytes: float
    verdict_reason: str
    stderr: str
    min_quorum: int
    wingmen: tuple[Wingman, ...]


def group_condition(group: TaskGroup) -> ColumnElement[bool]:
    """Return the group as a condition on `Result`; the same cut as `task_state` makes."""
    over = Result.server_state == ServerState.OVER
    success = and_(over, Result.outcome == Outcome.SUCCESS)
    validate = Result.validate_state
    return {
        TaskGroup.UNSENT: Result.server_state.in_((ServerState.INACTIVE, ServerState.UNSENT)),
        TaskGroup.IN_PROGRESS: Result.server_state == ServerState.IN_PROGRESS,
        TaskGroup.PENDING: and_(
            success, validate.in_((ValidateState.INIT, ValidateState.INCONCLUSIVE))
        ),
        TaskGroup.VALID: and_(success, validate == ValidateState.VALID),
        TaskGroup.INVALID: or_(
            and_(success, validate == ValidateState.INVALID),
            and_(over, Result.outcome == Outcome.VALIDATE_ERROR),
        ),
        TaskGroup.NOT_NEEDED: or_(
            and_(success, validate == ValidateState.NO_CHECK),
            and_(over, Result.outcome.in_((Outcome.DIDNT_NEED, Outcome.INIT))),
        ),
        TaskGroup.ERROR: or_(
            and_(success, validate == ValidateState.TOO_LATE),
            and_(
                over,
                not_(
                    Result.outcome.in_(
                        (Outcome.SUCCESS, Outcome.VALIDATE_ERROR, Outcome.DIDNT_NEED, Outcome.INIT)
                    )
                ),
            ),
        ),
    }[group]


def tasks(
    database: Database,
    userid: int,
    *,
    now: float,
    group: TaskGroup | None = None,
    hostid: int | None = None,
    before: int | None = None,
) -> TaskPage:
    """Return one page of a volunteer's tasks, newest first.

    Parameters
    ----------
    now : float
        Epoch seconds.
    group : TaskGroup, optional
        Only these.
    hostid : int, optional
        Only of this computer.
    before : int, optional
        Only tasks with a smaller number than this: `TaskPage.older` of the page before.
    """
    mine = [Result.userid == userid]
    if hostid is not None:
        mine.append(Result.hostid == hostid)
    wanted = list(mine)
    if group is not None:
        wanted.append(group_condition(group))
    if before is not None:
        wanted.append(Result.id < before)
    with database.read() as session:
        found = session.execute(
            select(Result, Workunit.name, Host.domain_name)
            .join(Workunit, Workunit.id == Result.workunitid)
            .outerjoin(Host, Host.id == Result.hostid)
            .where(*wanted)
            .order_by(Result.id.desc())
            .limit(PAGE_SIZE + 1)
        ).all()
        rows = tuple(
            _row(result, workunit, computer or "", now)
            for result, workunit, computer in found[:PAGE_SIZE]
        )
        older = rows[-1].id if len(found) > PAGE_SIZE else None
        return TaskPage(rows, _counts(session, mine), older)


def task_counts(database: Database, userid: int) -> Mapping[TaskGroup, int]:
    """Return how many of a volunteer's tasks are in each group."""
    with database.read() as session:
        return _counts(session, [Result.userid == userid])


def task(database: Database, userid: int, resultid: int, *, now: float) -> TaskView | None:
    """Return one of the volunteer's tasks; None if it is not theirs, or not there."""
    with database.read() as session:
        found = session.execute(
            select(Result, Workunit, Host.domain_name, CampaignRow, App, AppVersion)
            .join(Workunit, Workunit.id == Result.workunitid)
            .join(CampaignRow, CampaignRow.id == Workunit.campaign_id)
            .join(App, App.id == Result.appid)
            .outerjoin(Host, Host.id == Result.hostid)
            .outerjoin(AppVersion, AppVersion.id == Result.app_version_id)
            .where(Result.id == resultid, Result.userid == userid)
        ).one_or_none()
        if found is None:
            return None
        result, workunit, computer, campaign, app, version = found
        over = result.server_state is ServerState.OVER
        return TaskView(
            row=_row(result, workunit.name, computer or "", now),
            app=app.user_friendly_name,
            app_version=_version(version),
            campaign=campaign.name,
            campaign_title=campaign.title,
            create_time=moment(result.create_time),
            reported=over and result.received_time is not None,
            exit_status=result.exit_status,
            exit_words=exit_words(result.exit_status),
            elapsed_time=result.elapsed_time,
            peak_memory_bytes=result.peak_working_set_size,
            verdict_reason=result.validate_reason,
            stderr=result.stderr_out,
            min_quorum=workunit.min_quorum,
            wingmen=_wingmen(session, result, now),
        )


def _row(result: Result, workunit: str, computer: str, now: float) -> TaskRow:
    return TaskRow(
        id=result.id,
        name=result.name,
        workunit=workunit,
        computer_id=result.hostid,
        computer=computer or (f"computer {result.hostid}" if result.hostid else ""),
        state=_state(result, now),
        sent_time=moment(result.sent_time),
        deadline=moment(result.report_deadline),
        received_time=moment(result.received_time),
        cpu_time=result.cpu_time,
        granted_credit=result.granted_credit,
    )


def _state(result: Result, now: float) -> TaskState:
    deadline = result.report_deadline
    return task_state(
        result.server_state,
        result.outcome,
        result.client_state,
        result.validate_state,
        overdue=deadline is not None and deadline < now,
    )


def _version(version: AppVersion | None) -> str:
    if version is None:
        return ""
    return f"{version_name(version.version_num)} {version.platform}"


def _wingmen(session: Session, result: Result, now: float) -> tuple[Wingman, ...]:
    rows = session.execute(
        select(Result, AppVersion)
        .outerjoin(AppVersion, AppVersion.id == Result.app_version_id)
        .where(Result.workunitid == result.workunitid, Result.id != result.id)
        .order_by(Result.id)
    )
    return tuple(
        Wingman(
            number=other.instance,
            state=_state(other, now),
            app_version=_version(version),
            sent_time=moment(other.sent_time),
            received_time=moment(other.received_time),
        )
        for other, version in rows
    )


def _counts(session: Session, conditions: list[ColumnElement[bool]]) -> Mapping[TaskGroup, int]:
    states = (
        Result.server_state,
        Result.outcome,
        Result.client_state,
        Result.validate_state,
    )
    counts = dict.fromkeys(TaskGroup, 0)
    for server, outcome, client, validate, count in session.execute(
        select(*states, func.count()).where(*conditions).group_by(*states)
    ):
        counts[task_state(server, outcome, client, validate).group] += count
    return counts
