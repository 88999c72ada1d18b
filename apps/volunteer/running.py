"""A running app: its process, its channels, and what its end means (``client/app_control.cpp``)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from apps.runtime.channels import ChannelName, create_channels
from apps.runtime.finish import FINISH_FILE
from apps.runtime.status import parse_status
from apps.volunteer.slot import STDERR_FILE, main_program, read_temporary_exit
from apps.volunteer.state import TaskState
from boinc_project.protocol.reply import AppVersionInfo

KILL_AFTER = 60.0
"""Seconds that an app has to obey a quit or abort."""
FINISH_LIMIT = 300.0
"""Seconds that an app may live on after it said that it is done."""
MAX_RESTARTS = 100
EXIT_KILLED_BY_SIGNAL = 193
ERR_TOO_MANY_EXITS = -226
_RESTARTED = {
    -number
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGTERM)
}


class Ended(Enum):
    """What the client does next with a task whose process is gone."""

    DONE = "done"
    AGAIN = "again"
    LATER = "later"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended: exit status of a failure, delay in seconds of a restart."""

    kind: Ended
    exit_status: int = 0
    delay: float = 0.0
    reason: str = ""


def judge(
    returncode: int, *, finished: bool, temporary: tuple[float, str] | None, restarts: int
) -> End:
    """Tell what the end of a process means.

    Parameters
    ----------
    returncode : int
        Exit status, or minus the signal's number.
    finished : bool
        Whether the app said that it is done.
    temporary : tuple[float, str] | None
        Delay and reason, if it asked to be started again later.
    restarts : int
        Restarts so far without a new checkpoint.
    """
    if returncode == 0 and finished:
        return End(Ended.DONE)
    if returncode == 0 and temporary is not None:
        return End(Ended.LATER, delay=temporary[0], reason=temporary[1])
    if returncode == 0 or returncode in _RESTARTED:
        if restarts >= MAX_RESTARTS:
            reason = "The app left too often without a new checkpoint."
            return End(Ended.FAILED, ERR_TOO_MANY_EXITS, reason=reason)
        return End(Ended.AGAIN)
    if returncode < 0:
        reason = f"The app was killed by {signal.Signals(-returncode).name}."
        return End(Ended.FAILED, EXIT_KILLED_BY_SIGNAL, reason=reason)
    return End(Ended.FAILED, returncode, reason=f"The app ended with exit status {returncode}.")


class RunningTask:
    """One episode of a task in its slot.

    Parameters
    ----------
    task : TaskState
        Told of progress.
    slot, project : Path
        Directories.
    version : AppVersionInfo
        What to start.
    niceness : int
        How far the app steps back behind everything else.
    now : float
        The time.
    """

    def __init__(
        self,
        task: TaskState,
        slot: Path,
        project: Path,
        version: AppVersionInfo,
        *,
        niceness: int,
        now: float,
    ) -> None:
        self.task = task
        self.slot = slot
        # What was computed after the last checkpoint is lost, and computed again.
        task.cpu_time = task.checkpoint_cpu_time
        self._last_look = now
        self._asked: str | None = None
        self._kill_at = float("inf")
        self._finished_at: float | None = None
        self._channels = create_channels(slot)
        relative = Path("..", "..", project.parent.name, project.name)
        program = str(relative / (main_program(version) or ""))
        with (slot / STDERR_FILE).open("ab") as stderr:
            self._process = subprocess.Popen(
                [program, *task.workunit.command_line.split()],
                cwd=slot,
                env={**os.environ, "LD_LIBRARY_PATH": f"{relative}:.:../.."},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                # A Ctrl-C at the terminal is for the client, which then asks its apps to quit.
                process_group=0,
            )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, niceness)

    @property
    def pid(self) -> int:
        """Process number of the app."""
        return self._process.pid

    def ask(self, request: str, now: float) -> None:
        """Ask the app to ``quit`` or ``abort``; it is killed if it does not obey in time."""
        if self._asked is None:
            self._asked = f"<{request}/>"
            self._kill_at = now + KILL_AFTER

    def look(self, now: float) -> End | None:
        """Talk with the app for a moment; return how it ended, None while it runs."""
        returncode = self._process.poll()
        self._take_status(now)
        if returncode is not None:
            return self._end(returncode)
        self._channels.send(ChannelName.HEARTBEAT, "<heartbeat/>")
        if self._asked and self._channels.send(ChannelName.PROCESS_CONTROL_REQUEST, self._asked):
            self._asked = ""
        if self._finished_at is None and (self.slot / FINISH_FILE).exists():
            self._finished_at = now
        hangs = self._finished_at is not None and now - self._finished_at > FINISH_LIMIT
        if now >= self._kill_at or hangs:
            self._process.kill()
        return None

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()

    def _take_status(self, now: float) -> None:
        self.task.elapsed_time += max(now - self._last_look, 0.0)
        self._last_look = now
        text = self._channels.receive(ChannelName.APP_STATUS)
        if text is None:
            return
        status = parse_status(text)
        self.task.cpu_time = max(status.cpu_time, self.task.cpu_time)
        if status.checkpoint_cpu_time != self.task.checkpoint_cpu_time:
            self.task.checkpoint_cpu_time = status.checkpoint_cpu_time
            self.task.restarts = 0
        if status.fraction_done > 0.0:
            self.task.fraction_done = status.fraction_done

    def _end(self, returncode: int) -> End:
        self._channels.close()
        return judge(
            returncode,
            finished=(self.slot / FINISH_FILE).exists(),
            temporary=read_temporary_exit(self.slot),
            restarts=self.task.restarts,
        )
