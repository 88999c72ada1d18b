"""The work generator: tops running campaigns up, and ends them by their stop rule.

A campaign that was issued without a preparation is prepared from the output of its first workunit.
Of one that is prepared it looks at the newest product, asks `work_generator.stop.decide`, and
issues the next generation or completes the campaign. It also finishes the clearing up after a
campaign's end, however that was interrupted, and watches over campaigns: one that fails on most
computers is stopped. Two of them at once do no harm: a generation is added in one transaction that
first checks that it is the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from boinc_project import application
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import InputError
from boinc_project.states import AssimilateState, CampaignState, ErrorMask
from server.daemons.items import run_each
from server.models import CampaignRow, Workunit
from server.project import Project
from server.services.campaign_prepare import Preparation, find_preparation, prepare_from
from server.services.campaigns import complete, issue_generation, sweep
from server.services.draws import read_draws
from server.services.newest_product import newest_product
from server.services.watching import watch
from work_generator.definition import from_definition
from work_generator.stop import Complete, TopUp, decide, generation_sizes

NAME = "work_generator"


@dataclass(frozen=True, slots=True)
class _Situation:
    """What the database says of a running campaign.

    Attributes
    ----------
    campaign : Campaign
        Its definition.
    definition : bytes
        The same, as it was read.
    issued : tuple[int, ...]
        Units in each generation so far.
    waiting : bool
        Whether the newest generation, or its merging, is not through.
    sampled : bool
        Whether the newest product meets the stop rule, and nothing of it was withdrawn.
    digest : str
        Of its draws; empty if there are none.
    merged : int
        Outputs in the newest product.
    """

    campaign: Campaign
    definition: bytes
    issued: tuple[int, ...]
    waiting: bool
    sampled: bool
    digest: str
    merged: int


def one_pass(project: Project) -> int:
    """Look at every campaign that runs or is ending; return how many were changed."""
    running = select(CampaignRow.id).where(CampaignRow.state == CampaignState.ACTIVE.value)
    ended = (CampaignState.COMPLETE.value, CampaignState.CANCELLED.value)
    ending = select(CampaignRow.id).where(
        CampaignRow.end_time.is_(None), CampaignRow.state.in_(ended)
    )
    stopped = watch(project, actor=NAME)
    with project.database.read() as session:
        to_look_at = session.scalars(running.order_by(CampaignRow.id)).all()
        to_sweep = session.scalars(ending.order_by(CampaignRow.id)).all()
    swept = run_each(
        NAME, to_sweep, lambda one: sweep(project, one, actor=NAME) > 0, lambda *_: None
    )
    # A campaign that fails has no time of its own to be put off to; the loop's back-off serves.
    return (
        stopped
        + swept
        + run_each(NAME, to_look_at, lambda one: look(project, one), lambda *_: None)
    )


def look(project: Project, campaign_id: int) -> bool:
    """Decide what one campaign needs, and do it; return whether anything was done."""
    with project.database.read() as session:
        preparation = _preparation(project, session, campaign_id)
        situation = None if preparation is not None else _situation(session, campaign_id)
    if preparation is not None:
        return _prepare(project, campaign_id, preparation)
    if situation is None:
        return False
    campaign = situation.campaign
    progress = Progress(
        issued=situation.issued,
        open_units=int(situation.waiting),
        sampled=situation.sampled,
        draws=() if situation.digest else None,
        merged=situation.merged,
    )
    decision = decide(progress, campaign.stop, campaign.units_per_generation)
    if isinstance(decision, Complete):
        return _complete(project, campaign_id, situation, decision.text)
    if isinstance(decision, TopUp):
        return _top_up(project, campaign_id, situation)
    return False


def _preparation(project: Project, session: Session, campaign_id: int) -> Preparation | None:
    row = session.get(CampaignRow, campaign_id)
    if row is None or row.state != CampaignState.ACTIVE.value:
        return None
    return find_preparation(project, session, row)


def _prepare(project: Project, campaign_id: int, preparation: Preparation) -> bool:
    """Prepare a campaign when its preparation has come back; end it if that cannot be."""
    issued, failed = False, preparation.failed
    if not failed and preparation.output is not None:
        issued, failed = prepare_from(project, campaign_id, preparation, actor=NAME)
    if not failed:
        return issued
    reason = f"The campaign cannot be prepared: {failed}"
    done = complete(project, campaign_id, reason, actor=NAME, definition=preparation.definition)
    sweep(project, campaign_id, actor=NAME)
    return done


def _situation(session: Session, campaign_id: int) -> _Situation | None:
    row = session.get(CampaignRow, campaign_id)
    if row is None or row.state != CampaignState.ACTIVE.value:
        return None
    product = newest_product(session, campaign_id)
    # A product with withdrawn outputs is no ground to end on: they are computed again.
    sampled = product is not None and product.converged and not product.doubted
    waiting = row.merge_wanted or _is_open(session, row)
    if waiting and not sampled:
        return None  # the usual case: nothing needs to be read for it
    campaign = from_definition(row.definition)
    return _Situation(
        campaign=campaign,
        definition=row.definition,
        issued=generation_sizes(campaign.stop, campaign.units_per_generation, row.next_generation),
        waiting=waiting,
        sampled=sampled,
        digest=product.digest if product is not None and product.n_draw else "",
        merged=0 if product is None else product.n_unit,
    )


def _is_open(session: Session, row: CampaignRow) -> bool:
    """Whether a unit of the newest generation has no verdict, or is not assimilated.

    Earlier generations were through before it was issued.
    """
    undecided = Workunit.canonical_resultid.is_(None) & (Workunit.error_mask == ErrorMask.NONE)
    unmerged = Workunit.assimilate_state != AssimilateState.DONE
    newest = select(Workunit.id).where(
        Workunit.campaign_id == row.id,
        Workunit.generation == row.next_generation - 1,
        or_(undecided, unmerged),
    )
    return session.scalar(newest.limit(1)) is not None


def _top_up(project: Project, campaign_id: int, found: _Situation) -> bool:
    campaign, draws = found.campaign, None
    if found.digest:
        directory = project.settings.path("products") / campaign.name
        draws = read_draws(directory, digest=found.digest)
    full = Progress(issued=found.issued, draws=draws, merged=found.merged)
    try:
        units = application.get(campaign.app).plan(campaign, full)
    except InputError as error:
        # No later pass would find other draws: better an end with its reason than silence.
        reason = f"No further generation can be planned: {error.message}"
        return _complete(project, campaign_id, found, reason)
    return issue_generation(project, campaign_id, campaign, units, actor=NAME)


def _complete(project: Project, campaign_id: int, found: _Situation, reason: str) -> bool:
    done = complete(project, campaign_id, reason, actor=NAME, definition=found.definition)
    sweep(project, campaign_id, actor=NAME)
    return done
