"""What pages and API show of a campaign's workunits and their tasks; only reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, String, case, literal, select, tuple_
from sqlalchemy.orm import Session

from boinc_project.states import AssimilateState, ErrorMask, ServerState
from server.db import Database
from server.models import AppVersion, CampaignRow, Result, Workunit
from server.services.moment import moment
from server.services.pages import version_name

MAX_WORKUNITS = 500
"""Most workunits of one page of the API: about 200 kB of JSON."""


class WorkunitState(StrEnum):
    """Where a workunit is, in one word; every workunit is in exactly one state."""

    WAITING = "waiting"
    """No computer has it at the moment; its tasks wait to be sent or to be made."""
    COMPUTING = "computing"
    """At least one task is on a computer."""
    VALIDATING = "validating"
    """The validator has something to look at."""
    MERGING = "merging"
    """Valid, and not yet in the product."""
    DONE = "done"
    """Valid and merged."""
    FAILED = "failed"
    """Ended without a valid output."""
    CANCELLED = "cancelled"
    """Cancelled by an admin or with its campaign."""


@dataclass(frozen=True, slots=True)
class WorkunitTask:
    """One task of a workunit, without a word of whose it is."""

    name: str
    server_state: str
    outcome: str
    validate_state: str
    verdict: str
    app_version: str
    platform: str
    sent_time: datetime | None
    received_time: datetime | None
    exit_status: int
    cpu_time: float
    canonical: bool


@dataclass(frozen=True, slots=True)
class WorkunitRow:
    """One workunit of a campaign."""

    name: str
    generation: int
    index: int
    unit_digest: str
    state: WorkunitState
    errors: tuple[str, ...]
    create_time: datetime
    min_quorum: int
    credit: float
    tasks: tuple[WorkunitTask, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class WorkunitPage:
    """One page of a campaign's workunits; `after` is the place to go on from, None at the end."""

    workunits: tuple[WorkunitRow, ...]
    after: tuple[int, int] | None


def workunit_state() -> ColumnElement[str]:
    """Return `WorkunitState` as an expression over `Workunit`.

    The cases are tried in order, so the look-up of tasks on computers is made for open workunits
    only.
    """
    computing = (
        select(literal(1))
        .where(Result.workunitid == Workunit.id, Result.server_state == ServerState.IN_PROGRESS)
        .exists()
    )
    cancelled = Workunit.error_mask.op("&")(literal(int(ErrorMask.CANCELLED))) != 0
    word: dict[WorkunitState, ColumnElement[str]] = {
        state: literal(state.value, String) for state in WorkunitState
    }
    return case(
        (cancelled, word[WorkunitState.CANCELLED]),
        (Workunit.error_mask != ErrorMask.NONE, word[WorkunitState.FAILED]),
        (
            Workunit.canonical_resultid.is_not(None)
            & (Workunit.assimilate_state == AssimilateState.DONE),
            word[WorkunitState.DONE],
        ),
        (Workunit.canonical_resultid.is_not(None), word[WorkunitState.MERGING]),
        (Workunit.need_validate, word[WorkunitState.VALIDATING]),
        (computing, word[WorkunitState.COMPUTING]),
        else_=word[WorkunitState.WAITING],
    )


def workunits(
    database: Database, name: str, *, after: tuple[int, int] | None = None, limit: int = 100
) -> WorkunitPage | None:
    """Return one page of a campaign's workunits by generation and index, with their tasks.

    Parameters
    ----------
    name : str
        The campaign's name; the answer is None if there is none.
    after : tuple[int, int], optional
        Generation and index behind which the page begins.
    limit : int
        Workunits of one page, at most `MAX_WORKUNITS`.
    """
    place = (Workunit.generation, Workunit.unit_index)
    limit = min(limit, MAX_WORKUNITS)
    with database.read() as session:
        campaign_id = session.scalar(select(CampaignRow.id).where(CampaignRow.name == name))
        if campaign_id is None:
            return None
        wanted = select(Workunit, workunit_state()).where(Workunit.campaign_id == campaign_id)
        if after is not None:
            wanted = wanted.where(tuple_(*place) > tuple_(*(literal(part) for part in after)))
        found = session.execute(wanted.order_by(*place).limit(limit + 1)).all()
        page = found[:limit]
        tasks = _tasks(session, [workunit for workunit, _ in page])
        rows = tuple(
            _workunit(workunit, WorkunitState(state), tasks.get(workunit.id, ()))
            for workunit, state in page
        )
        more = len(found) > limit
        return WorkunitPage(rows, (rows[-1].generation, rows[-1].index) if more else None)


def _tasks(session: Session, units: Sequence[Workunit]) -> dict[int, tuple[WorkunitTask, ...]]:
    canonical = {unit.canonical_resultid for unit in units}
    rows = session.execute(
        select(Result, AppVersion)
        .outerjoin(AppVersion, AppVersion.id == Result.app_version_id)
        .where(Result.workunitid.in_([unit.id for unit in units]))
        .order_by(Result.id)
    )
    tasks: dict[int, tuple[WorkunitTask, ...]] = {}
    for result, version in rows:
        view = _task(result, version, canonical=result.id in canonical)
        tasks[result.workunitid] = (*tasks.get(result.workunitid, ()), view)
    return tasks


def _task(result: Result, version: AppVersion | None, *, canonical: bool) -> WorkunitTask:
    return WorkunitTask(
        name=result.name,
        server_state=result.server_state.name.lower(),
        outcome=result.outcome.name.lower(),
        validate_state=result.validate_state.name.lower(),
        verdict=result.validate_reason,
        app_version="" if version is None else version_name(version.version_num),
        platform="" if version is None else version.platform,
        sent_time=moment(result.sent_time),
        received_time=moment(result.received_time),
        exit_status=result.exit_status,
        cpu_time=result.cpu_time,
        canonical=canonical,
    )


def _workunit(unit: Workunit, state: WorkunitState, tasks: tuple[WorkunitTask, ...]) -> WorkunitRow:
    return WorkunitRow(
        name=unit.name,
        generation=unit.generation,
        index=unit.unit_index,
        unit_digest=unit.unit_digest,
        state=state,
        errors=tuple(flag.name.lower() for flag in unit.error_mask if flag.name),
        create_time=moment(unit.create_time),
        min_quorum=unit.min_quorum,
        credit=unit.canonical_credit,
        tasks=tasks,
    )
