"""The runtime at its channels, with a time that only moves when told."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apps.runtime import AbortRequested, QuitRequested, Runtime, open_runtime
from apps.runtime.channels import ChannelName, Channels
from apps.runtime.status import Status, parse_status

if TYPE_CHECKING:
    from tests.unit.apps.runtime.conftest import FakeTime

Ask = Callable[[str], None]


def status_of(client: Channels) -> Status:
    text = client.receive(ChannelName.APP_STATUS)
    assert text is not None
    return parse_status(text)


def test_poll_is_quiet_when_nothing_is_asked(runtime: Runtime, fake_time: FakeTime) -> None:
    for _ in range(100):
        fake_time.now += 0.05
        runtime.poll()
    assert fake_time.slept == 0.0


def test_suspend_stands_still_until_resume(
    runtime: Runtime, fake_time: FakeTime, ask: Ask, client: Channels
) -> None:
    runtime.poll()
    ask("<suspend/>")
    woken = []

    def resume_after_an_hour() -> None:
        woken.append(fake_time.now)
        client.receive(ChannelName.APP_STATUS)
        client.send(ChannelName.HEARTBEAT, "<heartbeat/>")
        if fake_time.slept >= 3600.0:
            client.send(ChannelName.PROCESS_CONTROL_REQUEST, "<resume/>")

    fake_time.while_asleep = resume_after_an_hour
    fake_time.now += 0.1
    runtime.poll()
    assert 3600.0 <= fake_time.slept <= 3601.0
    # No more than a handful of looks a second: nothing else uses the processor meanwhile.
    assert len(woken) <= 5 * 3601


def test_suspend_takes_effect_within_a_second(
    runtime: Runtime, fake_time: FakeTime, ask: Ask
) -> None:
    runtime.poll()
    ask("<suspend/>")
    fake_time.while_asleep = lambda: ask("<resume/>")
    start = fake_time.now
    while fake_time.slept == 0.0:
        fake_time.now += 0.01  # a step of the app
        runtime.poll()
    assert fake_time.now - fake_time.slept - start <= 1.0


@pytest.mark.parametrize(
    ("text", "request_kind"), [("<quit/>", QuitRequested), ("<abort/>", AbortRequested)]
)
def test_quit_and_abort_leave_even_while_suspended(
    runtime: Runtime,
    fake_time: FakeTime,
    ask: Ask,
    text: str,
    request_kind: type[BaseException],
) -> None:
    ask("<suspend/>")
    fake_time.while_asleep = lambda: ask(text)
    with pytest.raises(request_kind):
        runtime.poll()
    assert fake_time.slept <= 1.0


def test_a_catch_all_does_not_swallow_a_quit(runtime: Runtime, ask: Ask) -> None:
    ask("<quit/>")

    def step_of_a_library() -> None:
        try:
            runtime.poll()
        except Exception:  # noqa: BLE001 - as a numerical library may do
            pytest.fail("swallowed")

    with pytest.raises(QuitRequested):
        step_of_a_library()


def test_status_is_told_once_a_second(
    runtime: Runtime, fake_time: FakeTime, client: Channels
) -> None:
    runtime.poll()
    assert status_of(client) == Status(100.5, 100.0, 0.0)
    runtime.set_fraction_done(0.25)
    fake_time.cpu = 3.0
    fake_time.now += 0.9
    runtime.poll()
    assert client.receive(ChannelName.APP_STATUS) is None
    fake_time.now += 0.2
    runtime.poll()
    assert status_of(client) == Status(103.0, 100.0, 0.25)


def test_a_checkpoint_changes_the_checkpoint_time(
    runtime: Runtime, fake_time: FakeTime, client: Channels
) -> None:
    fake_time.cpu = 29.0
    assert not runtime.time_to_checkpoint()
    fake_time.cpu = 30.5
    assert runtime.time_to_checkpoint()
    runtime.checkpoint_completed()
    assert not runtime.time_to_checkpoint()
    runtime.poll()
    assert status_of(client) == Status(130.5, 130.5, 0.0)


def test_suspended_time_does_not_bring_a_checkpoint_nearer(
    runtime: Runtime, fake_time: FakeTime
) -> None:
    fake_time.now += 1e6
    assert not runtime.time_to_checkpoint()


def test_silence_of_the_client_is_a_quit(
    runtime: Runtime, fake_time: FakeTime, client: Channels
) -> None:
    for _ in range(20):
        fake_time.now += 2.5
        client.send(ChannelName.HEARTBEAT, "<heartbeat/>")
        runtime.poll()
    fake_time.now += 29.0
    runtime.poll()
    fake_time.now += 2.5
    with pytest.raises(QuitRequested, match="client gone"):
        runtime.poll()


def test_changed_preferences_are_read_again(
    runtime: Runtime, fake_time: FakeTime, ask: Ask, tmp_path: Path
) -> None:
    text = "<wu_cpu_time>7</wu_cpu_time><checkpoint_period>5</checkpoint_period>"
    (tmp_path / "init_data.xml").write_text(text, encoding="ascii")
    fake_time.cpu = 6.0
    assert not runtime.time_to_checkpoint()
    ask("<reread_app_info/>")
    runtime.poll()
    assert runtime.time_to_checkpoint()
    assert runtime.cpu_time() == 106.0


def test_finish_hands_over_the_last_status(
    runtime: Runtime, fake_time: FakeTime, client: Channels, tmp_path: Path
) -> None:
    runtime.poll()  # the client has not taken this status yet
    fake_time.cpu = 9.0
    seen = []

    def take() -> None:
        text = client.receive(ChannelName.APP_STATUS)
        if text is not None:
            assert not (tmp_path / "boinc_finish_called").exists()
            seen.append(parse_status(text))

    fake_time.while_asleep = take
    with pytest.raises(SystemExit) as ended:
        runtime.finish(0)
    assert ended.value.code == 0
    assert seen[-1] == Status(109.0, 100.0, 1.0)
    assert (tmp_path / "boinc_finish_called").read_bytes() == b"0\n"


def test_finish_does_not_wait_for_ever(runtime: Runtime, fake_time: FakeTime) -> None:
    runtime.poll()
    with pytest.raises(SystemExit):
        runtime.finish(0)
    assert fake_time.slept <= 5.0


def test_a_failure_is_not_shown_as_complete(runtime: Runtime, client: Channels) -> None:
    with pytest.raises(SystemExit) as ended:
        runtime.finish(10, "why")
    assert ended.value.code == 10
    assert status_of(client).fraction_done == 0.0


def test_a_temporary_exit_says_when_and_why(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        runtime.temporary_exit(30, "later")
    assert ended.value.code == 0
    assert (tmp_path / "boinc_temporary_exit").read_bytes() == b"30\nlater\n\n"
    assert not (tmp_path / "boinc_finish_called").exists()


def test_a_finish_file_of_an_earlier_episode_is_gone(
    client: Channels, tmp_path: Path, fake_time: FakeTime
) -> None:
    (tmp_path / "boinc_finish_called").write_bytes(b"0\n")
    with open_runtime(tmp_path, time=fake_time.as_time()):
        assert not (tmp_path / "boinc_finish_called").exists()


def test_without_a_client_it_runs_on_its_own(tmp_path: Path, fake_time: FakeTime) -> None:
    with open_runtime(tmp_path, checkpoint_period=2.0, time=fake_time.as_time()) as runtime:
        assert not runtime.has_client
        fake_time.now += 1e6
        runtime.poll()
        assert not runtime.time_to_checkpoint()
        fake_time.cpu += 2.0
        assert runtime.time_to_checkpoint()
        with pytest.raises(SystemExit):
            runtime.finish(0)
    assert [path.name for path in tmp_path.iterdir()] == ["boinc_lockfile"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_a_quit(tmp_path: Path, fake_time: FakeTime, number: int) -> None:
    before = signal.getsignal(number)
    with open_runtime(tmp_path, catch_signals=True, time=fake_time.as_time()) as runtime:
        runtime.poll()
        os.kill(os.getpid(), number)
        with pytest.raises(QuitRequested):
            runtime.poll()
    assert signal.getsignal(number) is before
