"""The transitioner: looks at workunits whose transition time has come.

It creates results, times them out, calls the validator, ends workunits in error and releases
files; the rules are in `boinc_project.lifecycle.transition`.
"""

from __future__ import annotations

from sqlalchemy import select, update

from server.daemons.items import run_each
from server.models import Workunit
from server.project import Project
from server.services.lifecycle import apply, load, transition_event

NAME = "transitioner"


def one_pass(project: Project) -> int:
    """Look at the workunits that are due, the longest overdue first; return how many there were."""
    due = (
        select(Workunit.id)
        .where(Workunit.transition_time <= project.clock())
        .order_by(Workunit.transition_time, Workunit.id)
        .limit(project.settings.daemons.batch)
    )
    with project.database.read() as session:
        items = session.scalars(due).all()
    return run_each(
        NAME,
        items,
        lambda item: look(project, item),
        lambda item, seconds: _put_off(project, item, seconds),
    )


def look(project: Project, workunit_id: int) -> bool:
    """Look at one workunit, if it is due."""
    with project.database.write() as session:
        loaded = load(session, project.database, workunit_id)
        now = project.clock()
        if loaded is None or loaded.state.transition_time > now:
            return False  # another transitioner was here
        event = transition_event(session, project.settings, loaded.row, now)
        apply(session, project.database, loaded, event, actor=NAME, settings=project.settings)
        return True


def _put_off(project: Project, workunit_id: int, seconds: float) -> None:
    with project.database.write() as session:
        later = project.clock() + seconds
        session.execute(
            update(Workunit).where(Workunit.id == workunit_id).values(transition_time=later)
        )
