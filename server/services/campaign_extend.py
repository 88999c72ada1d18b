"""More units for a campaign that is issued: new frames join it, and what is computed stays.

As when a campaign is issued, files are staged before the rows that name them. The transaction that
adds the rows takes the campaign only as it was when the new frames were looked at: of two
extensions at once one is refused, and no unit number is given twice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from boinc_project import application
from boinc_project.campaign import Campaign
from boinc_project.errors import InputError, StateError
from boinc_project.extension import Extension
from boinc_project.input_store import InputStore
from boinc_project.lifecycle.campaign import CampaignExtended
from boinc_project.states import CampaignState, FileDeleteState
from server.models import CampaignRow, Result, Workunit
from server.project import Project
from server.services.campaign_issue import add_workunits, stage
from server.services.campaign_life import happen
from server.services.campaigns import find
from server.services.inputs import guard_inputs
from server.services.newest_product import newest_product
from work_generator.definition import from_definition, to_definition


@dataclass(frozen=True, slots=True)
class Extended:
    """What `extend` did.

    Attributes
    ----------
    name : str
        The campaign.
    added, unnamed : tuple[str, ...]
        Frames that are new in it, and those it has that the file does not name.
    known : int
        Frames of the file that it had.
    n_unit : int
        Workunits issued.
    reopened : bool
        Whether it was complete, and runs again.
    """

    name: str
    added: tuple[str, ...]
    unnamed: tuple[str, ...]
    known: int
    n_unit: int
    reopened: bool


def extend(
    project: Project,
    name: str,
    edited: Campaign,
    file: Path,
    *,
    actor: str = "admin",
    progress: Callable[[int, int], None] | None = None,
) -> Extended:
    """Add to a campaign what its edited file has in addition. Safe to repeat.

    Parameters
    ----------
    project : Project
        Where it is.
    name : str
        The campaign.
    edited : Campaign
        As `work_generator.campaign_file.load_campaign` returns it; not prepared.
    file : Path
        Where it was read from, for errors.
    actor : str
        Who extends it, for the story.
    progress : Callable, optional
        Told how many images are done, of how many.

    Raises
    ------
    InputError
        If there is no such campaign, it cannot be extended, or the file says anything else that is
        not as it was.
    StateError
        If it was cancelled, its files are gone, or somebody else has extended it meanwhile.
    """
    if edited.name != name:
        raise InputError(
            f"{file} describes the campaign {edited.name}, not {name}: name the right file.",
            name=name,
        )
    with project.database.read() as session:
        row = find(session, name)
        _need_extendable(session, project, row)
        definition, campaign = row.definition, from_definition(row.definition)
    root = project.downloads.root
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".inputs-", dir=root) as directory:
        store = InputStore(Path(directory))
        found = application.get(campaign.app).extend(campaign, edited, file, progress, store)
        reopened = bool(found.units) and _add(project, name, definition, found, store, actor)
    return Extended(
        name, found.added, found.unnamed, found.known, len(found.units), reopened=reopened
    )


def _add(
    project: Project,
    name: str,
    definition: bytes,
    found: Extension,
    store: InputStore,
    actor: str,
) -> bool:
    """Put the new units into the project; return whether the campaign had been complete."""
    stage(project.downloads, found.campaign, found.units, store)
    with project.database.write() as session:
        guard_inputs(session, project.database)
        row = session.get(CampaignRow, find(session, name).id, with_for_update=True)
        assert row is not None  # campaigns are never deleted
        session.refresh(row)
        if row.definition != definition:
            raise StateError(
                f"Somebody else has extended the campaign {name} meanwhile: repeat the command.",
                name=name,
            )
        _need_extendable(session, project, row)
        row.definition, row.source = to_definition(found.campaign), found.campaign.source
        add_workunits(project, session, row, found.campaign, found.units, store=store)
        product = newest_product(session, row.id, to_change=True)
        if product is not None:
            product.converged = False  # it is not of all frames any more
        reopened = row.state == CampaignState.COMPLETE.value
        event = CampaignExtended(
            project.clock(), found.added, len(found.units), found.campaign.stop.max_units
        )
        happen(session, row, event, actor=actor)
        return reopened


def _need_extendable(session: Session, project: Project, row: CampaignRow) -> None:
    """Refuse a campaign that cannot get more units, or whose product could not be made again."""
    campaign = from_definition(row.definition)
    if not application.get(campaign.app).extendable:
        raise InputError(
            f"{row.name} is a campaign of {campaign.app}, which has no images to add: issue a "
            "campaign of its own.",
            name=row.name,
        )
    if row.state == CampaignState.CANCELLED.value:
        raise StateError(
            f"The campaign {row.name} was cancelled: issue a new one with all images.",
            name=row.name,
        )
    if _is_gone(session, project, row.id):
        raise StateError(
            f"The campaign {row.name} cannot be extended any more, because outputs that its image "
            "is made of have been deleted (`daemons.extend_delay` after its end): issue a new one "
            "with all images.",
            name=row.name,
        )


def _is_gone(session: Session, project: Project, campaign_id: int) -> bool:
    """Whether files of a canonical result are deleted, or about to be."""
    # Imported late: assimilators take a second to import.
    from server.services.products import is_lost

    leaving = select(Workunit.id).where(
        Workunit.campaign_id == campaign_id,
        Workunit.canonical_resultid.is_not(None),
        Workunit.file_delete_state != FileDeleteState.INIT,
    )
    outputs = (
        select(Workunit.id)
        .join(Result, Result.id == Workunit.canonical_resultid)
        .where(
            Workunit.campaign_id == campaign_id, Result.file_delete_state != FileDeleteState.INIT
        )
    )
    marked = any(session.scalar(one.limit(1)) is not None for one in (leaving, outputs))
    return marked or is_lost(project, session, campaign_id)
