"""Products: what there is to merge, and the row of what was merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from boinc_project import application
from boinc_project.campaign import Campaign
from boinc_project.errors import ConfigError
from boinc_project.outputs import Canonical, Rejected
from boinc_project.product import Product
from boinc_project.report import REPORT
from boinc_project.states import AssimilateState, CampaignState, ErrorMask, ValidateState
from server.models import App, AppVersion, CampaignRow, Event, ProductRow, Result, Workunit
from server.project import Project
from server.services.newest_product import newest_product
from server.services.validation import unit_of
from work_generator.definition import from_definition

MERGE_INTERVAL = 30.0
"""Seconds between two merges of a campaign while more of its outputs are on their way. A merge
with its plots takes some 5 s of CPU, so at most a sixth of one core goes into intermediate ones."""

REJECTED = {
    ValidateState.INVALID: "invalid",
    ValidateState.INCONCLUSIVE: "inconclusive",
    ValidateState.NO_CHECK: "not checked",
    ValidateState.TOO_LATE: "too late",
}
"""Verdicts whose results provenance lists as not in the product."""


_CanonicalRow = Row[Workunit, Result, AppVersion]


@dataclass(frozen=True, slots=True)
class Harvest:
    """All that one product is made of, as of one moment.

    Attributes
    ----------
    campaign : Campaign
        Its definition.
    ready : tuple[int, ...]
        Workunits whose assimilation is due.
    outputs : tuple[Canonical, ...]
        Every canonical output, of workunits due and done.
    rejected : tuple[Rejected, ...]
        Results that were not believed.
    frozen : bool
        Whether the campaign is over and its product stays as it is; there are no outputs then.
    """

    campaign: Campaign
    ready: tuple[int, ...]
    outputs: tuple[Canonical, ...]
    rejected: tuple[Rejected, ...]
    frozen: bool


def campaigns_due(session: Session, now: float) -> list[int]:
    """Return the campaigns that have something to assimilate now.

    A campaign is due when a workunit is READY and either nothing more is to come for the moment, or
    the newest product is `MERGE_INTERVAL` old and its campaign has grown as the application asks
    for, or there is none.
    """
    ready = session.scalars(
        select(Workunit.campaign_id)
        .where(Workunit.assimilate_state == AssimilateState.READY)
        .distinct()
        .order_by(Workunit.campaign_id)
    ).all()
    return [one for one in ready if _is_due(session, one, now)]


def harvest(session: Session, project: Project, campaign_id: int) -> Harvest | None:
    """Return what there is to merge in a campaign; None if nothing is due.

    Raises
    ------
    UnitError
        If a workunit's input files are not what they were when it was issued.
    """
    row = session.get(CampaignRow, campaign_id)
    ready = session.scalars(
        select(Workunit.id)
        .where(
            Workunit.assimilate_state == AssimilateState.READY, Workunit.campaign_id == campaign_id
        )
        .order_by(Workunit.id)
    ).all()
    if row is None or not ready:
        return None
    newest = newest_product(session, campaign_id)
    rows = _canonical_rows(session, campaign_id)
    over = row.state in (CampaignState.COMPLETE.value, CampaignState.CANCELLED.value)
    # After a campaign's end its files are deleted in time: a product must not shrink by that.
    frozen = over and newest is not None and (newest.converged or _is_lost(project, rows))
    # Before a campaign is prepared there is nothing to merge: it has no chains, and no step.
    waits = row.next_generation == 0
    return Harvest(
        campaign=from_definition(row.definition),
        ready=tuple(ready),
        outputs=() if frozen or waits else _outputs(session, project, campaign_id, rows),
        rejected=_rejected(session, campaign_id),
        frozen=frozen,
    )


def merge(found: Harvest, now: float) -> Product:
    """Merge what was harvested."""
    return application.get(found.campaign.app).merge(
        found.campaign,
        found.outputs,
        created_at=datetime.fromtimestamp(now, UTC),
        rejected=found.rejected,
    )


def record(session: Session, campaign_id: int, product: Product, now: float) -> ProductRow:
    """Add the row of a product whose files are written, unless the newest one is the same.

    A merge that was interrupted after its row was written is so found again, not counted twice.
    """
    newest = newest_product(session, campaign_id)
    digest = product.digest
    summary = product.summary()
    if newest is not None and _same(newest, digest, product.n_unit, summary):
        newest.doubted = 0  # what was withdrawn has been computed again, and came out the same
        return newest
    row = ProductRow(
        campaign_id=campaign_id,
        version=1 if newest is None else newest.version + 1,
        create_time=now,
        n_unit=product.n_unit,
        n_draw=product.n_draw,
        converged=product.sampled,
        digest=digest,
        summary=summary,
    )
    session.add(row)
    session.add(
        Event(
            time=now,
            actor="assimilator",
            kind="merged",
            campaign_id=campaign_id,
            after=f"version {row.version}",
            reason=f"{row.n_unit} outputs are merged. {product.outcome}",
            data={"version": row.version, "digest": digest, "n_draw": row.n_draw},
        )
    )
    return row


def _same(newest: ProductRow, digest: str, n_unit: int, summary: Mapping[str, Any]) -> bool:
    """Whether the newest product says the same.

    The same outputs may be less than all of a campaign that was extended. The same draws may have
    another verdict, because a second opinion on them has come, or a report, which older ones lack.
    """
    told = newest.summary
    return (newest.digest, newest.n_unit) == (digest, n_unit) and all(
        told.get(key) == summary.get(key) for key in ("missing", "verdict", REPORT)
    )


def _is_due(session: Session, campaign_id: int, now: float) -> bool:
    newest = newest_product(session, campaign_id)
    if newest is None:
        return True
    late = now - newest.create_time >= MERGE_INTERVAL
    if late and _has_grown(session, newest):
        return True
    undecided = select(Workunit.id).where(
        Workunit.campaign_id == campaign_id,
        Workunit.canonical_resultid.is_(None),
        Workunit.error_mask == ErrorMask.NONE,
    )
    return session.scalar(undecided.limit(1)) is None


def _has_grown(session: Session, newest: ProductRow) -> bool:
    """Whether there are as many canonical results as the application wants for a new product."""
    growth = _merge_growth(session, newest.campaign_id)
    if growth <= 1:
        return True
    canonical = select(func.count()).where(
        Workunit.campaign_id == newest.campaign_id, Workunit.canonical_resultid.is_not(None)
    )
    return (session.scalar(canonical) or 0) >= growth * newest.n_unit


def _merge_growth(session: Session, campaign_id: int) -> float:
    row = session.get_one(CampaignRow, campaign_id)
    name = session.scalars(select(App.name).where(App.id == row.appid)).one()
    try:
        return application.get(name).merge_growth
    except ConfigError:  # one that is not installed is reported by the merge, for its campaign only
        return 1.0


def _canonical_rows(session: Session, campaign_id: int) -> Sequence[_CanonicalRow]:
    return session.execute(
        select(Workunit, Result, AppVersion)
        .join(Result, Result.id == Workunit.canonical_resultid)
        .outerjoin(AppVersion, AppVersion.id == Result.app_version_id)
        .where(Workunit.campaign_id == campaign_id)
        .order_by(Workunit.id)
    ).all()


def is_lost(project: Project, session: Session, campaign_id: int) -> bool:
    """Whether a product of a campaign's canonical outputs cannot be made any more."""
    return _is_lost(project, _canonical_rows(session, campaign_id))


def _is_lost(project: Project, rows: Sequence[_CanonicalRow]) -> bool:
    """Whether a file that a merge would need is gone."""
    return any(
        not project.uploads.path(result.output_name).is_file()
        or not all(project.downloads.path(file.name).is_file() for file in workunit.files)
        for workunit, result, _ in rows
    )


def _outputs(
    session: Session, project: Project, campaign_id: int, rows: Sequence[_CanonicalRow]
) -> tuple[Canonical, ...]:
    agreeing = _agreeing(session, campaign_id)
    return tuple(
        Canonical(
            unit=unit_of(project, workunit)[0],
            path=project.uploads.path(result.output_name),
            workunit=workunit.name,
            app_version=0 if version is None else version.version_num,
            platform="" if version is None else version.platform,
            result=result.name,
            quorum=result.validate_reason,
            n_agreeing=agreeing.get(workunit.id, 1),
        )
        for workunit, result, version in rows
    )


def _agreeing(session: Session, campaign_id: int) -> dict[int, int]:
    rows = session.execute(
        select(Result.workunitid, func.count())
        .join(Workunit, Workunit.id == Result.workunitid)
        .where(Workunit.campaign_id == campaign_id, Result.validate_state == ValidateState.VALID)
        .group_by(Result.workunitid)
    )
    return {row[0]: row[1] for row in rows}


def _rejected(session: Session, campaign_id: int) -> tuple[Rejected, ...]:
    rows = session.execute(
        select(Workunit.name, Result, AppVersion)
        .join(Result, Result.workunitid == Workunit.id)
        .outerjoin(AppVersion, AppVersion.id == Result.app_version_id)
        .where(Workunit.campaign_id == campaign_id, Result.validate_state.in_(tuple(REJECTED)))
        .order_by(Result.id)
    ).all()
    return tuple(
        Rejected(
            workunit=name,
            result=result.name,
            verdict=REJECTED[result.validate_state],
            reason=result.validate_reason,
            app_version=0 if version is None else version.version_num,
            platform="" if version is None else version.platform,
        )
        for name, result, version in rows
    )
