"""A crash-safe checkpoint file: whatever moment the machine dies, one whole generation is left.

A checkpoint is written to a temporary file, flushed to the disk and renamed into place; the
checkpoint before it is kept as ``<name>.previous``. The file is one header line, readable with
``head -1``, and the payload::

    openastro-checkpoint <layout> <format> <unit digest> <payload bytes> <sha256>, then LF

The SHA-256 covers the header line up to itself and the payload, so that neither a torn write nor a
flipped bit can pass.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from boinc_project.errors import CheckpointError, CorruptCheckpoint, IncompatibleCheckpoint

MAGIC = "openastro-checkpoint"
LAYOUT = 1
MAX_HEADER_BYTES = 512
CHECKPOINT_FILE = "checkpoint"
PERIOD = 60.0
"""CPU seconds after which a checkpoint is written, whatever the volunteer's preference."""


class CheckpointFile:
    """The checkpoint of one unit, in two generations.

    Parameters
    ----------
    path : Path
        The newest generation. The one before it and the temporary file lie beside it.
    unit_digest : str
        Identity of the unit; a checkpoint of another unit is never loaded.
    format_version : int
        Version of the payload's own format; a checkpoint of another version is never loaded.
    say : Callable[[str], None]
        Told, in one sentence, of every checkpoint that could not be used. Default: stderr.
    """

    def __init__(
        self,
        path: Path,
        unit_digest: str,
        *,
        format_version: int = 1,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self.previous = path.with_name(path.name + ".previous")
        self.unit_digest = unit_digest
        self.format_version = format_version
        self._temporary = path.with_name(path.name + ".tmp")
        self._say = say or _to_stderr

    def save(self, payload: bytes) -> None:
        """Make `payload` the newest generation, or leave everything as it was.

        Raises
        ------
        OSError
            If the disk is full or failing; both kept generations are still there.
        """
        data = encode_checkpoint(
            payload, unit_digest=self.unit_digest, format_version=self.format_version
        )
        try:
            _write_durably(self._temporary, data)
        except OSError:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
            raise
        # Dying between the two renames leaves only the previous generation: load() takes it.
        with contextlib.suppress(FileNotFoundError):
            self.path.replace(self.previous)
        self._temporary.replace(self.path)
        _sync_directory(self.path.parent)

    def load(self) -> bytes | None:
        """Return the newest payload that is whole, or None to start from the beginning.

        A checkpoint that cannot be used is removed, so that it is never rotated over a good one.
        """
        damaged = False
        for path in (self.path, self.previous):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                self._say(f"The checkpoint {path.name} cannot be read ({error.strerror}).")
                damaged = True
                continue
            try:
                payload = decode_checkpoint(
                    data, unit_digest=self.unit_digest, format_version=self.format_version
                )
            except CheckpointError as error:
                self._say(f"{path.name}: {error.message}")
                path.unlink(missing_ok=True)
                damaged = True
                continue
            if damaged:
                self._say(f"Going on from {path.name}, one generation older.")
            return payload
        if damaged:
            self._say("No usable checkpoint is left: starting this task from the beginning.")
        return None

    def remove(self) -> None:
        """Remove all generations: the task is complete."""
        for path in (self.path, self.previous, self._temporary):
            path.unlink(missing_ok=True)


def encode_checkpoint(payload: bytes, *, unit_digest: str, format_version: int) -> bytes:
    """Return the bytes of a checkpoint file."""
    start = f"{MAGIC} {LAYOUT} {format_version} {unit_digest} {len(payload)} "
    digest = hashlib.sha256(start.encode("ascii") + payload).hexdigest()
    return start.encode("ascii") + digest.encode("ascii") + b"\n" + payload


def decode_checkpoint(data: bytes, *, unit_digest: str, format_version: int) -> bytes:
    """Return the payload of a checkpoint file.

    Raises
    ------
    CorruptCheckpoint
        If it is not whole, byte for byte.
    IncompatibleCheckpoint
        If it is whole, but of another unit, another payload format or another file layout.
    """
    line, newline, payload = data.partition(b"\n")
    words = line[:MAX_HEADER_BYTES].split(b" ")
    if not newline or len(words) != 6 or words[0] != MAGIC.encode("ascii"):
        raise CorruptCheckpoint("This is not a checkpoint, or its first line is damaged.")
    start = line[: -len(words[5])]
    if hashlib.sha256(start + payload).hexdigest().encode("ascii") != words[5]:
        raise CorruptCheckpoint
    if words[1] != str(LAYOUT).encode() or words[2] != str(format_version).encode():
        raise IncompatibleCheckpoint("The checkpoint was written by another version of the app.")
    if words[3] != unit_digest.encode():
        raise IncompatibleCheckpoint("The checkpoint belongs to another unit.")
    return payload


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # Some file systems refuse to sync a directory; the renames are still atomic there.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _to_stderr(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
