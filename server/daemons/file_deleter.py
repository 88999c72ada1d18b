"""The file deleter: removes outputs and inputs that nothing needs any more.

The transitioner marks them (READY); see `boinc_project.lifecycle.transition` for when. Files go
before the row says so: a deleter killed in between finds the row again, and the file gone.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from sqlalchemy import select
from sqlalchemy.orm import Session

from boinc_project.lifecycle.result_events import OutputsDeleted
from boinc_project.lifecycle.workunit import (
    DeletionPutOff,
    FilesDeleted,
    OnResult,
    WorkunitEvent,
)
from boinc_project.states import FileDeleteState
from server.daemons.items import run_each
from server.models import Result, Workunit
from server.project import Project
from server.services.inputs import guard_inputs, unneeded_inputs
from server.services.lifecycle import LoadedWorkunit, apply, change, load

NAME = "file_deleter"
FAILED = "The file deleter failed, and its log says why."
"""Told in the story of a workunit that is put off."""


def one_pass(project: Project) -> int:
    """Delete what is marked, workunit by workunit; return how many workunits lost files."""
    batch = project.settings.daemons.batch
    outputs = select(Result.workunitid).where(Result.file_delete_state == FileDeleteState.READY)
    inputs = select(Workunit.id).where(Workunit.file_delete_state == FileDeleteState.READY)
    with project.database.read() as session:
        items = dict.fromkeys(
            chain(
                session.scalars(outputs.order_by(Result.id).limit(batch)).all(),
                session.scalars(inputs.order_by(Workunit.id).limit(batch)).all(),
            )
        )
    return run_each(
        NAME,
        items,
        lambda item: delete(project, item),
        lambda item, seconds: _put_off(project, item, seconds),
    )


def delete(project: Project, workunit_id: int) -> bool:
    """Delete the marked files of one workunit."""
    with project.database.write() as session:
        guard_inputs(session, project.database)
        loaded = load(session, project.database, workunit_id)
        if loaded is None:
            return False
        events = [*_outputs(project, loaded), *_inputs(project, session, loaded)]
        for event in events:
            apply(session, project.database, loaded, event, actor=NAME, settings=project.settings)
        return bool(events)


def _outputs(project: Project, loaded: LoadedWorkunit) -> list[WorkunitEvent]:
    events: list[WorkunitEvent] = []
    for instance, row in sorted(loaded.results.items()):
        if row.file_delete_state is FileDeleteState.READY:
            problem = _problem(project.uploads.remove, [row.output_name])
            happened = OutputsDeleted(project.clock(), ok=not problem, reason=problem)
            events.append(OnResult(instance, happened))
    return events


def _inputs(project: Project, session: Session, loaded: LoadedWorkunit) -> list[WorkunitEvent]:
    if loaded.state.file_delete_state is not FileDeleteState.READY:
        return []
    problem = _problem(project.downloads.remove, unneeded_inputs(session, loaded.row.id))
    return [FilesDeleted(project.clock(), ok=not problem, reason=problem)]


def _put_off(project: Project, workunit_id: int, seconds: float) -> None:
    """Hand a workunit that the machine refuses back to the transitioner, which marks it again."""
    now = project.clock()
    event = DeletionPutOff(now, now + seconds, FAILED)
    change(project.database, project.settings, workunit_id, event, actor=NAME)


def _problem(remove: Callable[[str], None], names: list[str]) -> str:
    """Remove files; return what prevents it, or nothing."""
    for name in names:
        try:
            remove(name)
        except OSError as error:
            return f"{name}: {error.strerror or error}"
    return ""
