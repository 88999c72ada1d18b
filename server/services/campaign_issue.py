"""Issuing: a campaign and its generations of workunits become files and rows.

Files are staged before the rows that name them are committed, and have names that bear their
digest: a process killed in between leaves files that the next attempt finds in place, never rows
without files. Results are made by the transitioner.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import ConfigError, InputError
from boinc_project.states import CampaignState
from boinc_project.unit import UNIT_FILE, Unit
from server.db import Database
from server.models import App, CampaignRow, Event, Workunit, WorkunitFile
from server.project import Project
from server.services.files import DownloadStore, StoredFile
from server.services.inputs import guard_inputs
from work_generator import registry
from work_generator.definition import from_definition, to_definition

CANARY_SHARE = 10
"""A canary is at most one unit in so many of the first generation: in a smaller campaign it would
hold up more than it can save."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What `issue` did.

    Attributes
    ----------
    name : str
        The campaign.
    n_unit : int
        Workunits of its first generation.
    existed : bool
        The very same campaign had been issued before; nothing was done.
    """

    name: str
    n_unit: int
    existed: bool


def issue(
    project: Project,
    campaign: Campaign,
    *,
    actor: str = "admin",
    progress: Callable[[int, int], None] | None = None,
) -> Issued:
    """Put a campaign and its first generation of workunits into the project.

    Issuing the same campaign again does nothing.

    Parameters
    ----------
    project : Project
        Where to.
    campaign : Campaign
        As `work_generator.campaign_file.load_campaign` returns it; it is prepared here if it is not
        yet, which may take a minute of computing before anything is written.
    actor : str
        Who issues it, for the story.
    progress : Callable, optional
        Told how far the preparation is: steps done, and steps in all.

    Raises
    ------
    ConfigError
        If the campaign's app is not in the project.
    InputError
        If another campaign has this name.
    """
    before = _issued_before(project.database, campaign)
    if before is not None:
        return before
    planner = registry.get(campaign.app)
    prepared = planner.prepare(campaign, progress)
    units = planner.plan(prepared, Progress())
    stage(project.downloads, prepared, units)
    try:
        with project.database.write() as session:
            guard_inputs(session, project.database)
            row = _campaign_row(session, prepared, now=project.clock())
            session.add(row)
            session.flush()
            add_generation(project, session, row, prepared, units, actor=actor)
    except IntegrityError:
        # Somebody was faster, with this campaign or with another of its name.
        before = _issued_before(project.database, campaign)
        if before is None:
            raise
        return before
    return Issued(campaign.name, len(units), existed=False)


def stage(
    downloads: DownloadStore, campaign: Campaign, units: Sequence[Unit]
) -> dict[str, list[StoredFile]]:
    """Write the input files of units into the download directory; safe to repeat.

    Done before the transaction, so that no lock is held while files are written, and once more
    inside it, which finds them in place unless the file deleter has just removed a shared one.

    Returns
    -------
    dict[str, list[StoredFile]]
        By the unit's name: ``unit.json`` first, then the shared inputs in the order of their names.
    """
    shared = [
        downloads.add(_physical_name(name, data), data)
        for name, data in sorted(campaign.inputs.items())
    ]
    staged = {}
    for unit in units:
        data = unit.to_bytes()
        staged[unit.name] = [downloads.add(_physical_name(UNIT_FILE, data), data), *shared]
    return staged


def add_generation(
    project: Project,
    session: Session,
    row: CampaignRow,
    campaign: Campaign,
    units: Sequence[Unit],
    *,
    actor: str,
) -> None:
    """Add the rows of one generation of workunits; the caller owns the transaction.

    The caller has called `server.services.inputs.guard_inputs` in it, and sees to it that the
    generation is ``row.next_generation``.
    """
    now = project.clock()
    files = stage(project.downloads, campaign, units)
    planner = registry.get(campaign.app)
    quorum = campaign.quorum
    # Only what can be audited may rest on one host's word.
    alone = quorum.adaptive and project.validators(campaign.app).audit is not None
    trial = project.settings.trust.canary_units
    if units[0].generation == 0 and len(units) >= CANARY_SHARE * trial:
        row.canary = trial
    for unit in units:
        cost = planner.cost(campaign, unit)
        session.add(
            Workunit(
                name=unit.name,
                appid=row.appid,
                campaign_id=row.id,
                generation=unit.generation,
                unit_index=unit.index,
                unit_digest=unit.digest,
                create_time=now,
                priority=row.priority,
                min_app_version=unit.min_app_version,
                rsc_fpops_est=cost.fpops,
                rsc_fpops_bound=cost.fpops_bound,
                rsc_memory_bound=cost.memory,
                rsc_disk_bound=cost.disk,
                max_nbytes=cost.max_nbytes,
                delay_bound=quorum.delay_bound,
                min_quorum=1 if alone else quorum.min_quorum,
                target_nresults=1 if alone else quorum.target_nresults,
                full_quorum=quorum.min_quorum,
                max_error_results=quorum.max_error_results,
                max_total_results=quorum.max_total_results,
                max_success_results=quorum.max_success_results,
                transition_time=now,
                files=_file_rows(files[unit.name], campaign),
            )
        )
    row.next_generation += 1
    session.add(
        Event(
            time=now,
            actor=actor,
            kind="generation_issued",
            campaign_id=row.id,
            after=f"generation {units[0].generation}",
            reason=f"{len(units)} workunits of generation {units[0].generation} are issued.",
            data={"generation": units[0].generation, "n_unit": len(units)},
        )
    )
    session.flush()


def issue_generation(
    project: Project, campaign_id: int, campaign: Campaign, units: Sequence[Unit], *, actor: str
) -> bool:
    """Put one more generation of workunits into the project, in one transaction.

    Returns
    -------
    bool
        Whether it was added: not if the campaign does not run any more, or has this generation.
    """
    stage(project.downloads, campaign, units)
    with project.database.write() as session:
        guard_inputs(session, project.database)
        row = session.get(CampaignRow, campaign_id, with_for_update=True)
        if row is None or row.state != CampaignState.ACTIVE.value:
            return False
        if row.next_generation != units[0].generation:
            return False
        add_generation(project, session, row, campaign, units, actor=actor)
        return True


def _issued_before(database: Database, campaign: Campaign) -> Issued | None:
    with database.read() as session:
        if session.scalar(select(App.id).where(App.name == campaign.app)) is None:
            raise ConfigError(
                f"The app {campaign.app} is not in this project yet: build and sign it, then run "
                "`openastro app publish`.",
                app=campaign.app,
            )
        row = session.scalars(
            select(CampaignRow).where(CampaignRow.name == campaign.name)
        ).one_or_none()
        if row is None:
            return None
        same = row.source == campaign.source
        same = same and from_definition(row.definition).inputs == campaign.inputs
        if not same:
            raise InputError(
                f"There is another campaign named {campaign.name}, issued before: give this one a "
                "name of its own, such as "
                f'name = "{campaign.name}-2".',
                name=campaign.name,
            )
        first = select(Workunit.id).where(Workunit.campaign_id == row.id, Workunit.generation == 0)
        return Issued(campaign.name, len(session.scalars(first).all()), existed=True)


def _campaign_row(session: Session, campaign: Campaign, *, now: float) -> CampaignRow:
    appid = session.scalars(select(App.id).where(App.name == campaign.app)).one()
    return CampaignRow(
        name=campaign.name,
        title=campaign.title,
        description=campaign.description,
        appid=appid,
        create_time=now,
        state=CampaignState.ACTIVE.value,
        definition=to_definition(campaign),
        source=campaign.source,
        next_generation=0,
    )


def _physical_name(logical_name: str, data: bytes) -> str:
    """Return a name that bears the digest: clients keep a file's bytes under its name for ever."""
    path = PurePath(logical_name)
    return f"{path.stem}_{hashlib.sha256(data).hexdigest()[:16]}{path.suffix}"


def _file_rows(files: Sequence[StoredFile], campaign: Campaign) -> list[WorkunitFile]:
    names = [UNIT_FILE, *sorted(campaign.inputs)]
    return [
        WorkunitFile(
            name=file.name,
            open_name=open_name,
            nbytes=file.nbytes,
            md5=file.md5,
            sha256=file.sha256,
        )
        for open_name, file in zip(names, files, strict=True)
    ]
