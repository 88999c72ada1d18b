"""What pages and API show of campaigns: progress and product; only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from boinc_project.campaign import Campaign
from boinc_project.states import CampaignState, ServerState
from server.db import Database
from server.models import App, CampaignRow, ProductRow, Result, Workunit
from server.services.moment import moment
from server.services.product_view import ProductView, product_view
from server.services.workunit_view import WorkunitState, workunit_state
from work_generator.definition import from_definition

PAGE_SIZE = 50


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
class CampaignSummary:
    """One campaign in a list.

    Attributes
    ----------
    product : ProductView or None
        The newest product; None if nothing is merged yet.
    """

    name: str
    title: str
    app: str
    state: CampaignState
    create_time: datetime
    end_time: datetime | None
    end_reason: str
    progress: Progress
    product: ProductView | None = None

    @property
    def product_version(self) -> int | None:
        """Version of the newest product; None without one."""
        return None if self.product is None else self.product.version

    @property
    def is_success(self) -> bool:
        """Whether there is a product, and it is what one wants."""
        return self.product is not None and self.product.judgement.met


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
    tasks_in_progress: int

    @property
    def product(self) -> ProductView | None:
        """The newest product."""
        return self.summary.product


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
            tasks_in_progress=_tasks_in_progress(session, row.id),
        )


def campaign_exists(database: Database, name: str) -> bool:
    """Return whether there is a campaign of this name."""
    with database.read() as session:
        wanted = select(CampaignRow.id).where(CampaignRow.name == name)
        return session.scalar(wanted) is not None


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
        product=None if product is None else product_view(product),
    )
