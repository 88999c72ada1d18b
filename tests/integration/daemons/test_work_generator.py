from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select

from apps.ttv.merge import posterior_files
from apps.ttv.merge.product import Product
from apps.ttv.plan import units as ttv
from boinc_project.campaign import Campaign, Progress
from boinc_project.lifecycle.workunit import Assimilated
from boinc_project.states import CampaignState, ErrorMask
from boinc_project.unit import Unit
from server.daemons import work_generator
from server.models import CampaignRow, ProductRow, Workunit
from server.services import campaigns
from tests.integration.campaigns.conftest import cheap_campaign, compute
from tests.integration.daemons.conftest import Shop

__all__ = ["compute"]

Compute = Callable[[Campaign, Sequence[Unit]], Product]


@pytest.fixture
def campaign() -> Campaign:
    return cheap_campaign()


@pytest.fixture
def issued(shop: Shop, campaign: Campaign) -> list[int]:
    """Issue the campaign; return its workunits, their results made."""
    campaigns.issue(shop.project, campaign)
    shop.settle()
    return workunits(shop, 0)


def workunits(shop: Shop, generation: int) -> list[int]:
    with shop.project.database.read() as session:
        chosen = select(Workunit.id).where(Workunit.generation == generation)
        return list(session.scalars(chosen.order_by(Workunit.unit_index)))


def row_of(shop: Shop) -> CampaignRow:
    with shop.project.database.read() as session:
        return session.scalars(select(CampaignRow)).one()


def finish(shop: Shop, ids: Sequence[int]) -> None:
    """Have workunits computed, judged and assimilated."""
    for one in ids:
        shop.compute_all(one)
        shop.agree(one)
        shop.change(one, Assimilated(shop.clock.now), "assimilator")


def publish(shop: Shop, product: Product, *, sampled: bool = False) -> None:
    """Put a product's draws where the assimilator puts them, and its row (without the plots)."""
    where = shop.project.settings.path("products") / product.campaign.name
    where.mkdir(parents=True)
    posterior_files.write_hdf5(
        where / "posterior.h5",
        product.quantities,
        product.merged,
        posterior_files.common_attributes(
            product.campaign.name, product.campaign.app, product.digest, "2026-01-01"
        ),
    )
    with shop.project.database.write() as session:
        row = session.scalars(select(CampaignRow)).one()
        session.add(
            ProductRow(
                campaign_id=row.id,
                version=1,
                create_time=shop.clock.now,
                n_unit=product.n_unit,
                n_draw=product.n_draw,
                converged=sampled,
                digest=product.digest,
                summary={**product.summary(), "verdict": {"sampled": sampled}},
            )
        )


def test_open_units_are_waited_for(shop: Shop, issued: list[int]) -> None:
    assert work_generator.one_pass(shop.project) == 0
    finish(shop, issued[:1])
    assert work_generator.one_pass(shop.project) == 0
    assert row_of(shop).state == CampaignState.ACTIVE.value
    assert workunits(shop, 1) == []


def test_a_verdict_that_is_not_assimilated_is_waited_for(shop: Shop, issued: list[int]) -> None:
    finish(shop, issued[:1])
    shop.compute_all(issued[1])
    shop.agree(issued[1])
    assert work_generator.one_pass(shop.project) == 0


def test_an_outstanding_merge_is_waited_for(shop: Shop, issued: list[int]) -> None:
    finish(shop, issued)
    with shop.project.database.write() as session:
        session.scalars(select(CampaignRow)).one().merge_wanted = True
    assert work_generator.one_pass(shop.project) == 0
    assert row_of(shop).state == CampaignState.ACTIVE.value


def test_the_next_generation_learns_from_the_product_and_starts_wide(
    shop: Shop, issued: list[int], campaign: Campaign, compute: Compute
) -> None:
    product = compute(campaign, ttv.plan(campaign, Progress()))
    finish(shop, issued)
    publish(shop, product)
    assert work_generator.one_pass(shop.project) == 1
    expected = ttv.plan(campaign, Progress(issued=(2,), draws=product.draws))
    with shop.project.database.read() as session:
        rows = session.scalars(
            select(Workunit).where(Workunit.generation == 1).order_by(Workunit.unit_index)
        ).all()
        assert [row.unit_digest for row in rows] == [unit.digest for unit in expected]
    assert row_of(shop).next_generation == 2
    known = {tuple(point) for point in campaign.settings["wide"]}
    assert all(tuple(point) in known for unit in expected for point in unit.settings["start"])
    # A second pass finds the new units open.
    assert work_generator.one_pass(shop.project) == 0
    assert len(workunits(shop, 1)) == 2


def test_two_generators_at_once_add_one_generation(
    shop: Shop, issued: list[int], campaign: Campaign, compute: Compute
) -> None:
    product = compute(campaign, ttv.plan(campaign, Progress()))
    finish(shop, issued)
    publish(shop, product)
    units = ttv.plan(campaign, Progress(issued=(2,), draws=product.draws))
    campaign_id = row_of(shop).id
    # Both have planned; one after the other commits.
    added = [
        campaigns.issue_generation(shop.project, campaign_id, campaign, units, actor="one"),
        campaigns.issue_generation(shop.project, campaign_id, campaign, units, actor="two"),
    ]
    assert added == [True, False]
    assert len(workunits(shop, 1)) == 2


def test_a_product_that_is_being_replaced_is_waited_for(
    shop: Shop, issued: list[int], campaign: Campaign, compute: Compute
) -> None:
    product = compute(campaign, ttv.plan(campaign, Progress()))
    finish(shop, issued)
    publish(shop, product)
    with shop.project.database.write() as session:
        session.scalars(select(ProductRow)).one().digest = "0" * 64
    assert work_generator.one_pass(shop.project) == 0
    assert row_of(shop).state == CampaignState.ACTIVE.value


def test_a_paused_campaign_gets_nothing(
    shop: Shop, issued: list[int], campaign: Campaign, compute: Compute
) -> None:
    product = compute(campaign, ttv.plan(campaign, Progress()))
    finish(shop, issued)
    publish(shop, product)
    campaigns.pause(shop.project, "kepler-9")
    assert work_generator.one_pass(shop.project) == 0
    campaigns.resume(shop.project, "kepler-9")
    assert work_generator.one_pass(shop.project) == 1


def test_the_stop_rule_ends_a_campaign_without_hurting_those_at_work(
    shop: Shop, issued: list[int], campaign: Campaign, compute: Compute
) -> None:
    product = compute(campaign, ttv.plan(campaign, Progress()))
    begun, untouched = issued
    shop.send(begun, 0)
    publish(shop, product, sampled=True)
    assert work_generator.one_pass(shop.project) == 1
    row = row_of(shop)
    assert row.state == CampaignState.COMPLETE.value
    assert row.end_reason.startswith("The posterior is sampled: ")
    assert row.end_time is None
    assert shop.state(untouched).error_mask is ErrorMask.CANCELLED
    assert shop.state(begun).error_mask is ErrorMask.NONE
    # Who was at work gets their verdict; then the campaign is over for good.
    assert work_generator.one_pass(shop.project) == 0
    shop.succeed(begun, 0)
    shop.settle()
    shop.compute_all(begun)
    shop.agree(begun)
    shop.clock.now += 50.0
    work_generator.one_pass(shop.project)
    assert row_of(shop).end_time == shop.clock.now


def test_a_host_that_gives_up_leaves_nothing_to_wait_for(
    shop: Shop, issued: list[int], campaign: Campaign, compute: Compute
) -> None:
    product = compute(campaign, ttv.plan(campaign, Progress()))
    begun, _ = issued
    shop.send(begun, 0)
    publish(shop, product, sampled=True)
    work_generator.one_pass(shop.project)
    shop.fail(begun, 0)
    shop.settle()
    assert work_generator.one_pass(shop.project) == 1
    assert shop.state(begun).error_mask is ErrorMask.CANCELLED
    assert row_of(shop).end_time is not None


def test_a_generator_killed_after_the_end_is_finished_by_the_next(
    shop: Shop, issued: list[int]
) -> None:
    assert campaigns.complete(shop.project, row_of(shop).id, "It met the stop rule.", actor="x")
    assert work_generator.one_pass(shop.project) == 1
    assert {shop.state(one).error_mask for one in issued} == {ErrorMask.CANCELLED}
    assert row_of(shop).end_time is not None
    assert work_generator.one_pass(shop.project) == 0


def test_the_budget_ends_a_campaign(shop: Shop, campaign: Campaign, compute: Compute) -> None:
    small = replace(campaign, stop=replace(campaign.stop, max_units=2))
    campaigns.issue(shop.project, small)
    shop.settle()
    product = compute(small, ttv.plan(small, Progress()))
    finish(shop, workunits(shop, 0))
    publish(shop, product)
    assert work_generator.one_pass(shop.project) == 1
    row = row_of(shop)
    assert row.state == CampaignState.COMPLETE.value
    assert "All 2 units allowed are done and the posterior is not sampled" in row.end_reason
    assert row.end_time == shop.clock.now


def test_nothing_is_issued_on_top_of_units_that_all_failed(shop: Shop, issued: list[int]) -> None:
    for one in issued:
        for _ in range(6):
            for result in shop.state(one).results:
                if result.waiting:
                    shop.send(one, result.instance)
                    shop.fail(one, result.instance)
            shop.settle()
        assert shop.state(one).error_mask
        shop.change(one, Assimilated(shop.clock.now), "assimilator")
    assert work_generator.one_pass(shop.project) == 1
    row = row_of(shop)
    assert row.state == CampaignState.COMPLETE.value
    assert "None of the 2 units issued" in row.end_reason
