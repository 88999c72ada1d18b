"""The validator: fetches rows and files, has the quorum decide, and writes the verdict.

Some results, drawn in secret, are audited first. A host that fails an audit, or one of whose
results others refute, loses its record, and what it alone computed is opened again. What others
confirmed is audited once more, one unit a pass.

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
from server.services.reopening import reopen_all, withdraw_wrong
from server.services.second_looks import look_again
from server.services.validation import (
    Case,
    draw_audits,
    due,
    evidence,
    gather,
    judge,
    validation_done,
)

NAME = "validator"


def one_pass(project: Project) -> int:
    """Judge the workunits that are due, and look again at one; return how many there were."""
    with project.database.read() as session:
        items = due(session, project)
    try:
        done = run_each(
            NAME,
            items,
            lambda item: validate(project, item),
            lambda item, seconds: _put_off(project, item, seconds),
        )
    finally:
        # Also what a validator left that was killed between a verdict and this.
        reopen_all(project, actor=NAME)
    return done + look_again(project, actor=NAME)


def validate(project: Project, workunit_id: int) -> bool:
    """Judge the results of one workunit; return whether anything came of it."""
    with project.database.read() as session:
        case = gather(session, project, workunit_id)
    if case is None:
        return False
    if case.wait_until:
        return _wait(project, case)
    app = project.validators(case.unit.app)
    judgement = judge(case, app, draw_audits(case, app, project.secret))
    with project.database.write() as session:
        loaded = load(session, project.database, workunit_id)
        if loaded is None or loaded.state.limits.min_quorum != case.min_quorum:
            return False  # the scheduler asked for a confirmation meanwhile: judge again
        now = project.clock()
        event = validation_done(case, judgement, now)
        effects = apply(
            session, project.database, loaded, event, actor=NAME, settings=project.settings
        )
        if effects:
            session.add(evidence(case, judgement, loaded, now))
            if case.canonical is not None:
                wrong = judgement.decision.settled.refuted.get(case.canonical)
                if wrong is not None:
                    withdraw_wrong(session, project, loaded, wrong.reason, actor=NAME)
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
