"""``openastro serve``: one process tree of web server and daemons, kept alive.

The supervisor owns the listening socket, so a web server that is killed loses no connection that
waits: its successor accepts it. A child that ends is started again after a pause that doubles with
each quick death. SIGTERM goes on to all children, and the supervisor waits for them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

import structlog

PARENT_VARIABLE = "OPENASTRO_SUPERVISOR"
TICK_SECONDS = 0.1
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
HEALTHY_SECONDS = 30.0
"""A child that lived this long starts again at once: ten times the start of the slowest one."""
KILL_AFTER_SECONDS = 30.0
"""Patience with SIGTERM: thrice the web server's own grace."""
_PR_SET_PDEATHSIG = 1

log = structlog.get_logger("supervisor")


def restart_pause(quick_deaths: int) -> float:
    """Return the seconds until a child starts again after so many quick deaths in a row."""
    if quick_deaths == 0:
        return 0.0
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(quick_deaths - 1, 20))


def die_with_supervisor() -> None:
    """Have this process terminated when its supervisor dies, however that happens.

    Without it a supervisor that is killed leaves daemons behind that nobody knows.
    """
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before the line above
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class Command:
    """One child: a name for the log, and what to run."""

    name: str
    arguments: Sequence[str]
    descriptors: tuple[int, ...] = ()


@dataclass(slots=True)
class _Child:
    command: Command
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    quick_deaths: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Keeps commands running.

    Attributes
    ----------
    commands : Sequence[Command]
        What to run.
    on_tick : Callable[[], None]
        Called about ten times a second, e.g. to see whether the web server answers.
    """

    commands: Sequence[Command]
    on_tick: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    _children: list[_Child] = field(default_factory=list)
    _stops: int = 0

    def run(self) -> None:
        """Start everything and keep it alive until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._children = [_Child(command) for command in self.commands]
        try:
            while not self._stops:
                for child in self._children:
                    self._tend(child)
                self.on_tick()
                time.sleep(TICK_SECONDS)
        finally:
            self._end_all()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stops += 1

    def _tend(self, child: _Child) -> None:
        now = self.clock()
        if child.process is not None:
            status = child.process.poll()
            if status is None:
                return
            child.process = None
            quick = now - child.started < HEALTHY_SECONDS
            child.quick_deaths = child.quick_deaths + 1 if quick else 0
            pause = restart_pause(child.quick_deaths)
            child.not_before = now + pause
            log.error("child ended", child=child.command.name, status=status, restart_in=pause)
        if now >= child.not_before:
            child.process = self._start(child.command)
            child.started = now

    def _start(self, command: Command) -> subprocess.Popen[bytes]:
        # Children stay in the supervisor's process group: what is done to the group, such as a
        # terminal's Ctrl-C, is done to the whole tree.
        return subprocess.Popen(
            command.arguments,
            stdin=subprocess.DEVNULL,
            env={**self.environment, PARENT_VARIABLE: str(os.getpid())},
            pass_fds=command.descriptors,
        )

    def _end_all(self) -> None:
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            process.terminate()
        stops, end = self._stops, self.clock() + KILL_AFTER_SECONDS
        while any(process.poll() is None for process in running):
            # A second SIGTERM or Ctrl-C is impatience.
            if self.clock() > end or self._stops > stops:
                for process in running:
                    process.kill()
            time.sleep(TICK_SECONDS)
        log.info("all children ended")
