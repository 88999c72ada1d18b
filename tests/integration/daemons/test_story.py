"""The story of a workunit, as the command line and the pages tell it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from boinc_project.errors import InputError
from boinc_project.lifecycle.effects import EventKind
from boinc_project.lifecycle.result_events import Resent
from boinc_project.lifecycle.workunit import Assimilated, Cancelled, ValidationDeferred
from server.models import Event
from server.services.story import _SENTENCES, sentence, story

NAME = "kepler-9_g0_u000"


def told(shop, workunit):
    with shop.project.database.read() as session:
        return story(session, workunit)


def test_whole_life_in_order(shop):
    workunit = shop.add_workunit(NAME)
    shop.settle()
    first, second = shop.send(workunit, 0), shop.send(workunit, 1)
    shop.clock.now += 60.0
    shop.on(workunit, 1, Resent(shop.clock.now, shop.clock.now + 500.0))
    shop.clock.now += 60.0
    shop.succeed(workunit, 0)
    shop.fail(workunit, 1, exit_status=10)
    shop.settle()
    third = shop.send(workunit, 2)
    shop.succeed(workunit, 2)
    shop.settle()
    shop.change(
        workunit, ValidationDeferred(shop.clock.now, shop.clock.now + 6.0, "disk full"), "validator"
    )
    shop.agree(workunit, credit=12.345)
    shop.change(workunit, Assimilated(shop.clock.now), "assimilator")

    whole = told(shop, NAME)
    assert (whole.workunit, whole.campaign, whole.state) == (NAME, "kepler-9", "CANONICAL/DONE")
    assert [line.sentence for line in whole.lines] == [
        "The workunit was issued: unit 0 in generation 0 of campaign kepler-9; 2 agreeing results "
        "are needed.",
        f"Task {NAME}_0 was created.",
        f"Task {NAME}_1 was created.",
        f"Task {NAME}_0 went to computer {first.id}, due by 2023-11-14 22:30:00 UTC.",
        f"Task {NAME}_1 went to computer {second.id}, due by 2023-11-14 22:30:00 UTC.",
        f"Computer {second.id} had lost task {NAME}_1 and got it again, due by "
        "2023-11-14 22:22:40 UTC.",
        f"Computer {first.id} finished task {NAME}_0 in 100 s of CPU time.",
        f"Computer {second.id} reported that task {NAME}_1 failed, with exit status 10 "
        "(BAD_INPUT), client state compute error.",
        f"Task {NAME}_2 was created.",
        f"Task {NAME}_2 went to computer {third.id}, due by 2023-11-14 22:32:00 UTC.",
        f"Computer {third.id} finished task {NAME}_2 in 100 s of CPU time.",
        "2 results can be compared now.",
        "The comparison was put off until 2023-11-14 22:15:26 UTC: disk full.",
        f"Task {NAME}_0 is valid and earns 12.35 cobblestones.",
        f"Task {NAME}_2 is valid and earns 12.35 cobblestones.",
        f"Task {NAME}_0 is the canonical result.",
        "The workunit was assimilated.",
    ]
    sent = whole.lines[3]
    assert (sent.actor, sent.result, sent.host) == ("scheduler", f"{NAME}_0", first.id)
    assert (sent.before, sent.after) == ("UNSENT", "IN_PROGRESS")
    assert (whole.lines[-1].before, whole.lines[-1].after) == ("CANONICAL/READY", "CANONICAL/DONE")


def test_cancelled_and_late(shop):
    workunit = shop.add_workunit(NAME)
    shop.settle()
    shop.send(workunit, 0)
    shop.change(workunit, Cancelled(shop.clock.now, "The star is binary."), "admin")
    shop.clock.now += 1e5
    shop.settle()
    shop.succeed(workunit, 0)
    shop.settle()
    sentences = [line.sentence for line in told(shop, workunit).lines]
    assert "The workunit was cancelled by the admin: The star is binary." in sentences
    assert f"Task {NAME}_1 is not needed any more." in sentences
    assert any(text.startswith(f"Task {NAME}_0 timed out on computer") for text in sentences)
    assert any(text.endswith("of CPU time, after its deadline.") for text in sentences)
    assert f"Task {NAME}_0 was not compared, because the workunit had ended." in sentences


def test_found_by_name_number_and_task(shop):
    workunit = shop.add_workunit(NAME)
    shop.settle()
    for key in (NAME, workunit, str(workunit), f"{NAME}_1"):
        assert told(shop, key).workunit == NAME


@pytest.mark.parametrize("key", ["nobody", "", "-1", "99999", "9" * 30, "²", "x'; drop"])
def test_unknown_workunit_is_named(shop, key):
    shop.add_workunit(NAME)
    with pytest.raises(InputError, match="There is no workunit"):
        told(shop, key)


def test_every_kind_of_event_has_its_sentence():
    assert set(_SENTENCES) == set(EventKind)
    for kind in EventKind:
        bare = Event(time=0.0, actor="a", kind=kind.value, reason="")
        text = sentence(bare, None)
        assert text.endswith(".")
        assert text[0].isupper()


def test_unknown_kind_is_told_by_its_states():
    event = Event(time=0.0, actor="a", kind="weighed", before="VALID", after="OPEN", reason="")
    assert sentence(event, None) == "Weighed: VALID became OPEN."
    event.reason = "Segment 3 is not reproducible."
    assert sentence(event, None) == "Segment 3 is not reproducible."


def test_command(shop):
    database = shop.project.database
    if not database.is_sqlite:
        pytest.skip("one database is enough for the command line")
    shop.add_workunit(NAME)
    shop.settle()
    root = shop.project.settings.root
    (root / "openastro.toml").write_text(
        f'[database]\nurl = "{database.engine.url}"\n', encoding="utf-8"
    )
    command = [sys.executable, "-m", "server.cli", "--project", str(root), "story"]
    done = subprocess.run([*command, NAME], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{NAME} of campaign kepler-9: OPEN"
    assert lines[2].split() == [
        "2023-11-14", "22:13:20", "UTC", "transitioner", "Task", f"{NAME}_0", "was", "created.",
    ]  # fmt: skip
    wrong = subprocess.run([*command, "nobody"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("openastro: There is no workunit 'nobody'")
