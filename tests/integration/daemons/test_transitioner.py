"""The transitioner on real databases: it acts when due, once, alone or in company."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from boinc_project.lifecycle.decision import ValidationDone
from boinc_project.lifecycle.result_events import Detached, GivenUp
from boinc_project.lifecycle.workunit import Assimilated, Cancelled
from boinc_project.states import (
    AssimilateState,
    ErrorMask,
    Outcome,
    ServerState,
    ValidateState,
)
from server.daemons import transitioner
from server.daemons.items import PUT_OFF_SECONDS, PassFailed
from server.models import Host, HostAppVersion, Result, User, Workunit
from server.services import lifecycle, row_effects


def test_results_are_created_once(shop):
    workunit = shop.add_workunit("kepler-9_g0_u000", target_nresults=3)
    assert transitioner.one_pass(shop.project) == 1
    assert transitioner.one_pass(shop.project) == 0
    assert not transitioner.look(shop.project, workunit)  # another was here since it was found
    with shop.project.database.read() as session:
        rows = session.scalars(select(Result).order_by(Result.instance)).all()
    assert [row.name for row in rows] == [f"kepler-9_g0_u000_{k}" for k in range(3)]
    assert {row.server_state for row in rows} == {ServerState.UNSENT}
    assert len({row.output_name for row in rows}) == 3
    assert [event.kind for event in shop.events(workunit)] == ["created"] * 3
    assert {event.actor for event in shop.events(workunit)} == {"transitioner"}


def test_names_of_outputs_cannot_be_guessed(shop):
    shop.add_workunit("a")
    shop.add_workunit("b")
    shop.settle()
    with shop.project.database.read() as session:
        names = session.scalars(select(Result.output_name)).all()
    tokens = {name.rsplit("_r", 1)[1] for name in names}
    assert len(tokens) == 4
    assert all(len(token) >= 16 for token in tokens)


def test_nothing_is_done_before_its_time(shop):
    shop.add_workunit()
    shop.clock.now -= 0.5
    assert transitioner.one_pass(shop.project) == 0
    shop.clock.now += 0.5
    assert transitioner.one_pass(shop.project) == 1


def test_time_out_after_the_grace_period_replaces_a_result(shop):
    workunit = shop.add_workunit()
    shop.settle()
    shop.send(workunit, 0)
    grace = shop.project.settings.scheduler.report_grace_period
    due = shop.clock.now + 1000.0 + grace
    shop.clock.now = due - 1.0
    shop.settle()
    assert shop.result(workunit, 0).server_state is ServerState.IN_PROGRESS
    shop.clock.now = due
    shop.settle()
    assert shop.result(workunit, 0).outcome is Outcome.NO_REPLY
    replacement = shop.result(workunit, 2)
    assert replacement.server_state is ServerState.UNSENT
    assert replacement.priority == shop.result(workunit, 1).priority + row_effects.RETRY_PRIORITY


def test_quorum_to_credit(shop):
    workunit = shop.add_workunit()
    shop.settle()
    hosts = [shop.send(workunit, instance) for instance in (0, 1)]
    shop.clock.now += 3600.0
    for instance in (0, 1):
        shop.succeed(workunit, instance)
    shop.settle()
    assert shop.state(workunit).need_validate
    shop.agree(workunit, credit=42.0)
    state = shop.state(workunit)
    assert state.canonical == 0
    assert state.assimilate_state is AssimilateState.READY
    with shop.project.database.read() as session:
        row = session.get(Workunit, workunit)
        assert row.canonical_resultid == shop.result(workunit, 0).id
        assert row.canonical_credit == 42.0
        for host in hosts:
            for account in (session.get(Host, host.id), session.get(User, host.userid)):
                assert account.total_credit == 42.0
                assert account.expavg_credit == pytest.approx(42.0 * 24)
        records = session.scalars(select(HostAppVersion)).all()
        assert {(one.n_valid, one.consecutive_valid) for one in records} == {(1, 1)}
        assert {one.turnaround_mean for one in records} == {3600.0}
    assert shop.result(workunit, 1).validate_state is ValidateState.VALID
    assert shop.result(workunit, 1).cpu_time == 100.0


def test_repeated_decision_grants_nothing_more(shop):
    workunit = shop.add_workunit()
    shop.settle()
    shop.compute_all(workunit)
    shop.agree(workunit)
    again = ValidationDone(
        shop.clock.now, {0: ValidateState.VALID, 1: ValidateState.VALID}, 0, 50.0
    )
    assert not shop.change(workunit, again)
    with shop.project.database.read() as session:
        assert set(session.scalars(select(User.total_credit))) == {50.0}


def test_errors_end_the_workunit(shop):
    workunit = shop.add_workunit(max_error_results=0)
    shop.settle()
    shop.send(workunit, 0)
    shop.fail(workunit, 0)
    shop.settle()
    state = shop.state(workunit)
    assert state.error_mask == ErrorMask.TOO_MANY_ERROR_RESULTS
    assert shop.result(workunit, 1).outcome is Outcome.DIDNT_NEED
    with shop.project.database.read() as session:
        record = session.scalars(select(HostAppVersion)).one()
        assert record.n_error == 1
        assert record.max_jobs_per_day == shop.project.settings.scheduler.daily_result_quota - 1


def test_result_that_is_lost_or_left_is_replaced(shop):
    workunit = shop.add_workunit()
    shop.settle()
    for instance, event in ((0, GivenUp), (1, Detached)):
        shop.send(workunit, instance)
        shop.on(workunit, instance, event(shop.clock.now))
    grace = shop.project.settings.scheduler.report_grace_period
    shop.clock.now += grace
    shop.settle()
    outcomes = [one.outcome for one in shop.state(workunit).results]
    assert outcomes == [Outcome.NO_REPLY, Outcome.CLIENT_DETACHED, Outcome.INIT, Outcome.INIT]


def test_one_bad_workunit_does_not_stop_the_rest(shop):
    bad = shop.add_workunit("bad")
    shop.settle()
    with shop.project.database.write() as session:
        # Nothing that the machine would ever write.
        session.execute(
            update(Workunit)
            .where(Workunit.id == bad)
            .values(assimilate_state=AssimilateState.DONE, transition_time=shop.clock.now - 10.0)
        )
    good = shop.add_workunit("good")
    with capture_logs() as logs, pytest.raises(PassFailed, match=r"1 of the transitioner's items"):
        transitioner.one_pass(shop.project)
    assert len(shop.state(good).results) == 2
    assert [(log["event"], log["item"]) for log in logs] == [("item failed", bad)]
    assert transitioner.one_pass(shop.project) == 0
    shop.clock.now += PUT_OFF_SECONDS
    with capture_logs(), pytest.raises(PassFailed):
        transitioner.one_pass(shop.project)


def test_failed_step_leaves_no_trace(shop, monkeypatch):
    workunit = shop.add_workunit()

    def break_down(*arguments, **values):
        raise RuntimeError("the machine lost power here")

    with monkeypatch.context() as patch, capture_logs():
        patch.setattr(row_effects, "story_row", break_down)
        with pytest.raises(PassFailed):
            transitioner.one_pass(shop.project)
    assert shop.state(workunit).results == ()
    assert shop.events(workunit) == []
    shop.clock.now += PUT_OFF_SECONDS
    shop.settle()
    assert len(shop.state(workunit).results) == 2


def test_two_transitioners_at_once(shop):
    """The second skips what the first holds (PostgreSQL), or finds it done."""
    if shop.project.database.is_sqlite:
        pytest.skip("SQLite has one writer: the second waits, see test_results_are_created_once")
    first, second = shop.add_workunit("first"), shop.add_workunit("second")
    database = shop.project.database
    with database.write() as session:
        assert lifecycle.load(session, database, first) is not None
        assert transitioner.one_pass(shop.project) == 1
    assert len(shop.state(first).results) == 0
    assert len(shop.state(second).results) == 2
    assert transitioner.one_pass(shop.project) == 1
    assert len(shop.state(first).results) == 2


def test_report_in_another_transaction_is_not_overwritten(shop):
    """A result that the scheduler is just changing is waited for, not timed out."""
    if shop.project.database.is_sqlite:
        pytest.skip("SQLite has one writer")
    workunit = shop.add_workunit()
    shop.settle()
    shop.send(workunit, 0)
    shop.clock.now += 1e5
    with shop.project.database.write() as session:
        session.execute(
            update(Result)
            .where(Result.workunitid == workunit, Result.instance == 0)
            .values(server_state=ServerState.OVER, outcome=Outcome.SUCCESS)
        )
        assert transitioner.one_pass(shop.project) == 0
    transitioner.one_pass(shop.project)
    assert shop.result(workunit, 0).outcome is Outcome.SUCCESS


def test_cancelled_workunit_is_over_when_its_hosts_are(shop):
    workunit = shop.add_workunit()
    shop.settle()
    shop.send(workunit, 0)
    assert shop.change(workunit, Cancelled(shop.clock.now, "The data were wrong."), "admin")
    assert not shop.change(workunit, Cancelled(shop.clock.now), "admin")
    assert shop.change(workunit, Assimilated(shop.clock.now), "assimilator")
    shop.succeed(workunit, 0)
    shop.settle()
    assert shop.result(workunit, 0).validate_state is ValidateState.NO_CHECK


def test_batch_limits_a_pass(shop):
    for index in range(3):
        shop.add_workunit(f"wu{index}")
    shop.project.settings = shop.project.settings.model_copy(
        update={"daemons": shop.project.settings.daemons.model_copy(update={"batch": 2})}
    )
    assert transitioner.one_pass(shop.project) == 2
    assert transitioner.one_pass(shop.project) == 1
