"""The loop of apps whose work is a row of steps: advance, tell, store, and leave when asked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol, TypeVar

from apps.runtime.checkpoint import PERIOD, CheckpointFile
from apps.runtime.errors import QuitRequested
from boinc_project.computation import Runtime
from boinc_project.errors import CorruptCheckpoint

State = TypeVar("State")


class Work(Protocol):
    """Work that is done in steps, and can be stored between any two of them."""

    @property
    def is_complete(self) -> bool:
        """Whether no step is left."""

    @property
    def fraction(self) -> float:
        """The part of the work that is done, 0 to 1, as far as that can be told."""

    def advance(self) -> None:
        """Do one step. The state is that of before if it is left by an exception."""

    def to_bytes(self) -> bytes:
        """Return the state."""


def complete(work: Work, file: CheckpointFile, runtime: Runtime, *, period: float = PERIOD) -> None:
    """Do all steps that are left, with checkpoints.

    Parameters
    ----------
    work : Work
        Advanced to its end.
    file : CheckpointFile
        Its checkpoint, also written at the end, because the output is still to be written.
    runtime : Runtime
        The client. It is polled by the steps themselves.
    period : float
        CPU seconds after which a checkpoint is written, whatever the volunteer's preference.

    Raises
    ------
    QuitRequested
        If the client asks to leave; the work so far is stored.
    """
    saved_at = runtime.cpu_time()
    try:
        while not work.is_complete:
            runtime.set_fraction_done(work.fraction)
            work.advance()
            is_late = runtime.cpu_time() - saved_at >= period
            if is_late or runtime.time_to_checkpoint() or work.is_complete:
                file.save(work.to_bytes())
                runtime.checkpoint_completed()
                saved_at = runtime.cpu_time()
    except QuitRequested:
        # A full disk only costs the steps since the last checkpoint.
        with contextlib.suppress(OSError):
            file.save(work.to_bytes())
        raise


def resumed(file: CheckpointFile, parse: Callable[[bytes], State]) -> State | None:
    """Return the state in a checkpoint; None if there is none that can be used.

    A file that passed its checksum and does not decode is removed. Older generations were written
    by the same code, so they will not decode either.
    """
    payload = file.load()
    if payload is None:
        return None
    try:
        return parse(payload)
    except CorruptCheckpoint:
        file.remove()
        return None
