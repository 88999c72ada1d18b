from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from apps.ttv.plan import units as ttv
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import ConfigError, InputError, StateError
from boinc_project.lifecycle.state import new_workunit
from boinc_project.states import CampaignState, ErrorMask, Outcome, ServerState
from boinc_project.unit import open_unit
from server.db import Database
from server.models import App, AppVersion, CampaignRow, Event, Result, Workunit
from server.services import campaign_issue, campaigns
from server.services.workunit_view import WorkunitState
from tests.integration.daemons.conftest import Shop


def row_of(shop: Shop, name: str = "kepler-9") -> CampaignRow:
    with shop.project.database.read() as session:
        return session.scalars(select(CampaignRow).where(CampaignRow.name == name)).one()


def count(shop: Shop, table: type) -> int:
    with shop.project.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def workunit_ids(shop: Shop) -> list[int]:
    with shop.project.database.read() as session:
        return list(session.scalars(select(Workunit.id).order_by(Workunit.id)))


@pytest.mark.parametrize(
    "limits",
    [{"min_quorum": 3}, {"max_total_results": 1}, {"max_success_results": 1}, {"delay_bound": 0.0}],
)
def test_limits_that_no_workunit_could_end_well_under_are_not_issued(
    shop: Shop, campaign: Campaign, limits: dict[str, float]
) -> None:
    """A campaign file cannot say so; one that a program makes can."""
    impossible = replace(campaign, quorum=replace(campaign.quorum, **limits))
    with pytest.raises(StateError, match="These limits cannot work"):
        campaigns.issue(shop.project, impossible)
    assert count(shop, CampaignRow) == count(shop, Workunit) == 0
    assert campaigns.issue(shop.project, campaign).n_unit == 2


def test_a_workunit_is_issued_as_the_machine_makes_it(shop: Shop, campaign: Campaign) -> None:
    quorum = replace(campaign.quorum, min_quorum=2, target_nresults=3, max_error_results=5)
    campaigns.issue(shop.project, replace(campaign, quorum=quorum))
    expected = new_workunit(replace(quorum, full_quorum=2), shop.clock.now)
    for workunit in workunit_ids(shop):
        assert shop.state(workunit) == expected


def test_issue_makes_rows_and_the_files_they_name(shop: Shop, campaign: Campaign) -> None:
    done = campaigns.issue(shop.project, campaign)
    assert (done.n_unit, done.existed) == (2, False)
    planned = ttv.plan(campaign, Progress())
    with shop.project.database.read() as session:
        for unit in planned:
            row = session.scalars(select(Workunit).where(Workunit.name == unit.name)).one()
            assert (row.generation, row.unit_index) == (0, unit.index)
            assert row.unit_digest == unit.digest
            assert row.transition_time == shop.clock.now
            assert row.min_quorum == row.target_nresults == 2
            assert row.delay_bound == 7 * 86400.0
            assert row.rsc_fpops_bound > 10 * row.rsc_fpops_est > 0
            assert row.max_nbytes > 20 * 8 * (10 + 1) * 8
            paths = {}
            assert [file.open_name for file in row.files] == ["unit.json", "transits.csv"]
            for file in row.files:
                path = shop.project.downloads.path(file.name)
                data = path.read_bytes()
                assert file.name.rpartition("_")[2][:16] == hashlib.sha256(data).hexdigest()[:16]
                assert (file.nbytes, file.md5) == (len(data), hashlib.md5(data).hexdigest())
                assert file.sha256 == hashlib.sha256(data).hexdigest()
                paths[file.open_name] = path
            assert open_unit(paths) == unit  # as the app does
    assert row_of(shop).next_generation == 1
    assert campaigns.definition(shop.project.database, "kepler-9") == campaign


def test_units_of_a_campaign_share_their_table(shop: Shop, campaign: Campaign) -> None:
    campaigns.issue(shop.project, campaign)
    root = shop.project.settings.path("download")
    names = [path.name for path in root.rglob("*") if path.is_file()]
    assert len([name for name in names if name.startswith("transits_")]) == 1
    assert len([name for name in names if name.startswith("unit_")]) == 2


def test_the_transitioner_goes_on_from_there(shop: Shop, campaign: Campaign) -> None:
    campaigns.issue(shop.project, campaign)
    shop.settle()
    assert count(shop, Result) == 4


def test_issuing_again_does_nothing(shop: Shop, campaign: Campaign) -> None:
    campaigns.issue(shop.project, campaign)
    shop.clock.now += 100.0
    again = campaigns.issue(shop.project, campaign)
    assert (again.n_unit, again.existed) == (2, True)
    assert (count(shop, CampaignRow), count(shop, Workunit)) == (1, 2)
    events = count(shop, Event)
    campaigns.issue(shop.project, campaign)
    assert count(shop, Event) == events


@pytest.mark.parametrize("what", ["source", "inputs"])
def test_another_campaign_of_the_same_name_is_refused(
    shop: Shop, campaign: Campaign, what: str
) -> None:
    campaigns.issue(shop.project, campaign)
    if what == "source":
        other = replace(campaign, source=campaign.source + "# changed\n")
    else:
        data = campaign.inputs["transits.csv"] + b"# changed\n"
        other = replace(campaign, inputs={"transits.csv": data})
    with pytest.raises(InputError, match="another campaign named kepler-9"):
        campaigns.issue(shop.project, other)
    assert count(shop, Workunit) == 2


def test_without_its_app_nothing_is_issued(
    database: Database, shop: Shop, campaign: Campaign
) -> None:
    with database.write() as session:
        session.delete(session.scalars(select(AppVersion)).one())
        session.flush()
        session.delete(session.scalars(select(App)).one())
    with pytest.raises(ConfigError, match="openastro app publish"):
        campaigns.issue(shop.project, campaign)
    assert count(shop, CampaignRow) == 0
    assert not any(shop.project.settings.path("download").rglob("unit_*"))


def test_an_interrupted_issue_leaves_no_rows_and_is_repeated(
    shop: Shop, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(campaign_issue, "_file_rows", killed)  # in the middle of the transaction
        with pytest.raises(KeyboardInterrupt):
            campaigns.issue(shop.project, campaign)
    assert (count(shop, CampaignRow), count(shop, Workunit), count(shop, Event)) == (0, 0, 0)
    assert campaigns.issue(shop.project, campaign).existed is False
    assert count(shop, Workunit) == 2


def test_two_who_issue_at_once_issue_once(
    shop: Shop, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = campaign_issue.stage

    def slow(*arguments: object) -> object:
        monkeypatch.setattr(campaign_issue, "stage", real)
        campaigns.issue(shop.project, campaign)  # somebody is faster
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(campaign_issue, "stage", slow)
    assert campaigns.issue(shop.project, campaign).existed is True
    assert (count(shop, CampaignRow), count(shop, Workunit)) == (1, 2)


def test_pause_and_resume(shop: Shop, campaign: Campaign) -> None:
    campaigns.issue(shop.project, campaign)
    campaigns.pause(shop.project, "kepler-9")
    assert row_of(shop).state == CampaignState.PAUSED.value
    campaigns.pause(shop.project, "kepler-9")
    campaigns.resume(shop.project, "kepler-9")
    assert row_of(shop).state == CampaignState.ACTIVE.value
    with shop.project.database.read() as session:
        story = session.execute(
            select(Event.before, Event.after, Event.actor).where(Event.kind == "campaign_state")
        ).all()
    assert [tuple(one) for one in story] == [
        ("active", "paused", "admin"),
        ("paused", "active", "admin"),
    ]


def test_cancel_withdraws_everything_open(shop: Shop, campaign: Campaign) -> None:
    campaigns.issue(shop.project, campaign)
    shop.settle()
    first, second = workunit_ids(shop)
    shop.send(first, 0)
    assert campaigns.cancel(shop.project, "kepler-9", "The table is wrong.") == 2
    row = row_of(shop)
    assert row.state == CampaignState.CANCELLED.value
    assert row.end_reason == "The table is wrong."
    assert row.end_time == shop.clock.now
    with shop.project.database.read() as session:
        story = select(Event.kind).where(Event.campaign_id == row.id, Event.workunitid.is_(None))
        kinds = session.scalars(story.order_by(Event.id)).all()
    assert kinds == ["generation_issued", "campaign_state", "campaign_swept"]
    for one in (first, second):
        assert shop.state(one).error_mask is ErrorMask.CANCELLED
    assert shop.state(first).result(0).server_state is ServerState.IN_PROGRESS
    assert shop.state(first).result(1).outcome is Outcome.DIDNT_NEED
    assert {one.outcome for one in shop.state(second).results} == {Outcome.DIDNT_NEED}
    assert campaigns.cancel(shop.project, "kepler-9") == 0


def test_cancel_keeps_what_is_known(shop: Shop, campaign: Campaign) -> None:
    campaigns.issue(shop.project, campaign)
    shop.settle()
    first, _ = workunit_ids(shop)
    shop.compute_all(first)
    shop.agree(first)
    assert campaigns.cancel(shop.project, "kepler-9") == 1
    assert shop.state(first).error_mask is ErrorMask.NONE


@pytest.mark.parametrize("action", [campaigns.pause, campaigns.resume])
def test_what_has_ended_stays_so(shop: Shop, campaign: Campaign, action) -> None:
    campaigns.issue(shop.project, campaign)
    campaigns.cancel(shop.project, "kepler-9")
    with pytest.raises(StateError, match="kepler-9 is cancelled; only one that is"):
        action(shop.project, "kepler-9")
    assert row_of(shop).state == CampaignState.CANCELLED.value


@pytest.mark.parametrize(
    "action", [campaigns.pause, campaigns.resume, campaigns.cancel, campaigns.status]
)
def test_an_unknown_campaign_is_named(shop: Shop, action) -> None:
    with pytest.raises(InputError, match="There is no campaign nowhere"):
        action(shop.project, "nowhere")


def test_status_counts_workunits_credit_and_computers(shop: Shop, campaign: Campaign) -> None:
    campaigns.issue(shop.project, campaign)
    shop.settle()
    first, _ = workunit_ids(shop)
    shop.compute_all(first)
    shop.agree(first, credit=12.5)
    found = campaigns.status(shop.project, "kepler-9")
    counts = found.view.summary.progress.counts
    assert counts[WorkunitState.MERGING] == 1
    assert counts[WorkunitState.WAITING] == 1
    assert found.credit == 25.0
    assert found.computers == 2
    assert found.summary is None
