"""Campaigns on the server: issue, top up, pause, resume, cancel, end.

Files are staged before the rows that name them are committed, and have names that bear their
digest: a process killed in between leaves files that the next attempt finds in place, never rows
without files. Results are made by the transitioner.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import ConfigError, InputError, StateError, TransientError
from boinc_project.lifecycle.workunit import Cancelled
from boinc_project.states import CampaignState, ErrorMask, Outcome, ServerState
from boinc_project.unit import UNIT_FILE, Unit
from server.db import Database
from server.models import App, CampaignRow, Event, ProductRow, Result, Workunit, WorkunitFile
from server.project import Project
from server.services import campaign_view, lifecycle
from server.services.campaign_view import CampaignView
from server.services.files import DownloadStore, StoredFile
from server.services.inputs import guard_inputs
from work_generator import registry
from work_generator.definition import from_definition, to_definition

_ENDED = frozenset({CampaignState.CANCELLED.value, CampaignState.COMPLETE.value})


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
                min_quorum=quorum.min_quorum,
                target_nresults=quorum.target_nresults,
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


def pause(project: Project, name: str, *, actor: str = "admin") -> None:
    """Stop sending a campaign's tasks; what is out may come back.

    Raises
    ------
    InputError
        If there is no such campaign.
    StateError
        If it has ended.
    """
    _set_state(project, name, CampaignState.PAUSED, {CampaignState.ACTIVE}, actor=actor)


def resume(project: Project, name: str, *, actor: str = "admin") -> None:
    """Send a paused campaign's tasks again; see `pause`."""
    _set_state(project, name, CampaignState.ACTIVE, {CampaignState.PAUSED}, actor=actor)


def cancel(project: Project, name: str, reason: str = "", *, actor: str = "admin") -> int:
    """End a campaign now: tasks not sent are withdrawn, those on computers are called back.

    Safe to repeat, and finished by the work generator's daemon if it is interrupted.

    Returns
    -------
    int
        Workunits cancelled.

    Raises
    ------
    InputError, StateError
        As `pause`.
    """
    row = _set_state(
        project,
        name,
        CampaignState.CANCELLED,
        {CampaignState.ACTIVE, CampaignState.PAUSED},
        actor=actor,
        reason=reason or "Cancelled by an admin.",
    )
    return sweep(project, row, actor=actor)


def complete(project: Project, campaign_id: int, reason: str, *, actor: str) -> bool:
    """End a running campaign by its stop rule; `sweep` then withdraws what nobody has begun.

    Returns
    -------
    bool
        Whether it was still running.
    """
    with project.database.write() as session:
        row = session.get(CampaignRow, campaign_id, with_for_update=True)
        if row is None or row.state != CampaignState.ACTIVE.value:
            return False
        _enter(session, row, CampaignState.COMPLETE, project.clock(), actor, reason)
        return True


def sweep(project: Project, campaign_id: int, *, actor: str) -> int:
    """Withdraw open workunits of an ended campaign; when none is open, write down its end time.

    A cancelled campaign loses all that is open. A complete one only loses the workunits in which
    nobody has a stake: whoever is computing one, or has computed it, keeps the chance of their
    credit, and the product takes what they find.

    Returns
    -------
    int
        Workunits cancelled. Those that another process works on are left for the next time.
    """
    with project.database.read() as session:
        row = session.get(CampaignRow, campaign_id)
        if row is None or row.end_time is not None or row.state not in _ENDED:
            return 0
        everything = row.state == CampaignState.CANCELLED.value
        reason = row.end_reason
        wanted = _open_workunits(campaign_id)
        n_open = session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
        ids = session.scalars(wanted if everything else wanted.where(~_has_stake())).all()
    cancelled = 0
    for workunit_id in ids:
        try:
            cancelled += _cancel_one(
                project, workunit_id, reason, everything=everything, actor=actor
            )
        except TransientError:
            continue
    if cancelled == n_open:
        with project.database.write() as session:
            row = session.get(CampaignRow, campaign_id, with_for_update=True)
            if row is not None and row.end_time is None:
                row.end_time = project.clock()
    return cancelled


@dataclass(frozen=True, slots=True)
class Status:
    """Where a campaign is.

    Attributes
    ----------
    view : CampaignView
        State, workunits by state, newest product.
    summary : Mapping[str, Any] or None
        The newest product's summary.json.
    credit : float
        Cobblestones granted for it so far.
    computers : int
        Hosts that have had a part in it.
    """

    view: CampaignView
    summary: Mapping[str, Any] | None
    credit: float
    computers: int


def status(project: Project, name: str) -> Status:
    """Return where a campaign is.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    with project.database.read() as session:
        row = _find(session, name)
        summary = session.scalar(
            select(ProductRow.summary)
            .where(ProductRow.campaign_id == row.id)
            .order_by(ProductRow.version.desc())
            .limit(1)
        )
        credit, computers = session.execute(
            select(
                func.coalesce(func.sum(Result.granted_credit), 0.0),
                func.count(Result.hostid.distinct()),
            )
            .join(Workunit, Workunit.id == Result.workunitid)
            .where(Workunit.campaign_id == row.id)
        ).one()
    view = campaign_view.campaign(project.database, name)
    assert view is not None  # campaigns are never deleted
    return Status(view, summary, float(credit), computers)


def definition(database: Database, name: str) -> Campaign:
    """Return the prepared campaign of this name.

    Raises
    ------
    InputError
        If there is none.
    """
    with database.read() as session:
        return from_definition(_find(session, name).definition)


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


def _find(session: Session, name: str) -> CampaignRow:
    row = session.scalars(select(CampaignRow).where(CampaignRow.name == name)).one_or_none()
    if row is None:
        raise InputError(f"There is no campaign {name}: see `openastro campaign list`.", name=name)
    return row


def _set_state(
    project: Project,
    name: str,
    state: CampaignState,
    allowed: set[CampaignState],
    *,
    actor: str,
    reason: str = "",
) -> int:
    """Put a campaign into a state, nothing if it is there already; return its id."""
    with project.database.write() as session:
        row = session.get(CampaignRow, _find(session, name).id, with_for_update=True)
        assert row is not None
        session.refresh(row)
        if row.state == state.value:
            return row.id
        if row.state not in {one.value for one in allowed}:
            words = " or ".join(sorted(allowed))
            raise StateError(
                f"The campaign {name} is {row.state}; only one that is {words} can become "
                f"{state.value}.",
                name=name,
                state=row.state,
            )
        _enter(session, row, state, project.clock(), actor, reason)
        return row.id


def _enter(
    session: Session,
    row: CampaignRow,
    state: CampaignState,
    now: float,
    actor: str,
    reason: str,
) -> None:
    session.add(
        Event(
            time=now,
            actor=actor,
            kind="campaign_state",
            campaign_id=row.id,
            before=row.state,
            after=state.value,
            reason=reason,
        )
    )
    row.state = state.value
    if state.value in _ENDED:
        row.end_reason = reason


def _open_workunits(campaign_id: int) -> Select[Any]:
    """Select the ids of workunits that have neither an answer nor an error."""
    return (
        select(Workunit.id)
        .where(
            Workunit.campaign_id == campaign_id,
            Workunit.canonical_resultid.is_(None),
            Workunit.error_mask == ErrorMask.NONE,
        )
        .order_by(Workunit.id)
    )


def _has_stake() -> ColumnElement[bool]:
    """Whether some host computes a workunit, or has computed it."""
    return exists().where(
        Result.workunitid == Workunit.id,
        or_(
            Result.server_state == ServerState.IN_PROGRESS,
            Result.outcome == Outcome.SUCCESS,
        ),
    )


def _cancel_one(
    project: Project, workunit_id: int, reason: str, *, everything: bool, actor: str
) -> bool:
    """Cancel a workunit; return whether it is not open any more."""
    with project.database.write() as session:
        loaded = lifecycle.load(session, project.database, workunit_id)
        if loaded is None:
            return True
        stakes = any(
            one.outcome is Outcome.SUCCESS or one.server_state is ServerState.IN_PROGRESS
            for one in loaded.state.results
        )
        if stakes and not everything:
            return False  # sent out since we looked
        event = Cancelled(project.clock(), reason)
        lifecycle.apply(
            session, project.database, loaded, event, actor=actor, settings=project.settings
        )
        return True
