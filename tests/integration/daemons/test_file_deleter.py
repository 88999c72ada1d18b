"""Files go when nothing needs them, and not before."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from boinc_project.lifecycle.result import DELETE_RETRY
from boinc_project.lifecycle.state import NEVER
from boinc_project.lifecycle.workunit import Assimilated
from boinc_project.states import AssimilateState, FileDeleteState
from server.daemons import file_deleter
from server.daemons.items import PUT_OFF_SECONDS, PassFailed
from server.models import CampaignRow, Workunit
from server.services.inputs import guard_inputs

SHARED = {"transits.csv": b"planet,epoch,bkjd,sigma_days\n"}


def done(shop, name="wu", *, campaign="kepler-9", inputs=None):
    """Bring a workunit to its assimilation; return its id and the outputs' paths."""
    own = {"unit.json": f'{{"unit": "{name}"}}'.encode()}
    workunit = shop.add_workunit(name, campaign=campaign, inputs=own | (inputs or {}))
    shop.settle()
    outputs = shop.compute_all(workunit)
    shop.agree(workunit)
    shop.change(workunit, Assimilated(shop.clock.now), "assimilator")
    shop.settle()
    return workunit, outputs


def wait_for_deletion(shop):
    shop.clock.now += max(shop.project.settings.daemons.delete_delay, 86400.0)
    shop.settle()


def files(shop):
    """Return the names of all inputs on disk, without their digests."""
    root = shop.project.settings.path("download")
    return sorted(path.name.split("_", 1)[1] for path in root.rglob("*") if path.is_file())


def test_all_files_go_after_the_campaign_and_the_delay(shop):
    workunit, outputs = done(shop, inputs=SHARED)
    shop.end_campaign("kepler-9")
    assert shop.delete() == 0
    assert all(path.exists() for path in outputs)
    wait_for_deletion(shop)
    assert shop.delete() == 1
    assert not any(path.exists() for path in outputs)
    assert files(shop) == []
    state = shop.state(workunit)
    assert state.file_delete_state is FileDeleteState.DONE
    assert {one.file_delete_state for one in state.results} == {FileDeleteState.DONE}
    assert state.transition_time == NEVER
    assert shop.delete() == 0


def test_running_campaign_keeps_canonical_output_and_inputs(shop):
    workunit, (canonical, other) = done(shop, inputs=SHARED)
    for _ in range(3):
        wait_for_deletion(shop)
        shop.delete()
    assert canonical.exists()
    assert not other.exists()
    assert files(shop) == ["transits.csv", "unit.json"]
    shop.end_campaign("kepler-9")
    wait_for_deletion(shop)
    shop.delete()
    assert not canonical.exists()
    assert files(shop) == []
    assert shop.state(workunit).file_delete_state is FileDeleteState.DONE


def test_merge_that_is_still_to_come_keeps_the_outputs(shop):
    _, (canonical, _) = done(shop)
    shop.end_campaign("kepler-9")
    with shop.project.database.write() as session:
        session.get(CampaignRow, shop.campaigns["kepler-9"]).merge_wanted = True
    wait_for_deletion(shop)
    shop.delete()
    assert canonical.exists()


@pytest.mark.parametrize("second_is_done", [False, True])
def test_shared_input_stays_while_another_workunit_needs_it(shop, second_is_done):
    done(shop, "first", inputs=SHARED)
    shop.end_campaign("kepler-9")
    if second_is_done:
        done(shop, "second", campaign="kepler-18", inputs=SHARED)
    else:
        shop.add_workunit("second", campaign="kepler-18", inputs=SHARED | {"unit.json": b"2"})
    wait_for_deletion(shop)
    shop.delete()
    assert files(shop) == ["transits.csv", "unit.json"]
    if second_is_done:
        shop.end_campaign("kepler-18")
        wait_for_deletion(shop)
        shop.delete()
        assert files(shop) == []


def test_two_workunits_deleted_together_leave_nothing(shop):
    done(shop, "first", inputs=SHARED)
    done(shop, "second", inputs=SHARED)
    shop.end_campaign("kepler-9")
    wait_for_deletion(shop)
    assert shop.delete() == 2
    assert files(shop) == []


def test_killed_between_files_and_row(shop):
    """The files are gone, the rows not told: the next deleter finishes."""
    workunit, outputs = done(shop)
    shop.end_campaign("kepler-9")
    wait_for_deletion(shop)
    for path in outputs:
        path.unlink()
    assert shop.delete() == 1
    assert shop.state(workunit).file_delete_state is FileDeleteState.DONE


def test_file_that_cannot_be_deleted_is_tried_again(shop):
    workunit, outputs = done(shop)
    shop.end_campaign("kepler-9")
    wait_for_deletion(shop)
    canonical = outputs[0]
    canonical.unlink()
    canonical.mkdir()  # unlink fails on a directory, for root as well
    assert shop.delete() == 1
    state = shop.state(workunit)
    assert state.result(0).file_delete_state is FileDeleteState.ERROR
    assert state.result(1).file_delete_state is FileDeleteState.DONE
    told = [event for event in shop.events(workunit) if event.kind == "delete_failed"]
    assert [event.resultid for event in told] == [shop.result(workunit, 0).id]
    assert canonical.name in told[0].reason
    assert shop.delete() == 0
    canonical.rmdir()
    shop.clock.now += DELETE_RETRY
    shop.settle()
    assert shop.delete() == 1
    assert shop.state(workunit).result(0).file_delete_state is FileDeleteState.DONE


def change_row(shop, workunit, **columns):
    with shop.project.database.write() as session:
        session.execute(update(Workunit).where(Workunit.id == workunit).values(**columns))


def test_workunit_that_the_machine_refuses_is_put_off_and_tells_so(shop):
    bad, _ = done(shop, "bad")
    done(shop, "good")
    shop.end_campaign("kepler-9")
    wait_for_deletion(shop)
    change_row(shop, bad, assimilate_state=AssimilateState.READY)  # files go after assimilation
    with capture_logs() as logs, pytest.raises(PassFailed, match=r"\(1 were done\)"):
        shop.delete()
    assert [(log["event"], log["item"]) for log in logs] == [("item failed", bad)]
    state = shop.state(bad)
    marked = [state.file_delete_state, *(result.file_delete_state for result in state.results)]
    assert marked == [FileDeleteState.ERROR] * 3
    assert state.transition_time == shop.clock.now + PUT_OFF_SECONDS
    told = [event for event in shop.events(bad) if event.kind == "delete_failed"]
    ids = {shop.result(bad, instance).id for instance in (0, 1)}
    assert {event.resultid for event in told} == ids | {None}
    assert {(event.actor, event.reason) for event in told} == {
        (file_deleter.NAME, file_deleter.FAILED)
    }
    assert shop.delete() == 0
    change_row(shop, bad, assimilate_state=AssimilateState.DONE)
    shop.clock.now += PUT_OFF_SECONDS
    shop.settle()
    assert shop.delete() == 1
    assert shop.state(bad).file_delete_state is FileDeleteState.DONE


def test_workunit_that_cannot_even_be_put_off_keeps_nobody_from_their_files(shop):
    bad, _ = done(shop, "bad")
    good, _ = done(shop, "good")
    shop.end_campaign("kepler-9")
    wait_for_deletion(shop)
    change_row(shop, bad, canonical_resultid=10**6)  # no such result
    with capture_logs() as logs, pytest.raises(PassFailed):
        shop.delete()
    told = [(log["event"], log["item"]) for log in logs]
    assert told == [("item failed", bad), ("item cannot be put off", bad)]
    assert shop.state(good).file_delete_state is FileDeleteState.DONE


def test_issuing_and_deleting_exclude_each_other(shop):
    """Who holds the guard cannot lose a file that it found in place."""
    database = shop.project.database
    if database.is_sqlite:
        pytest.skip("SQLite's one writer is the guard")
    done(shop, inputs=SHARED)
    shop.end_campaign("kepler-9")
    wait_for_deletion(shop)
    began, ended = threading.Event(), threading.Event()

    def delete() -> None:
        began.set()
        shop.delete()
        ended.set()

    deleter = threading.Thread(target=delete)
    with database.write() as session:
        guard_inputs(session, database)
        deleter.start()
        began.wait()
        assert not ended.wait(0.5)
        assert files(shop) == ["transits.csv", "unit.json"]
    deleter.join()
    assert files(shop) == []
