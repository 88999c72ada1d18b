"""The preparation of an issued campaign: its output becomes the campaign's definition.

A campaign may be issued before it is prepared: its first workunits are then the preparation and the
second opinion. When the preparation has its verdict, the campaign is prepared from it; the new
definition and the first generation of chains are written in one transaction, or the campaign ends
with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from boinc_project import application
from boinc_project.campaign import PREPARATION, Campaign, Progress
from boinc_project.errors import InputError
from boinc_project.states import AssimilateState, CampaignState, ErrorMask, ExitStatus
from boinc_project.unit import Unit
from server.models import CampaignRow, Result, Workunit
from server.project import Project
from server.services.campaign_issue import add_generation, stage
from server.services.inputs import guard_inputs
from work_generator.definition import from_definition, to_definition

# How an app begins the sentence of such an error; see `apps.main`.
_BAD_INPUT = ExitStatus.BAD_INPUT.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Preparation:
    """Where the preparation of a campaign is.

    Attributes
    ----------
    campaign : Campaign
        Not prepared.
    definition : bytes
        The same, as it was read.
    output : Path | None
        Of the preparation's workunit, when it has one that is valid.
    failed : str
        Why there will be none; empty if there may be.
    """

    campaign: Campaign
    definition: bytes
    output: Path | None
    failed: str


def find_preparation(project: Project, session: Session, row: CampaignRow) -> Preparation | None:
    """Return where the preparation of a campaign is; None if the campaign is prepared.

    A campaign without any generation waits for its preparation.
    """
    if row.next_generation > 0:
        return None
    workunit = session.scalars(
        select(Workunit).where(
            Workunit.campaign_id == row.id,
            Workunit.generation == 0,
            Workunit.unit_index == PREPARATION,
        )
    ).one_or_none()
    if workunit is None:
        return None
    campaign, failed = from_definition(row.definition), ""
    if workunit.error_mask != ErrorMask.NONE:
        failed = _last_words(session, workunit.id) or "no computer has given a valid result."
    output = None
    done = workunit.assimilate_state == AssimilateState.DONE
    if done and workunit.canonical_resultid is not None:
        result = session.get_one(Result, workunit.canonical_resultid)
        output = project.uploads.path(result.output_name)
    return Preparation(campaign, row.definition, output, failed)


def prepare_from(
    project: Project, campaign_id: int, preparation: Preparation, *, actor: str
) -> tuple[bool, str]:
    """Prepare a campaign from its output, and issue the first generation of chains.

    Returns
    -------
    issued : bool
        Whether that was done; not if another process was faster.
    failed : str
        Why it cannot be done; empty if it can.
    """
    assert preparation.output is not None
    planner = application.get(preparation.campaign.app)
    try:
        prepared = planner.prepared_from(preparation.campaign, preparation.output)
        planned = planner.plan(prepared, Progress())
    except InputError as error:
        return False, error.message
    known = {unit.name for unit in planner.preparing(preparation.campaign)}
    units = [unit for unit in planned if unit.name not in known]
    return _issue(project, campaign_id, preparation, prepared, units, actor), ""


def _issue(
    project: Project,
    campaign_id: int,
    preparation: Preparation,
    prepared: Campaign,
    units: list[Unit],
    actor: str,
) -> bool:
    stage(project.downloads, prepared, units)
    with project.database.write() as session:
        guard_inputs(session, project.database)
        row = session.get(CampaignRow, campaign_id, with_for_update=True)
        if row is None or row.state != CampaignState.ACTIVE.value or row.next_generation != 0:
            return False
        session.refresh(row)
        if row.definition != preparation.definition:
            return False
        row.definition = to_definition(prepared)
        add_generation(project, session, row, prepared, units, actor=actor)
        return True


def _last_words(session: Session, workunit_id: int) -> str:
    """Return what the newest result that found the campaign unusable has written last."""
    texts = session.scalars(
        select(Result.stderr_out)
        .where(
            Result.workunitid == workunit_id,
            Result.exit_status == int(ExitStatus.BAD_INPUT),
            Result.stderr_out != "",
        )
        .order_by(Result.id.desc())
        .limit(1)
    ).all()
    lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    before, _, sentence = lines[-1].partition(f"{_BAD_INPUT}: ")
    return _plain(sentence or before)


def _plain(line: str) -> str:
    # A stranger's words, in a sentence for people: short, and of printable characters.
    return "".join(character for character in line if character.isprintable())[:300]
