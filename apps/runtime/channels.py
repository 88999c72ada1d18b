"""The memory-mapped message channels between a BOINC client and its app.

``boinc_mmap_file`` holds eight channels of 1024 bytes: a flag byte that says *full*, then a text
that ends in NUL. The sender fills an empty channel, the receiver empties it (``lib/app_ipc.h``,
``lib/shmem.cpp``). Both ends are here: apps receive, `apps.volunteer` sends.
"""

from __future__ import annotations

import mmap
from enum import IntEnum
from pathlib import Path
from types import TracebackType

MMAP_FILE = "boinc_mmap_file"
CHANNEL_BYTES = 1024
N_CHANNELS = 8
MAX_TEXT_BYTES = CHANNEL_BYTES - 2
"""A flag byte and the closing NUL are not text."""


class ChannelName(IntEnum):
    """BOINC's channels, in their order in the file (``SHARED_MEM`` in ``lib/app_ipc.h``)."""

    PROCESS_CONTROL_REQUEST = 0
    """Client to app: suspend, resume, quit, abort, reread_app_info."""
    PROCESS_CONTROL_REPLY = 1
    """Unused."""
    GRAPHICS_REQUEST = 2
    """Unused by us."""
    GRAPHICS_REPLY = 3
    """Unused by us."""
    HEARTBEAT = 4
    """Client to app, about once a second."""
    APP_STATUS = 5
    """App to client, about once a second: CPU times and fraction done."""
    TRICKLE_UP = 6
    """Unused by us."""
    TRICKLE_DOWN = 7
    """Unused by us."""


class Channels:
    """All channels of one slot.

    Parameters
    ----------
    memory : mmap.mmap
        8192 bytes, shared between client and app.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory

    def send(self, name: ChannelName, text: str) -> bool:
        """Put a message into a channel; return False if the last one was not taken yet.

        Raises
        ------
        ValueError
            If the text does not fit.
        """
        data = text.encode("latin-1", errors="replace")
        if len(data) > MAX_TEXT_BYTES:
            raise ValueError(f"a message of {len(data)} bytes does not fit into a channel")
        start = name * CHANNEL_BYTES
        if self._memory[start]:
            return False
        self._memory[start + 1 : start + 2 + len(data)] = data + b"\0"
        # The flag last: the other side may look at any moment.
        self._memory[start] = 1
        return True

    def receive(self, name: ChannelName) -> str | None:
        """Take the message out of a channel, or return None if there is none."""
        start = name * CHANNEL_BYTES
        if not self._memory[start]:
            return None
        data = self._memory[start + 1 : start + CHANNEL_BYTES]
        self._memory[start] = 0
        return data.partition(b"\0")[0].decode("latin-1")

    def is_full(self, name: ChannelName) -> bool:
        """Tell whether a message waits to be taken."""
        return bool(self._memory[name * CHANNEL_BYTES])

    def close(self) -> None:
        """Unmap the file."""
        self._memory.close()

    def __enter__(self) -> Channels:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_channels(slot: Path) -> Channels | None:
    """Map the channels that a client made in `slot`; None if there are none of the right size."""
    path = slot / MMAP_FILE
    size = CHANNEL_BYTES * N_CHANNELS
    try:
        if path.stat().st_size < size:
            return None
        with path.open("r+b") as stream:
            return Channels(mmap.mmap(stream.fileno(), size))
    except OSError:
        return None


def create_channels(slot: Path) -> Channels:
    """Make the file with empty channels, as a client does before it starts an app."""
    path = slot / MMAP_FILE
    # A file of its own: an app that still holds the old one must not read our messages.
    path.unlink(missing_ok=True)
    path.write_bytes(bytes(CHANNEL_BYTES * N_CHANNELS))
    channels = open_channels(slot)
    assert channels is not None
    return channels
