"""The story of a workunit: everything that happened to it and to its results, as plain sentences.

The rows of the table ``event`` are told in the words of the pages: a result is a task, a host is a
computer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from boinc_project.errors import InputError
from boinc_project.lifecycle.effects import EventKind
from boinc_project.states import ExitStatus
from server.models import CampaignRow, Event, Result, Workunit
from server.services.state_rows import workunit_label, workunit_state


@dataclass(frozen=True, slots=True)
class StoryLine:
    """One thing that happened.

    Attributes
    ----------
    time : float
        Epoch seconds.
    kind : str
        An `EventKind`, or a word of the room that wrote it.
    actor : str
        Who did it: ``scheduler``, ``transitioner``, ``validator``, ``admin``, ...
    sentence : str
        For people.
    result : str | None
        The task's name; None if it happened to the workunit itself.
    host : int | None
        The computer's number.
    before, after : str
        The states around it.
    """

    time: float
    kind: str
    actor: str
    sentence: str
    result: str | None = None
    host: int | None = None
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """A workunit and its lines, the oldest first."""

    workunit: str
    campaign: str
    state: str
    lines: tuple[StoryLine, ...]


def story(session: Session, workunit: str | int) -> Story:
    """Return the story of a workunit.

    Parameters
    ----------
    workunit : str | int
        Its name or its number; a task's name stands for the task's workunit.

    Raises
    ------
    InputError
        If there is no such workunit.
    """
    row = _find(session, workunit)
    results = session.scalars(select(Result).where(Result.workunitid == row.id)).all()
    names = {one.id: one.name for one in results}
    campaign = session.scalars(
        select(CampaignRow.name).where(CampaignRow.id == row.campaign_id)
    ).one()
    events = session.scalars(
        select(Event).where(Event.workunitid == row.id).order_by(Event.time, Event.id)
    ).all()
    lines = [_line(event, names.get(event.resultid or 0)) for event in events]
    return Story(
        workunit=row.name,
        campaign=campaign,
        state=workunit_label(workunit_state(row, results)),
        lines=(_issued(row, campaign), *lines),
    )


def _find(session: Session, workunit: str | int) -> Workunit:
    text = str(workunit)
    row = session.scalars(select(Workunit).where(Workunit.name == text)).one_or_none()
    if row is None:
        of_task = select(Workunit).join(Result, Result.workunitid == Workunit.id)
        row = session.scalars(of_task.where(Result.name == text)).one_or_none()
    if row is None and text.isascii() and text.isdigit() and len(text) < 10:
        row = session.get(Workunit, int(text))
    if row is None:
        raise InputError(
            f"There is no workunit {text!r}: give a name like kepler-9_g0_u003, or a number, as "
            "the campaign's page shows them.",
            workunit=text,
        )
    return row


def _issued(row: Workunit, campaign: str) -> StoryLine:
    agreeing = "1 result is" if row.min_quorum == 1 else f"{row.min_quorum} agreeing results are"
    sentence = (
        f"The workunit was issued: unit {row.unit_index} in generation {row.generation} of "
        f"campaign {campaign}; {agreeing} needed."
    )
    return StoryLine(row.create_time, EventKind.CREATED.value, "work_generator", sentence)


def _line(event: Event, task: str | None) -> StoryLine:
    return StoryLine(
        time=event.time,
        kind=event.kind,
        actor=event.actor,
        sentence=sentence(event, task),
        result=task,
        host=event.hostid,
        before=event.before,
        after=event.after,
    )


def sentence(event: Event, task: str | None) -> str:
    """Tell one row of the table ``event``.

    Parameters
    ----------
    event : Event
        The row.
    task : str | None
        Name of the result it is about.
    """
    template = _SENTENCES.get(event.kind)
    if template is None:
        change = f"{event.before} became {event.after}" if event.before else event.after
        return event.reason or f"{event.kind.replace('_', ' ').capitalize()}: {change or '-'}."
    text = template.format_map(_words(event, task))
    text = text[:1].upper() + text[1:]
    return f"{text}: {event.reason.rstrip('.')}." if event.reason else f"{text}."


def utc(seconds: float) -> str:
    """Return epoch seconds as people read them."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


_SENTENCES: dict[str, str] = {
    EventKind.CREATED: "{task} was created",
    EventKind.SENT: "{task} went to {computer}, due by {deadline}{replicate}",
    EventKind.RESENT: "{computer} had lost {task} and got it again, due by {deadline}",
    EventKind.GIVEN_UP: "{computer} had lost {task}, which is not sent to it again",
    EventKind.REPORTED: "{computer} finished {task} in {cpu_time:.0f} s of CPU time{late}",
    EventKind.FAILED: "{computer} reported that {task} failed{late}, with {exit_status}",
    EventKind.TIMED_OUT: "{task} timed out on {computer}; it was due by {deadline}",
    EventKind.DETACHED: "{computer} left the project, and {task} with it",
    EventKind.NOT_NEEDED: "{task} is not needed any more",
    EventKind.COULDNT_SEND: "no computer can take {task}",
    EventKind.VALIDATION_DUE: "{successes} results can be compared now",
    EventKind.VALIDATION_DEFERRED: "the comparison was put off until {until}",
    EventKind.VALID: "{task} is valid and earns {credit:.2f} cobblestones",
    EventKind.INVALID: "{task} is invalid",
    EventKind.INCONCLUSIVE: "the comparison did not decide about {task}",
    EventKind.VALIDATE_ERROR: "the output of {task} failed its check",
    EventKind.NO_CHECK: "{task} was not compared, because the workunit had ended",
    EventKind.AUDIT_PASSED: "a part of {task} was computed again on the server, and agreed",
    EventKind.AUDIT_FAILED: "a part of {task} was computed again on the server, and did not agree",
    EventKind.DOUBTED: "{task} is not believed any more, and loses {credit:.2f} cobblestones",
    EventKind.REOPENED: "the workunit was opened again",
    EventKind.REPLICATED: "{min_quorum} agreeing results are needed from now on",
    EventKind.TOO_LATE: "{task} came too late to be compared",
    EventKind.CANONICAL: "{task} is the canonical result",
    EventKind.ONE_MORE: "the results do not agree; {target_nresults} are wanted now",
    EventKind.ERROR: "the workunit ended without a canonical result ({error})",
    EventKind.CANCELLED: "the workunit was cancelled by the {actor}",
    EventKind.ASSIMILATED: "the workunit was assimilated",
    EventKind.FILES_DELETED: "the input files were deleted",
    EventKind.OUTPUTS_DELETED: "the output of {task} was deleted",
    EventKind.DELETE_FAILED: "{what} could not be deleted",
}


def _words(event: Event, task: str | None) -> dict[str, Any]:
    """Return what the sentences are filled in with."""
    data: dict[str, Any] = event.data or {}
    name = f"task {task or event.resultid}"
    moments = {key: utc(data[key]) for key in ("deadline", "until") if key in data}
    words = {
        "task": name,
        "computer": "a computer" if event.hostid is None else f"computer {event.hostid}",
        "actor": event.actor,
        "cpu_time": 0.0,
        "credit": 0.0,
        "successes": "enough",
        "min_quorum": "more",
        "target_nresults": "more",
        "error": "unknown",
        "deadline": "an unknown time",
        "until": "later",
        "what": "an input file" if event.resultid is None else f"the output of {name}",
    }
    status = {
        "late": ", after its deadline" if data.get("late") else "",
        "replicate": "; another computer will confirm it" if data.get("replicate") else "",
        "exit_status": _exit_status(data),
    }
    return words | data | moments | status


def _exit_status(data: Mapping[str, Any]) -> str:
    status = data.get("exit_status", 0)
    known = f" ({ExitStatus(status).name})" if status in list(ExitStatus) else ""
    where = str(data.get("client_state", "unknown")).replace("_", " ").lower()
    return f"exit status {status}{known}, client state {where}"
