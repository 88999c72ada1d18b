"""The files by which an app tells the client how it ended (``api/boinc_api.cpp``)."""

from __future__ import annotations

import os
from pathlib import Path

FINISH_FILE = "boinc_finish_called"
TEMPORARY_EXIT_FILE = "boinc_temporary_exit"
MAX_DELAY = 86400
"""Longest delay that the client accepts, in seconds."""


def forget_old_ending(slot: Path) -> None:
    """Remove what an earlier episode left: with it, a quit would be taken for the end."""
    for name in (FINISH_FILE, TEMPORARY_EXIT_FILE):
        (slot / name).unlink(missing_ok=True)


def write_finish(slot: Path, status: int, message: str) -> None:
    """Say that the task is over, with its exit status and a sentence for the event log."""
    _write(slot / FINISH_FILE, f"{status}\n{_one_line(message)}\n\n" if message else f"{status}\n")


def write_temporary_exit(slot: Path, delay: float, reason: str) -> None:
    """Ask to be started again after `delay` seconds."""
    seconds = min(max(round(delay), 0), MAX_DELAY)
    _write(slot / TEMPORARY_EXIT_FILE, f"{seconds}\n{_one_line(reason)}\n\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _write(path: Path, text: str) -> None:
    # Renamed into place: the client may look while we write.
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as stream:
        stream.write(text.encode("utf-8", errors="replace"))
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
