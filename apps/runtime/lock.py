"""One app a slot: the lock on ``boinc_lockfile``.

The lock is BOINC's own (``fcntl`` record lock on the whole file, ``api/boinc_api.cpp``), so that it
also holds against other programs that follow BOINC. The system releases it when a process dies,
however it dies.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from io import BufferedRandom
from pathlib import Path

from apps.runtime.errors import SlotBusy

LOCK_FILE = "boinc_lockfile"
LOCK_WAIT = 35.0
"""Seconds for which BOINC waits: a copy whose client died leaves within 30 s."""
_RETRY = 0.5


class SlotLock:
    """The lock of one slot, held until `release` or the end of the process."""

    def __init__(self, stream: BufferedRandom) -> None:
        self._stream = stream

    def release(self) -> None:
        """Let another process have the slot."""
        self._stream.close()


def lock_slot(
    slot: Path,
    *,
    wait: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> SlotLock:
    """Take the lock, waiting up to `wait` seconds for another copy to leave.

    Raises
    ------
    SlotBusy
        If the other copy is still there after that.
    """
    stream = (slot / LOCK_FILE).open("a+b")
    deadline = clock() + wait
    while True:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX allows EAGAIN and EACCES
            if clock() >= deadline:
                stream.close()
                raise SlotBusy(slot=slot) from None
            sleep(_RETRY)
        else:
            return SlotLock(stream)
