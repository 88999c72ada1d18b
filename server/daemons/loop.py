"""The loop around every daemon's ``one_pass``: heart-beat, back-off, stop."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from types import FrameType

import structlog

from boinc_project.errors import ConfigError
from server.models import DaemonStatus
from server.project import Project

DAEMONS = ("transitioner", "validator", "assimilator", "work_generator", "file_deleter")
"""Modules of `server.daemons`; each has ``one_pass(project) -> int``, the things done."""

OnePass = Callable[[Project], int]

HEARTBEAT_SECONDS = 10.0
"""Between two writes of an idle daemon's row: far below the minute after which the status page
calls it silent, and 0.5 writes a second for all of them together."""

LONGEST_BACKOFF_SECONDS = 60.0


def find_daemon(name: str) -> OnePass:
    """Return a daemon's ``one_pass``.

    Raises
    ------
    ConfigError
        If there is no daemon of this name.
    """
    if name not in DAEMONS:
        raise ConfigError(f"There is no daemon {name!r}; there are {', '.join(DAEMONS)}.")
    one_pass: OnePass = import_module(f"server.daemons.{name}").one_pass
    return one_pass


@dataclass(slots=True)
class StopFlag:
    """Set by SIGTERM or SIGINT; a pass under way is finished first."""

    stopped: bool = False

    def install(self) -> None:
        """Catch the signals of this process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.stopped = True

    def sleep(self, seconds: float) -> None:
        """Sleep, but not longer than until the stop."""
        end = time.monotonic() + seconds
        while not self.stopped and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))


@dataclass(slots=True)
class DaemonLoop:
    """Runs one daemon until it is stopped.

    A pass that fails leaves its rows unfinished: it is logged, counted, and tried again after a
    pause that doubles up to a minute. Nothing is remembered between passes but counts.
    """

    name: str
    one_pass: OnePass
    project: Project
    stop: StopFlag = field(default_factory=StopFlag)
    n_passes: int = 0
    n_done: int = 0
    n_errors: int = 0
    last_error: str = ""
    failures_in_a_row: int = 0
    _start_time: float = 0.0
    _last_write: float = float("-inf")

    def run(self) -> None:
        """Pass after pass, until stopped."""
        self._start_time = self.project.clock()
        log = structlog.get_logger(self.name)
        log.info("daemon started", daemon=self.name)
        self._write_status()
        while not self.stop.stopped:
            done = self.guarded_pass()
            if done and not self.failures_in_a_row:
                continue
            self.stop.sleep(self.pause())
        log.info("daemon stopped", daemon=self.name, passes=self.n_passes, done=self.n_done)

    def guarded_pass(self) -> int:
        """Do one pass; an exception is logged and counted. Return the number of things done."""
        log = structlog.get_logger(self.name)
        done = 0
        self.n_passes += 1
        try:
            done = self.one_pass(self.project)
        except Exception as error:
            self.n_errors += 1
            self.failures_in_a_row += 1
            self.last_error = f"{type(error).__name__}: {error}"[:1000]
            log.exception("pass failed", daemon=self.name, failures=self.failures_in_a_row)
        else:
            self.n_done += done
            self.failures_in_a_row = 0
        if done or self.failures_in_a_row or self._status_is_old():
            self._write_status()
        return done

    def pause(self) -> float:
        """Seconds until the next pass of an idle or failing daemon."""
        interval = self.project.settings.daemons.interval
        if not self.failures_in_a_row:
            return interval
        return min(LONGEST_BACKOFF_SECONDS, interval * 2.0 ** min(self.failures_in_a_row, 10))

    def _status_is_old(self) -> bool:
        return self.project.clock() - self._last_write >= HEARTBEAT_SECONDS

    def _write_status(self) -> None:
        now = self.project.clock()
        status = DaemonStatus(
            name=self.name,
            pid=os.getpid(),
            hostname=socket.gethostname(),
            start_time=self._start_time,
            last_pass=now,
            n_passes=self.n_passes,
            n_done=self.n_done,
            n_errors=self.n_errors,
            last_error=self.last_error,
        )
        try:
            with self.project.database.write() as session:
                session.merge(status)
        except Exception:  # noqa: BLE001 - a busy database must not end the daemon
            structlog.get_logger(self.name).exception("heart-beat failed", daemon=self.name)
            return
        self._last_write = now
