"""The validator: fetches rows and files, has the quorum decide, and writes the verdict.

The judging is done outside of any transaction: it takes seconds. If another result was reported in
the meantime, the life cycle does not take the decision, and the workunit is judged again.
"""

from __future__ import annotations

from sqlalchemy import update

from boinc_project.lifecycle.workunit import ValidationDeferred
from server.daemons.items import run_each
from server.models import Workunit
from server.project import Project
from server.services.lifecycle import apply, change, load
from server.services.validation import Case, due, evidence, gather, judge, validation_done

NAME = "validator"


def one_pass(project: Project) -> int:
    """Judge the workunits that are due; return how many there were."""
    with project.database.read() as session:
        items = due(session, project)
    return run_each(
        NAME,
        items,
        lambda item: validate(project, item),
        lambda item, seconds: _put_off(project, item, seconds),
    )


def validate(project: Project, workunit_id: int) -> bool:
    """Judge the results of one workunit; return whether anything came of it."""
    with project.database.read() as session:
        case = gather(session, project, workunit_id)
    if case is None:
        return False
    if case.wait_until:
        return _wait(project, case)
    decision, credit = judge(case)
    with project.database.write() as session:
        loaded = load(session, project.database, workunit_id)
        if loaded is None:
            return False
        now = project.clock()
        event = validation_done(case, decision, credit, now)
        effects = apply(
            session, project.database, loaded, event, actor=NAME, settings=project.settings
        )
        if effects:
            session.add(evidence(case, decision, loaded, now))
        return bool(effects)


def _wait(project: Project, case: Case) -> bool:
    """Put a workunit off whose outputs are not all there."""
    reason = "An output file is not there yet."
    event = ValidationDeferred(project.clock(), case.wait_until, reason)
    return change(project.database, project.settings, case.workunit, event, actor=NAME)


def _put_off(project: Project, workunit_id: int, seconds: float) -> None:
    with project.database.write() as session:
        later = project.clock() + seconds
        session.execute(
            update(Workunit).where(Workunit.id == workunit_id).values(validate_after=later)
        )
