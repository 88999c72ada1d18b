"""What pages and API show of campaigns: progress, product, workunits; only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, String, case, func, literal, select, tuple_
from sqlalchemy.orm import Session

from boinc_project.campaign import Campaign
from boinc_project.states import AssimilateState, CampaignState, ErrorMask, ServerState
from server.db import Database
from server.models import App, AppVersion, CampaignRow, ProductRow, Result, Workunit
from server.services.image_view import ImageView, is_image, read_image
from server.services.moment import moment
from server.services.pages import version_name
from server.services.posterior_view import PosteriorView, read_posterior
from work_generator.definition import from_definition

PAGE_SIZE = 50
MAX_WORKUNITS = 500
"""Most workunits of one page of the API: about 200 kB of JSON."""


class WorkunitState(StrEnum):
    """Where a workunit is, in one word; every workunit is in exactly one state."""

    WAITING = "waiting"
    """No computer has it at the moment; its tasks wait to be sent or to be made."""
    COMPUTING = "computing"
    """At least one task is on a computer."""
    VALIDATING = "validating"
    """The validator has something to look at."""
    MERGING = "merging"
    """Valid, and not yet in the product."""
    DONE = "done"
    """Valid and merged."""
    FAILED = "failed"
    """Ended without a valid output."""
    CANCELLED = "cancelled"
    """Cancelled by an admin or with its campaign."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is: its workunits by state.

    Attributes
    ----------
    counts : Mapping[WorkunitState, int]
        Workunits in every state.
    """

    counts: Mapping[WorkunitState, int]

    @property
    def issued(self) -> int:
        """Workunits made so far."""
        return sum(self.counts.values())

    @property
    def valid(self) -> int:
        """Workunits with a valid output."""
        return self.counts[WorkunitState.DONE] + self.counts[WorkunitState.MERGING]

    @property
    def ended(self) -> int:
        """Workunits on which nothing is left to compute."""
        lost = self.counts[WorkunitState.FAILED] + self.counts[WorkunitState.CANCELLED]
        return self.valid + lost

    @property
    def fraction(self) -> float:
        """Ended part of what is issued, 0 to 1."""
        return self.ended / self.issued if self.issued else 0.0


@dataclass(frozen=True, slots=True)
class ProductSummary:
    """The newest product, as its row tells.

    Attributes
    ----------
    posterior : PosteriorView
        Table and diagnostics; they are empty if it is an image.
    image : ImageView or None
        What is known of an image; None if it is a posterior.
    """

    version: int
    create_time: datetime
    n_unit: int
    n_draw: int
    converged: bool
    digest: str
    posterior: PosteriorView
    image: ImageView | None = None


@dataclass(frozen=True, slots=True)
class CampaignSummary:
    """One campaign in a list."""

    name: str
    title: str
    app: str
    state: CampaignState
    create_time: datetime
    end_time: datetime | None
    end_reason: str
    progress: Progress
    product_version: int | None
    converged: bool
    is_image: bool = False


@dataclass(frozen=True, slots=True)
class CampaignPage:
    """One page of the list of campaigns, newest first; `older` is the `before` of the next page."""

    campaigns: tuple[CampaignSummary, ...]
    older: int | None


@dataclass(frozen=True, slots=True)
class CampaignView:
    """One campaign."""

    summary: CampaignSummary
    description: str
    definition: Campaign
    product: ProductSummary | None
    tasks_in_progress: int


@dataclass(frozen=True, slots=True)
class WorkunitTask:
    """One task of a workunit, without a word of whose it is."""

    name: str
    server_state: str
    outcome: str
    validate_state: str
    verdict: str
    app_version: str
    platform: str
    sent_time: datetime | None
    received_time: datetime | None
    exit_status: int
    cpu_time: float
    canonical: bool


@dataclass(frozen=True, slots=True)
class WorkunitRow:
    """One workunit of a campaign."""

    name: str
    generation: int
    index: int
    unit_digest: str
    state: WorkunitState
    errors: tuple[str, ...]
    create_time: datetime
    min_quorum: int
    credit: float
    tasks: tuple[WorkunitTask, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class WorkunitPage:
    """One page of a campaign's workunits; `after` is the place to go on from, None at the end."""

    workunits: tuple[WorkunitRow, ...]
    after: tuple[int, int] | None


def workunit_state() -> ColumnElement[str]:
    """Return `WorkunitState` as an expression over `Workunit`.

    The cases are tried in order, so the look-up of tasks on computers is made for open workunits
    only.
    """
    computing = (
        select(literal(1))
        .where(Result.workunitid == Workunit.id, Result.server_state == ServerState.IN_PROGRESS)
        .exists()
    )
    cancelled = Workunit.error_mask.op("&")(literal(int(ErrorMask.CANCELLED))) != 0
    word: dict[WorkunitState, ColumnElement[str]] = {
        state: literal(state.value, String) for state in WorkunitState
    }
    return case(
        (cancelled, word[WorkunitState.CANCELLED]),
        (Workunit.error_mask != ErrorMask.NONE, word[WorkunitState.FAILED]),
        (
            Workunit.canonical_resultid.is_not(None)
            & (Workunit.assimilate_state == AssimilateState.DONE),
            word[WorkunitState.DONE],
        ),
        (Workunit.canonical_resultid.is_not(None), word[WorkunitState.MERGING]),
        (Workunit.need_validate, word[WorkunitState.VALIDATING]),
        (computing, word[WorkunitState.COMPUTING]),
        else_=word[WorkunitState.WAITING],
    )


def campaigns(database: Database, *, before: int | None = None) -> CampaignPage:
    """Return one page of campaigns, newest first."""
    wanted = select(CampaignRow, App.name).join(App, App.id == CampaignRow.appid)
    if before is not None:
        wanted = wanted.where(CampaignRow.id < before)
    with database.read() as session:
        found = session.execute(wanted.order_by(CampaignRow.id.desc()).limit(PAGE_SIZE + 1)).all()
        rows = found[:PAGE_SIZE]
        ids = [row.id for row, _ in rows]
        counts, products = _progress(session, ids), _newest_products(session, ids)
        return CampaignPage(
            tuple(_summary(row, app, counts[row.id], products.get(row.id)) for row, app in rows),
            rows[-1][0].id if len(found) > PAGE_SIZE else None,
        )


def campaign(database: Database, name: str) -> CampaignView | None:
    """Return one campaign, or None if there is none of this name."""
    with database.read() as session:
        found = session.execute(
            select(CampaignRow, App.name)
            .join(App, App.id == CampaignRow.appid)
            .where(CampaignRow.name == name)
        ).one_or_none()
        if found is None:
            return None
        row, app = found
        product = _newest_products(session, [row.id]).get(row.id)
        definition = from_definition(row.definition)
        summary = _summary(row, app, _progress(session, [row.id])[row.id], product)
        return CampaignView(
            summary=summary,
            description=row.description,
            definition=definition,
            product=None if product is None else _product(product, definition),
            tasks_in_progress=_tasks_in_progress(session, row.id),
        )


def campaign_exists(database: Database, name: str) -> bool:
    """Return whether there is a campaign of this name."""
    with database.read() as session:
        wanted = select(CampaignRow.id).where(CampaignRow.name == name)
        return session.scalar(wanted) is not None


def workunits(
    database: Database, name: str, *, after: tuple[int, int] | None = None, limit: int = 100
) -> WorkunitPage | None:
    """Return one page of a campaign's workunits by generation and index, with their tasks.

    Parameters
    ----------
    name : str
        The campaign's name; the answer is None if there is none.
    after : tuple[int, int], optional
        Generation and index behind which the page begins.
    limit : int
        Workunits of one page, at most `MAX_WORKUNITS`.
    """
    place = (Workunit.generation, Workunit.unit_index)
    limit = min(limit, MAX_WORKUNITS)
    with database.read() as session:
        campaign_id = session.scalar(select(CampaignRow.id).where(CampaignRow.name == name))
        if campaign_id is None:
            return None
        wanted = select(Workunit, workunit_state()).where(Workunit.campaign_id == campaign_id)
        if after is not None:
            wanted = wanted.where(tuple_(*place) > tuple_(*(literal(part) for part in after)))
        found = session.execute(wanted.order_by(*place).limit(limit + 1)).all()
        page = found[:limit]
        tasks = _tasks(session, [workunit for workunit, _ in page])
        rows = tuple(
            _workunit(workunit, WorkunitState(state), tasks.get(workunit.id, ()))
            for workunit, state in page
        )
        more = len(found) > limit
        return WorkunitPage(rows, (rows[-1].generation, rows[-1].index) if more else None)


def _progress(session: Session, ids: Sequence[int]) -> dict[int, Progress]:
    counts = {one: dict.fromkeys(WorkunitState, 0) for one in ids}
    inner = (
        select(Workunit.campaign_id, workunit_state().label("state"))
        .where(Workunit.campaign_id.in_(ids))
        .subquery()
    )
    for campaign_id, state, count in session.execute(
        select(inner.c.campaign_id, inner.c.state, func.count()).group_by(
            inner.c.campaign_id, inner.c.state
        )
    ):
        counts[campaign_id][WorkunitState(state)] = count
    return {one: Progress(by_state) for one, by_state in counts.items()}


def _newest_products(session: Session, ids: Sequence[int]) -> dict[int, ProductRow]:
    newest = (
        select(ProductRow.campaign_id, func.max(ProductRow.version).label("version"))
        .where(ProductRow.campaign_id.in_(ids))
        .group_by(ProductRow.campaign_id)
        .subquery()
    )
    rows = session.scalars(
        select(ProductRow).join(
            newest,
            (ProductRow.campaign_id == newest.c.campaign_id)
            & (ProductRow.version == newest.c.version),
        )
    )
    return {row.campaign_id: row for row in rows}


def _tasks_in_progress(session: Session, campaign_id: int) -> int:
    return (
        session.scalar(
            select(func.count())
            .select_from(Result)
            .join(Workunit, Workunit.id == Result.workunitid)
            .where(
                Workunit.campaign_id == campaign_id,
                Result.server_state == ServerState.IN_PROGRESS,
            )
        )
        or 0
    )


def _summary(
    row: CampaignRow, app: str, progress: Progress, product: ProductRow | None
) -> CampaignSummary:
    return CampaignSummary(
        name=row.name,
        title=row.title,
        app=app,
        state=CampaignState(row.state),
        create_time=moment(row.create_time),
        end_time=moment(row.end_time),
        end_reason=row.end_reason,
        progress=progress,
        product_version=None if product is None else product.version,
        converged=product is not None and product.converged,
        is_image=product is not None and is_image(product.summary),
    )


def _product(row: ProductRow, definition: Campaign) -> ProductSummary:
    return ProductSummary(
        version=row.version,
        create_time=moment(row.create_time),
        n_unit=row.n_unit,
        n_draw=row.n_draw,
        converged=row.converged,
        digest=row.digest,
        posterior=read_posterior(row.summary, definition.stop),
        image=read_image(row.summary),
    )


def _tasks(session: Session, units: Sequence[Workunit]) -> dict[int, tuple[WorkunitTask, ...]]:
    canonical = {unit.canonical_resultid for unit in units}
    rows = session.execute(
        select(Result, AppVersion)
        .outerjoin(AppVersion, AppVersion.id == Result.app_version_id)
        .where(Result.workunitid.in_([unit.id for unit in units]))
        .order_by(Result.id)
    )
    tasks: dict[int, tuple[WorkunitTask, ...]] = {}
    for result, version in rows:
        view = _task(result, version, canonical=result.id in canonical)
        tasks[result.workunitid] = (*tasks.get(result.workunitid, ()), view)
    return tasks


def _task(result: Result, version: AppVersion | None, *, canonical: bool) -> WorkunitTask:
    return WorkunitTask(
        name=result.name,
        server_state=result.server_state.name.lower(),
        outcome=result.outcome.name.lower(),
        validate_state=result.validate_state.name.lower(),
        verdict=result.validate_reason,
        app_version="" if version is None else version_name(version.version_num),
        platform="" if version is None else version.platform,
        sent_time=moment(result.sent_time),
        received_time=moment(result.received_time),
        exit_status=result.exit_status,
        cpu_time=result.cpu_time,
        canonical=canonical,
    )


def _workunit(unit: Workunit, state: WorkunitState, tasks: tuple[WorkunitTask, ...]) -> WorkunitRow:
    return WorkunitRow(
        name=unit.name,
        generation=unit.generation,
        index=unit.unit_index,
        unit_digest=unit.unit_digest,
        state=state,
        errors=tuple(flag.name.lower() for flag in unit.error_mask if flag.name),
        create_time=moment(unit.create_time),
        min_quorum=unit.min_quorum,
        credit=unit.canonical_credit,
        tasks=tasks,
    )
