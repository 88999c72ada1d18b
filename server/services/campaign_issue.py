"""Issuing: a campaign and its generations of workunits become files and rows.

Files are staged before the rows that name them are committed, and have names that bear their
digest: a process killed in between leaves files that the next attempt finds in place, never rows
without files. Results are made by the transitioner.

Large inputs are packed into a store inside the download directory, and get their names there as
links to the same bytes: a night of images is written once, and read once.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from boinc_project import application
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import ConfigError, InputError
from boinc_project.input_store import InputStore
from boinc_project.lifecycle.campaign import CampaignLife, GenerationIssued, PreparationIssued
from boinc_project.lifecycle.state import limits_of_workunit, new_workunit
from boinc_project.states import CampaignState
from boinc_project.unit import UNIT_FILE, Unit
from server.db import Database
from server.models import App, CampaignRow, Workunit, WorkunitFile
from server.project import Project
from server.services.campaign_life import columns_of, happen
from server.services.files import DownloadStore, StoredFile
from server.services.inputs import guard_inputs
from server.services.state_rows import new_workunit_columns
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
    prepared : bool
        Whether its chains are planned; else its preparation is issued, and they come later.
    """

    name: str
    n_unit: int
    existed: bool
    prepared: bool = True


def issue(
    project: Project,
    campaign: Campaign,
    *,
    actor: str = "admin",
    prepare: Callable[[Campaign, InputStore], Campaign] | None = None,
) -> Issued:
    """Put a campaign and its first generation of workunits into the project.

    Issuing the same campaign again does nothing.

    Parameters
    ----------
    project : Project
        Where to.
    campaign : Campaign
        As `work_generator.campaign_file.load_campaign` returns it, or prepared.
    actor : str
        Who issues it, for the story.
    prepare : Callable, optional
        Prepares the campaign, and puts its large inputs into the store; without it, that is done in
        this process and kept nowhere, which may take minutes before anything is written. If it
        returns a campaign that is not prepared, the preparation is issued, and the daemon
        `server.daemons.work_generator` goes on when its output has come back.

    Raises
    ------
    ConfigError
        If the campaign's app is not in the project.
    InputError
        If another campaign has this name, or volunteers' apps cannot compute this one.
    StateError
        If its limits contradict each other, so that no workunit could reach its quorum.
    """
    refused = application.get(campaign.app).not_for_volunteers(campaign.settings)
    if refused:
        raise InputError(f"The campaign {campaign.name} cannot be issued: {refused}.")
    before = _issued_before(project.database, campaign)
    if before is not None:
        return before
    root = project.downloads.root
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".inputs-", dir=root) as directory:
        return _issue(project, campaign, InputStore(Path(directory)), actor, prepare)


def _issue(
    project: Project,
    campaign: Campaign,
    store: InputStore,
    actor: str,
    prepare: Callable[[Campaign, InputStore], Campaign] | None,
) -> Issued:
    planner = application.get(campaign.app)
    if prepare is None:
        prepared = planner.prepare(campaign, None, store)
    else:
        prepared = prepare(campaign, store)
    preparing = planner.preparing(prepared)
    units = preparing or planner.plan(prepared, Progress())
    stage(project.downloads, prepared, units, store)
    try:
        with project.database.write() as session:
            guard_inputs(session, project.database)
            row = _campaign_row(session, prepared, now=project.clock())
            session.add(row)
            session.flush()
            if preparing:
                add_preparation(project, session, row, prepared, units, actor=actor)
            else:
                add_generation(project, session, row, prepared, units, actor=actor, store=store)
    except IntegrityError:
        # Somebody was faster, with this campaign or with another of its name.
        before = _issued_before(project.database, campaign)
        if before is None:
            raise
        return before
    return Issued(campaign.name, len(units), existed=False, prepared=not preparing)


def stage(
    downloads: DownloadStore,
    campaign: Campaign,
    units: Sequence[Unit],
    store: InputStore | None = None,
) -> dict[str, dict[str, StoredFile]]:
    """Write the input files of units into the download directory; safe to repeat.

    Done before the transaction, so that no lock is held while files are written, and once more
    inside it, which finds them in place unless the file deleter has just removed a shared one.

    Parameters
    ----------
    downloads : DownloadStore
        Where to.
    campaign : Campaign
        Prepared.
    units : Sequence[Unit]
        Of it.
    store : InputStore, optional
        Where the large inputs lie; needed only if the units name any.

    Returns
    -------
    dict[str, dict[str, StoredFile]]
        By the unit's name: its files by logical name, ``unit.json`` first.

    Raises
    ------
    InputError
        If a unit names a file that the campaign does not have.
    """
    shared = {
        name: downloads.add(_physical_name(name, hashlib.sha256(data).hexdigest()), data)
        for name, data in sorted(campaign.inputs.items())
        if any(name in unit.inputs for unit in units)
    }
    staged = {}
    for unit in units:
        data = unit.to_bytes()
        sealed = downloads.add(_physical_name(UNIT_FILE, unit.digest), data)
        files = {
            name: shared[name] if name in shared else _stage(downloads, campaign, store, name, one)
            for name, one in sorted(unit.inputs.items())
        }
        staged[unit.name] = {UNIT_FILE: sealed, **files}
    return staged


def _stage(
    downloads: DownloadStore, campaign: Campaign, store: InputStore | None, name: str, digest: str
) -> StoredFile:
    if store is None or digest not in campaign.files:
        raise InputError(
            f"The campaign {campaign.name} has no input file {name} ({digest[:16]}).", name=name
        )
    path = store.find(digest)
    return downloads.add_file(_physical_name(name, digest), path, campaign.files[digest])


def add_preparation(
    project: Project,
    session: Session,
    row: CampaignRow,
    campaign: Campaign,
    units: Sequence[Unit],
    *,
    actor: str,
) -> None:
    """Add the rows of the workunits that come before the first generation, as `add_generation`."""
    add_workunits(project, session, row, campaign, units)
    happen(session, row, PreparationIssued(project.clock(), len(units)), actor=actor)
    session.flush()


def add_generation(
    project: Project,
    session: Session,
    row: CampaignRow,
    campaign: Campaign,
    units: Sequence[Unit],
    *,
    actor: str,
    store: InputStore | None = None,
) -> None:
    """Add the rows of one generation of workunits; the caller owns the transaction.

    The caller has called `server.services.inputs.guard_inputs` in it, and sees to it that the
    generation is ``row.next_generation``.
    """
    trial, generation = project.settings.trust.canary_units, units[0].generation
    tried = generation == 0 and len(units) >= CANARY_SHARE * trial
    add_workunits(project, session, row, campaign, units, store=store)
    event = GenerationIssued(project.clock(), generation, len(units), trial if tried else 0)
    happen(session, row, event, actor=actor)
    session.flush()


def add_workunits(
    project: Project,
    session: Session,
    row: CampaignRow,
    campaign: Campaign,
    units: Sequence[Unit],
    *,
    store: InputStore | None = None,
) -> None:
    """Add the rows of workunits, and see that their files are there; as `add_generation`.

    Raises
    ------
    StateError
        If no workunit could reach the campaign's quorum under its limits.
    """
    now = project.clock()
    files = stage(project.downloads, campaign, units, store)
    planner = application.get(campaign.app)
    quorum = campaign.quorum
    # Only what an audit finds out may rest on one host's word.
    app = project.validators(campaign.app)
    for unit in units:
        alone = quorum.adaptive and app.audit is not None and app.one_word_is_enough(unit)
        limits = limits_of_workunit(quorum, alone=alone)
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
                output_open_name=application.get(unit.app).output_file,
                files=_file_rows(files[unit.name]),
                **new_workunit_columns(new_workunit(limits, now)),
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
            more = (
                f", or add images to that one by `openastro campaign extend {campaign.name} FILE`"
                if application.get(campaign.app).extendable
                else ""
            )
            raise InputError(
                f"There is another campaign named {campaign.name}, issued before: give this one a "
                "name of its own, such as "
                f'name = "{campaign.name}-2"{more}.',
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
        definition=to_definition(campaign),
        source=campaign.source,
        **columns_of(CampaignLife(campaign.name)),
    )


def _physical_name(logical_name: str, digest: str) -> str:
    """Return a name that bears the digest: clients keep a file's bytes under its name for ever."""
    path = PurePath(logical_name)
    return f"{path.stem}_{digest[:16]}{path.suffix}"


def _file_rows(files: Mapping[str, StoredFile]) -> list[WorkunitFile]:
    return [
        WorkunitFile(
            name=file.name,
            open_name=open_name,
            nbytes=file.nbytes,
            md5=file.md5,
            sha256=file.sha256,
        )
        for open_name, file in files.items()
    ]
