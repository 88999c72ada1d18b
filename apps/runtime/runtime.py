"""The runtime: what an app calls while it computes.

Everything happens inside `Runtime.poll`, which the app calls between two steps. There is no thread
and no timer, so neither a suspend nor a quit can fall into the middle of a checkpoint.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn

from apps.runtime import soft_link
from apps.runtime.channels import ChannelName, Channels, open_channels
from apps.runtime.client_process import ClientProcess
from apps.runtime.control import Control, Ending, after_heartbeat, after_request, after_watch
from apps.runtime.errors import AbortRequested, QuitRequested
from apps.runtime.finish import forget_old_ending, write_finish, write_temporary_exit
from apps.runtime.init_data import InitData, read_init_data
from apps.runtime.lock import LOCK_WAIT, SlotLock, lock_slot
from apps.runtime.platforms import platform_name
from apps.runtime.status import Status, next_fraction
from boinc_project.states import ExitStatus

LOOK_PERIOD = 0.1
"""Seconds between two looks at the channels: a tenth of the second in which a suspend must act."""
SUSPENDED_LOOK_PERIOD = 0.2
"""The same while suspended, where every look is the only use of the processor."""
STATUS_PERIOD = 1.0
WATCH_PERIOD = 2.0
"""Seconds between two looks at the client's process; BOINC looks every 10 s."""
LAST_STATUS_WAIT = 2.0
"""Seconds for which the client may take the last status before the app ends."""


@dataclass(frozen=True, slots=True)
class Time:
    """Where the runtime gets its time from; tests give their own."""

    clock: Callable[[], float] = time.monotonic
    """Seconds that pass."""
    cpu: Callable[[], float] = time.process_time
    """CPU seconds of this process, all threads."""
    sleep: Callable[[float], None] = time.sleep


class Runtime:
    """One episode of one result. Made by `open_runtime`.

    Attributes
    ----------
    slot : Path
        The directory that the app works in.
    platform : str
        BOINC's name of this platform.
    app_digest : str
        Digest of the app's own files, written into outputs; set once they are checked.
    """

    def __init__(
        self,
        slot: Path,
        *,
        lock: SlotLock,
        channels: Channels | None,
        init_data: InitData,
        checkpoint_period: float | None,
        time: Time,
    ) -> None:
        self.slot = slot
        self.platform = platform_name()
        self.app_digest = ""
        self._lock = lock
        self._channels = channels
        self._init_data = init_data
        self._own_checkpoint_period = checkpoint_period
        self._time = time
        self._client = ClientProcess(init_data.client_pid)
        now = time.clock()
        self._control = Control(last_heartbeat=now)
        self._earlier_cpu = init_data.wu_cpu_time
        self._checkpoint_cpu = self.cpu_time()
        self._shown_checkpoint_cpu = self._earlier_cpu
        self._fraction = 0.0
        self._next_look = now
        self._next_status = now
        self._next_watch = now + WATCH_PERIOD
        self._signalled = False
        self._old_handlers: dict[int, object] = {}

    @property
    def has_client(self) -> bool:
        """Whether a client runs this app; otherwise it runs on its own."""
        return self._channels is not None

    @property
    def result_name(self) -> str:
        """Name of the result, ``<workunit>_<number>``; empty if no client said it."""
        return self._init_data.result_name

    # What the app calls while it computes.

    def poll(self) -> None:
        """Do what the client wants. Call it often; it looks at the channels ten times a second.

        Returns only when computing may go on: it sleeps while the task is suspended.

        Raises
        ------
        QuitRequested, AbortRequested
            If the app has to leave. Not errors: let them pass.
        """
        if self._time.clock() < self._next_look:
            return
        self._look()
        while self._control.suspended and self._control.ending is None:
            self._time.sleep(SUSPENDED_LOOK_PERIOD)
            self._look()
        if self._control.ending is Ending.ABORT:
            raise AbortRequested(self._control.ending.value)
        if self._control.ending is not None:
            raise QuitRequested(self._control.ending.value)

    def set_fraction_done(self, fraction: float) -> None:
        """Say how much of the task is done, 0 to 1. What the volunteer sees never falls."""
        self._fraction = next_fraction(self._fraction, fraction)

    def cpu_time(self) -> float:
        """Return the CPU seconds spent on this result, earlier episodes included."""
        return self._earlier_cpu + self._time.cpu()

    def time_to_checkpoint(self) -> bool:
        """Tell whether the volunteer's time between two writes to disk has passed.

        It is counted in CPU time, which never runs ahead of the clock on the wall: the disk is
        not written more often than the volunteer wants, and no more than this much work is lost.
        """
        period = self._own_checkpoint_period
        if period is None:
            period = self._init_data.checkpoint_period
        return self.cpu_time() - self._checkpoint_cpu >= period

    def checkpoint_completed(self) -> None:
        """Tell the client that a new checkpoint is safely on the disk."""
        self._checkpoint_cpu = self._shown_checkpoint_cpu = self.cpu_time()

    def resolve(self, logical_name: str) -> Path:
        """Return where the file of a logical name really is, or is to be written."""
        return soft_link.resolve(self.slot, logical_name)

    # How the app ends.

    def finish(self, status: int, message: str = "") -> NoReturn:
        """End the task for good: exit status 0 is success.

        Raises
        ------
        SystemExit
            Always.
        """
        if status == ExitStatus.OK:
            self._fraction = 1.0
        if self._channels is not None:
            self._send_last_status(self._channels)
            write_finish(self.slot, status, message)
        self.close()
        sys.exit(int(status))

    def temporary_exit(self, delay: float, reason: str) -> NoReturn:
        """Leave, and ask to be started again after `delay` seconds.

        Raises
        ------
        SystemExit
            Always, with status 0.
        """
        if self._channels is not None:
            write_temporary_exit(self.slot, delay, reason)
        self.close()
        sys.exit(int(ExitStatus.OK))

    def close(self) -> None:
        """Let go of the channels, the lock and the signals."""
        if self._channels is not None:
            self._channels.close()
            self._channels = None
        self._lock.release()
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._old_handlers.clear()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Inside.

    def catch_signals(self) -> None:
        """Take SIGTERM and SIGINT for a quit, so that a checkpoint in progress is completed."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            self._old_handlers[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        # Only flags: a handler runs between any two byte codes, and must not undo a decision.
        self._signalled = True
        self._next_look = 0.0

    def _look(self) -> None:
        now = self._time.clock()
        self._next_look = now + LOOK_PERIOD
        if self._signalled:
            self._control = after_request(self._control, "<quit/>")
        if self._channels is not None:
            self._talk(self._channels, now)

    def _talk(self, channels: Channels, now: float) -> None:
        request = channels.receive(ChannelName.PROCESS_CONTROL_REQUEST)
        if request is not None:
            self._control = after_request(self._control, request)
        heartbeat = channels.receive(ChannelName.HEARTBEAT)
        if heartbeat is not None:
            self._control = after_heartbeat(self._control, heartbeat, now)
        if now >= self._next_watch:
            self._next_watch = now + WATCH_PERIOD
            self._control = after_watch(self._control, now, client_alive=self._client.alive())
        if self._control.reread:
            self._reread()
        if now >= self._next_status:
            self._next_status = now + STATUS_PERIOD
            channels.send(ChannelName.APP_STATUS, self._status().to_text())

    def _reread(self) -> None:
        self._control = replace(self._control, reread=False)
        # The CPU time of earlier episodes stays what it was when this one began.
        self._init_data = read_init_data(self.slot) or self._init_data

    def _status(self) -> Status:
        return Status(self.cpu_time(), self._shown_checkpoint_cpu, self._fraction)

    def _send_last_status(self, channels: Channels) -> None:
        """Hand over the final CPU time and fraction, if the client takes them in time."""
        deadline = self._time.clock() + LAST_STATUS_WAIT
        text = self._status().to_text()
        while not channels.send(ChannelName.APP_STATUS, text):
            if self._time.clock() >= deadline:
                return
            self._time.sleep(LOOK_PERIOD)
        while channels.is_full(ChannelName.APP_STATUS) and self._time.clock() < deadline:
            self._time.sleep(LOOK_PERIOD)


def open_runtime(
    slot: Path = Path(),
    *,
    lock_wait: float = LOCK_WAIT,
    checkpoint_period: float | None = None,
    catch_signals: bool = False,
    time: Time | None = None,
) -> Runtime:
    """Begin an episode in `slot`: under a client if its files are there, else on our own.

    The slot is locked before any other file in it is touched.

    Parameters
    ----------
    slot : Path
        The directory to work in.
    lock_wait : float
        Seconds to wait for another copy of the app to leave the slot.
    checkpoint_period : float | None
        CPU seconds between two checkpoints; None: what the client says, or 60.
    catch_signals : bool
        Whether SIGTERM and SIGINT ask for a quit; else they act as usual.
    time : Time | None
        Clocks, for tests.

    Raises
    ------
    SlotBusy
        If another copy holds the slot.
    """
    time = time or Time()
    lock = lock_slot(slot, wait=lock_wait, clock=time.clock, sleep=time.sleep)
    init_data = read_init_data(slot)
    channels = None if init_data is None else open_channels(slot)
    forget_old_ending(slot)
    runtime = Runtime(
        slot,
        lock=lock,
        channels=channels,
        init_data=init_data or InitData(),
        checkpoint_period=checkpoint_period,
        time=time,
    )
    if catch_signals:
        runtime.catch_signals()
    return runtime
