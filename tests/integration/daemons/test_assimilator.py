"""The assimilator daemon: from canonical results to product files and rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from apps.ttv.merge.product import Product
from boinc_project.states import AssimilateState, CampaignState
from server.daemons import assimilator
from server.daemons.items import PassFailed
from server.models import CampaignRow, ProductRow, Workunit
from server.services import products
from server.services.draws import read_draws
from server.services.products import MERGE_INTERVAL
from tests.factories import product_verdict, sampled_verdict
from tests.integration.daemons.conftest import Shop
from tests.integration.daemons.ttv_shop import CAMPAIGN, TtvShop
from tests.unit.apps.ttv.validate import ttv_case


@pytest.fixture
def work(shop: Shop) -> TtvShop:
    return TtvShop(shop)


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots are tested with the product; here they would only take time."""
    monkeypatch.setattr(Product, "_write_plots", lambda self, directory: None)


def test_ready_workunits_become_one_product(work: TtvShop) -> None:
    workunits = [work.finish(index) for index in range(2)]
    work.shop.clock.now += 5.0
    assert work.assimilate() == 1
    (row,) = work.products()
    assert (row.version, row.n_unit, row.converged) == (1, 2, False)
    assert row.n_draw > 0
    summary = json.loads((work.product / "summary.json").read_text())
    assert summary == row.summary
    assert summary["digest"] == row.digest
    draws = read_draws(work.product, digest=row.digest)
    assert draws.shape == (row.n_draw, 5)
    for workunit in workunits:
        state = work.shop.state(workunit)
        assert state.assimilate_state is AssimilateState.DONE
        assert state.assimilate_time == work.shop.clock.now
    (event,) = work.campaign_events("merged")
    assert event.after == "version 1"
    assert "2 outputs are merged" in event.reason
    assert work.assimilate() == 0


def test_what_comes_later_is_merged_with_what_was_there(work: TtvShop) -> None:
    work.finish(0)
    work.assimilate()
    work.finish(1)
    work.assimilate()
    assert [(row.version, row.n_unit) for row in work.products()] == [(1, 1), (2, 2)]


def test_the_order_of_arrival_does_not_matter(work: TtvShop) -> None:
    for index in (1, 0):
        work.finish(index)
        work.assimilate()
    found = json.loads((work.product / "provenance.json").read_text())["units"]
    assert [one["name"] for one in found] == ["toy_g0_u000", "toy_g0_u001"]
    (_, newest) = work.products()
    assert [one["index"] for one in newest.summary["sub_chains"]] == [0, 1]


def test_while_more_is_coming_merges_keep_their_distance(work: TtvShop) -> None:
    work.finish(0)
    assert work.assimilate() == 1
    work.add(2)  # undecided for the rest of this test
    late = work.finish(1)
    assert work.assimilate() == 0
    assert work.shop.state(late).assimilate_state is AssimilateState.READY
    work.shop.clock.now += MERGE_INTERVAL
    assert work.assimilate() == 1
    assert [row.n_unit for row in work.products()] == [1, 2]


@pytest.mark.parametrize("where", ["record", "apply"])
def test_killed_before_the_commit_it_does_the_same_again(
    work: TtvShop, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    workunit = work.finish(0)

    def killed(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    module = products if where == "record" else assimilator
    with monkeypatch.context() as patched:
        patched.setattr(module, where, killed)
        with pytest.raises(KeyboardInterrupt):
            work.assimilate()
    before = json.loads((work.product / "summary.json").read_text())["digest"]
    assert work.products() == []
    assert work.shop.state(workunit).assimilate_state is AssimilateState.READY
    assert work.assimilate() == 1
    (row,) = work.products()
    assert row.digest == before
    assert work.shop.state(workunit).assimilate_state is AssimilateState.DONE


def test_the_same_draws_with_another_verdict_are_another_version(
    work: TtvShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Product.summary
    for index, verdict in enumerate((product_verdict(), sampled_verdict(), sampled_verdict())):
        monkeypatch.setattr(
            Product, "summary", lambda self, told=verdict: plain(self) | {"verdict": told}
        )
        sampled = property(lambda _, told=verdict: bool(told["sampled"]))
        monkeypatch.setattr(Product, "sampled", sampled)
        if index == 0:
            work.finish(0)
            work.assimilate()
            continue
        with work.shop.project.database.write() as session:
            campaign = session.scalars(select(CampaignRow)).one()
            due = session.scalars(select(Workunit)).first()
            assert due is not None
            due.assimilate_state = AssimilateState.READY
            campaign.merge_wanted = True
        work.shop.clock.now += MERGE_INTERVAL
        work.assimilate()
    first, second = work.products()
    assert first.digest == second.digest
    assert (first.converged, second.converged) == (False, True)
    assert second.summary["verdict"] == sampled_verdict()


def test_killed_while_writing_it_leaves_the_newest_product(
    work: TtvShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.finish(0)
    work.assimilate()
    work.finish(1)

    def killed(self: Product, directory: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Product, "_write_plots", killed)
        with pytest.raises(KeyboardInterrupt):
            work.assimilate()
    (row,) = work.products()
    read_draws(work.product, digest=row.digest)  # still of version 1
    assert work.assimilate() == 1
    assert len(work.products()) == 2


def test_a_workunit_that_failed_is_settled_without_a_product(work: TtvShop) -> None:
    workunit = work.add(0, max_error_results=0, max_total_results=2)
    for instance in range(2):
        work.shop.send(workunit, instance)
        work.shop.fail(workunit, instance)
    work.shop.settle()
    state = work.shop.state(workunit)
    assert state.error_mask
    assert state.assimilate_state is AssimilateState.READY
    assert work.assimilate() == 1
    assert work.shop.state(workunit).assimilate_state is AssimilateState.DONE
    assert work.products() == []
    assert not work.product.exists()


def test_rejected_results_are_in_the_provenance(work: TtvShop) -> None:
    case = ttv_case.case()
    workunit = work.add(target_nresults=3)
    work.report(workunit, case.changed(log_prob=case.output.log_prob + 1))
    for _ in range(2):
        work.report(workunit, case.output)
    work.validate()
    work.assimilate()
    found = json.loads((work.product / "provenance.json").read_text())
    (rejected,) = found["rejected"]
    assert rejected["result"] == "toy_g0_u000_0"
    assert rejected["verdict"] == "invalid"
    assert rejected["platform"] == "any-linux"
    (unit,) = found["units"]
    assert (unit["result"], unit["n_agreeing"]) == ("toy_g0_u000_1", 2)
    assert unit["sent_app_version"] == 100


def test_a_sampled_product_of_a_complete_campaign_stays_as_it_is(work: TtvShop) -> None:
    work.finish(0)
    work.assimilate()
    late = work.finish(1)
    with work.shop.project.database.write() as session:
        row = session.get_one(ProductRow, 1)
        row.converged = True
        session.get_one(CampaignRow, 1).state = CampaignState.COMPLETE.value
    assert work.assimilate() == 1
    assert len(work.products()) == 1
    assert work.shop.state(late).assimilate_state is AssimilateState.DONE


def test_a_product_does_not_shrink_when_files_are_deleted_after_the_end(work: TtvShop) -> None:
    first = work.finish(0)
    work.assimilate()
    late = work.finish(1)
    work.shop.end_campaign(CAMPAIGN)
    result = work.shop.result(first, 0)
    work.shop.project.uploads.remove(result.output_name)
    assert work.assimilate() == 1
    assert len(work.products()) == 1
    assert work.shop.state(late).assimilate_state is AssimilateState.DONE


def test_while_the_campaign_runs_a_lost_output_is_an_error_not_a_smaller_product(
    work: TtvShop,
) -> None:
    first = work.finish(0)
    work.assimilate()
    late = work.finish(1)
    work.shop.project.uploads.remove(work.shop.result(first, 0).output_name)
    with pytest.raises(PassFailed, match="cannot be opened"):
        work.assimilate()
    assert len(work.products()) == 1
    assert work.shop.state(late).assimilate_state is AssimilateState.READY
