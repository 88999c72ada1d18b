from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from server.supervisor import (
    FIRST_PAUSE_SECONDS,
    HEALTHY_SECONDS,
    LONGEST_PAUSE_SECONDS,
    Command,
    Supervisor,
    die_with_supervisor,
    restart_pause,
)


def test_the_pause_doubles_up_to_a_minute() -> None:
    assert restart_pause(0) == 0.0
    assert [restart_pause(n) for n in (1, 2, 3)] == [
        FIRST_PAUSE_SECONDS,
        2 * FIRST_PAUSE_SECONDS,
        4 * FIRST_PAUSE_SECONDS,
    ]
    assert restart_pause(50) == restart_pause(10_000) == LONGEST_PAUSE_SECONDS


class World:
    """A clock that each of the supervisor's sleeps moves on, and a stop after enough of them."""

    def __init__(self, step: float, ticks: int, started: Path) -> None:
        self.now, self.step, self.left, self.started = 0.0, step, ticks, started
        self.supervisor: Supervisor | None = None

    def clock(self) -> float:
        return self.now

    def tick(self) -> None:
        self.left -= 1
        if self.left <= 0 and self.started.exists():
            self.supervisor._stop(signal.SIGTERM, None)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that lets real children run under a made-up clock."""
    handlers = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    real_sleep = time.sleep

    def supervise(code: str, *, step: float, ticks: int) -> int:
        log = tmp_path / "starts"
        program = [
            sys.executable,
            "-c",
            code.replace("START", f"open({str(log)!r}, 'a').write('x')"),
        ]
        world = World(step, ticks, log)
        world.supervisor = Supervisor([Command("c", program)], world.tick, clock=world.clock)

        def sleep(seconds: float) -> None:
            real_sleep(0.005)
            world.now += step
            for child in world.supervisor._children:
                if child.process is not None and "exit" in code:
                    child.process.wait()

        monkeypatch.setattr("server.supervisor.time.sleep", sleep)
        world.supervisor.run()
        assert all(
            child.process.poll() is not None
            for child in world.supervisor._children
            if child.process
        )
        return len(log.read_text())

    yield supervise
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_child_that_dies_quickly_is_restarted_ever_more_slowly(run) -> None:
    # Pauses of 0.5, 1, 2, 4, 8 and 16 s, and a tick until each end is seen, make 33 s; then 32 s.
    assert run("START; exit(1)", step=0.25, ticks=140) == 7


def test_a_child_that_lived_long_is_restarted_at_once(run) -> None:
    assert run("START; exit(0)", step=HEALTHY_SECONDS + 1, ticks=5) == 5


def test_a_child_that_ignores_sigterm_is_killed(run) -> None:
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    assert run(f"{ignore}; START; time.sleep(600)", step=1.0, ticks=1) == 1


def test_an_unsupervised_process_just_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENASTRO_SUPERVISOR", raising=False)
    die_with_supervisor()


def test_a_process_whose_supervisor_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.supervisor.ctypes.CDLL", lambda name: _NoLibrary())
    monkeypatch.setenv("OPENASTRO_SUPERVISOR", "1")
    with pytest.raises(SystemExit):
        die_with_supervisor()


class _NoLibrary:
    def prctl(self, option: int, number: int) -> int:
        return 0
