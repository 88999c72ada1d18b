"""A campaign that is issued before it is prepared: its preparation is work like any other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from apps.ttv.plan import second_opinion
from apps.ttv.plan import units as ttv
from apps.ttv.plan.preparation import computed
from apps.ttv.population_output import write_population_output
from boinc_project.campaign import PREPARATION, SECOND_OPINION, Campaign, Progress
from boinc_project.lifecycle.workunit import Assimilated
from boinc_project.states import CampaignState, ErrorMask, ExitStatus
from server.daemons import assimilator, work_generator
from server.models import CampaignRow, ProductRow, Result, Workunit
from server.services import campaigns
from tests.integration.daemons.conftest import Shop
from tests.integration.executors.test_preparing import toy
from work_generator.definition import from_definition, to_definition


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> Campaign:
    monkeypatch.setattr(second_opinion, "MANY_POINTS", 200)
    monkeypatch.setattr(second_opinion, "POINTS_PER_PARAMETER", 50)
    monkeypatch.setattr(second_opinion, "FEW_POINTS", 200)
    return toy()


@pytest.fixture
def issued(shop: Shop, campaign: Campaign) -> list[int]:
    """Issue the campaign as it is; return its workunits, the preparation first."""
    done = campaigns.issue(shop.project, campaign, prepare=lambda given, _: given)
    assert not done.prepared
    assert done.n_unit == 2
    shop.settle()
    return workunits(shop)


def workunits(shop: Shop) -> list[int]:
    with shop.project.database.read() as session:
        return list(session.scalars(select(Workunit.id).order_by(Workunit.unit_index)))


def places(shop: Shop) -> list[tuple[int, int]]:
    with shop.project.database.read() as session:
        rows = session.execute(
            select(Workunit.generation, Workunit.unit_index).order_by(Workunit.unit_index)
        )
        return [(row[0], row[1]) for row in rows]


def row_of(shop: Shop) -> CampaignRow:
    with shop.project.database.read() as session:
        return session.scalars(select(CampaignRow)).one()


def come_back(shop: Shop, workunit: int, campaign: Campaign) -> None:
    """Have the preparation computed and judged; its output is what the app gives."""
    output = computed(campaign, ttv.preparing(campaign)[0])
    for path in shop.compute_all(workunit):
        write_population_output(path, output)
    shop.agree(workunit)


def finish(shop: Shop, ids: Sequence[int]) -> None:
    for one in ids:
        shop.change(one, Assimilated(shop.clock.now), "assimilator")


def test_preparation_and_second_opinion_are_issued_first(shop: Shop, issued: list[int]) -> None:
    assert places(shop) == [(0, PREPARATION), (0, SECOND_OPINION)]
    assert row_of(shop).next_generation == 0
    assert work_generator.one_pass(shop.project) == 0
    assert len(issued) == 2


def test_issuing_it_again_does_nothing(shop: Shop, issued: list[int], campaign: Campaign) -> None:
    again = campaigns.issue(shop.project, campaign, prepare=lambda given, _: given)
    assert again.existed
    assert workunits(shop) == issued


def test_when_it_has_come_back_the_chains_are_planned(
    shop: Shop, issued: list[int], campaign: Campaign
) -> None:
    come_back(shop, issued[0], campaign)
    assert work_generator.one_pass(shop.project) == 0  # not assimilated yet
    assert assimilator.one_pass(shop.project) == 1
    with shop.project.database.read() as session:
        assert session.scalars(select(ProductRow)).all() == []  # there is nothing to merge
    assert work_generator.one_pass(shop.project) == 1
    prepared = ttv.prepare(campaign)
    row = row_of(shop)
    assert row.definition == to_definition(prepared)
    assert row.next_generation == 1
    planned = ttv.plan(prepared, Progress())
    with shop.project.database.read() as session:
        digests = set(session.scalars(select(Workunit.unit_digest)))
    assert digests == {unit.digest for unit in (ttv.preparing(campaign)[0], *planned)}
    assert len(workunits(shop)) == len(planned) + 1
    # The second opinion is not issued twice, and nothing is planned twice.
    assert work_generator.one_pass(shop.project) == 0
    assert ttv.is_prepared(from_definition(row.definition))


def failed(shop: Shop, workunit: int, *, sentence: str) -> None:
    with shop.project.database.write() as session:
        row = session.get_one(Workunit, workunit)
        row.error_mask = ErrorMask.TOO_MANY_ERROR_RESULTS
        for result in session.scalars(select(Result).where(Result.workunitid == workunit)):
            result.exit_status = int(ExitStatus.BAD_INPUT)
            result.stderr_out = f"unit toy\nbad input: {sentence}\n"


def test_a_preparation_that_fails_ends_the_campaign_with_its_sentence(
    shop: Shop, issued: list[int]
) -> None:
    failed(shop, issued[0], sentence="None of 8 starts led to a model.\x07")
    assert work_generator.one_pass(shop.project) >= 1
    row = row_of(shop)
    assert row.state == CampaignState.COMPLETE.value
    assert row.end_reason == ("The campaign cannot be prepared: None of 8 starts led to a model.")


def test_a_preparation_without_any_result_ends_the_campaign(shop: Shop, issued: list[int]) -> None:
    with shop.project.database.write() as session:
        session.get_one(Workunit, issued[0]).error_mask = ErrorMask.TOO_MANY_TOTAL_RESULTS
    assert work_generator.one_pass(shop.project) >= 1
    assert "no computer has given a valid result" in row_of(shop).end_reason


def test_a_campaign_that_was_cancelled_meanwhile_is_not_prepared(
    shop: Shop, issued: list[int], campaign: Campaign
) -> None:
    come_back(shop, issued[0], campaign)
    finish(shop, issued[:1])
    campaigns.cancel(shop.project, campaign.name)
    work_generator.one_pass(shop.project)
    assert row_of(shop).next_generation == 0
    assert len(workunits(shop)) == 2
