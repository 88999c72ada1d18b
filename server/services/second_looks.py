"""A host failed an audit: results of it that others have confirmed are audited once more.

Two hosts that have agreed upon something false may have done so before. When one of them is found
wrong, so may be what they confirmed each other; only the server's own computing tells. A few of
these results are looked at, drawn in secret (see `boinc_project.lifecycle.host_record.LOOKS`). What
is found wrong is withdrawn; then all results of the unit are judged anew and audited, so that
whoever agreed is found wrong, too, and looked at.

How many looks are due is kept in the host's record. Each is a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, aliased

from boinc_project.errors import TransientError, UnitError
from boinc_project.states import ValidateState
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive
from server.models import CampaignRow, Event, HostAppVersion, Result, Workunit
from server.models.campaign import RUNNING
from server.project import Project
from server.services.lifecycle import load
from server.services.reopening import Suspect, withdraw_wrong
from server.services.validation import audit_budget, unit_of
from validator.audited import audit_one

KIND = "second_look"
"""Of the events that tell of it."""


@dataclass(frozen=True, slots=True)
class _Look:
    suspect: Suspect
    workunit: int
    campaign: int
    canonical: int
    unit: Unit
    inputs: dict[str, Path]
    output: Path
    budget: float


def look_again(project: Project, *, actor: str) -> bool:
    """Audit one confirmed result of a host of which looks are due; return whether any was."""
    with project.database.read() as session:
        due = select(HostAppVersion).where(HostAppVersion.looks > 0)
        record = session.scalars(due.order_by(HostAppVersion.host_id).limit(1)).first()
        if record is None:
            return False
        suspect = (record.host_id, record.app_version_id)
        chosen = _choose(session, suspect, project.secret, suspicious=record.looks % 2 == 0)
        look = None if chosen is None else _prepare(session, project, suspect, chosen)
    seed = project.secret()
    try:
        verdict = None if look is None else _audit(project, look, seed)
        with project.database.write() as session:
            row = session.get_one(HostAppVersion, suspect, with_for_update=True)
            row.looks = 0 if chosen is None else max(0, row.looks - 1)
            if look is not None and verdict is not None:
                _conclude(session, project, look, verdict, seed, actor)
    except TransientError:  # somebody is at it: the look stays due
        return False
    return True


def _choose(
    session: Session, suspect: Suspect, secret: Callable[[], int], *, suspicious: bool
) -> int | None:
    """Draw a workunit whose canonical result the suspect and others have found.

    Every other look is for what others have confirmed that failed an audit themselves, if there is
    any: who colludes is likely to be among them, and an honest host whose memory was bad is, too.
    """
    host, version = suspect
    mine, theirs, partner = Result, aliased(Result), aliased(HostAppVersion)
    is_valid = ValidateState.VALID
    found = session.execute(
        select(Workunit.id, func.max(func.coalesce(partner.n_audit_failed, 0)))
        .join(mine, mine.workunitid == Workunit.id)
        .join(CampaignRow, CampaignRow.id == Workunit.campaign_id)
        .join(
            theirs,
            and_(
                theirs.workunitid == Workunit.id,
                theirs.hostid != host,
                theirs.validate_state == is_valid,
            ),
        )
        .outerjoin(
            partner,
            and_(partner.host_id == theirs.hostid, partner.app_version_id == theirs.app_version_id),
        )
        .where(
            mine.hostid == host,
            mine.app_version_id == version,
            mine.validate_state == is_valid,
            Workunit.canonical_resultid.is_not(None),
            CampaignRow.state.in_(RUNNING),
        )
        .group_by(Workunit.id)
        .order_by(Workunit.id)
    ).all()
    bad = [workunit for workunit, failed in found if failed]
    pool = bad if bad and suspicious else [workunit for workunit, _ in found]
    return pool[secret() % len(pool)] if pool else None


def _prepare(
    session: Session, project: Project, suspect: Suspect, workunit_id: int
) -> _Look | None:
    """Return what is to be audited; None if its files are not there."""
    row = session.get_one(Workunit, workunit_id)
    canonical = session.get_one(Result, row.canonical_resultid)
    try:
        unit, inputs = unit_of(project, row)
    except UnitError:
        return None
    return _Look(
        suspect=suspect,
        workunit=row.id,
        campaign=row.campaign_id,
        canonical=canonical.instance,
        unit=unit,
        inputs=inputs,
        output=project.uploads.path(canonical.output_name),
        budget=audit_budget(row),
    )


def _audit(project: Project, look: _Look, seed: int) -> Verdict:
    app = project.validators(look.unit.app)
    if not look.output.is_file():
        return inconclusive("The canonical output is not there.")
    return audit_one(app, look.unit, look.output, look.inputs, seed=seed, budget=look.budget)


def _conclude(
    session: Session, project: Project, look: _Look, verdict: Verdict, seed: int, actor: str
) -> None:
    """Write down what the audit found, and withdraw an answer that is wrong."""
    session.add(
        Event(
            time=project.clock(),
            actor=actor,
            kind=KIND,
            campaign_id=look.campaign,
            workunitid=look.workunit,
            hostid=look.suspect[0],
            reason="A computer that has computed this unit failed an audit since, so the answer "
            f"was audited once more: {verdict.reason}",
            data={"seed": f"{seed:032x}", "verdict": verdict.kind.value},
        )
    )
    loaded = load(session, project.database, look.workunit)
    if verdict.is_invalid and loaded is not None and loaded.state.canonical == look.canonical:
        withdraw_wrong(session, project, loaded, verdict.reason, actor=actor)
