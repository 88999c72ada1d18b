"""What is finished of a unit: codes in a spool, which only grows, and an index of them.

A checkpoint holds the index and how much of the spool it speaks of. Both go to the disk before the
checkpoint does, so that what it names is there whenever the machine dies; what lies behind in the
spool is cut off.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.compute.tiles import Tile
from apps.runtime.checkpoint import CheckpointFile
from boinc_project.errors import CorruptCheckpoint

CHECKPOINT_FORMAT = 1
CHECKPOINT_FILE = "checkpoint"
SPOOL_FILE = "tiles.spool"

_ROW = np.dtype(
    [
        ("frame", "<i4"),
        ("tile", "<i4"),
        ("offset", "<i8"),
        ("pixels", "<i4"),
        ("variance", "<i4"),
        ("count", "<i4"),
        ("digest", "u1", (32,)),
    ]
)


class Finished:
    """The finished tiles of a unit.

    Parameters
    ----------
    slot : Path
        Where checkpoint and spool are.
    unit_digest : str
        Identity of the unit.
    n_tile : list[int]
        Tiles of each frame.
    """

    def __init__(self, slot: Path, unit_digest: str, n_tile: list[int]) -> None:
        self._file = CheckpointFile(
            slot / CHECKPOINT_FILE, unit_digest, format_version=CHECKPOINT_FORMAT
        )
        self._n_tile = n_tile
        self._rows: dict[tuple[int, int], Any] = {}
        self._path = slot / SPOOL_FILE
        length = self._resume()
        self._spool = self._path.open("r+b" if self._path.exists() else "w+b")
        self._spool.truncate(length)
        self._spool.seek(length)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, place: object) -> bool:
        return place in self._rows

    def add(self, frame: int, tile: Tile, *, keep_pixels: bool) -> None:
        """Take a tile; only its digest, if its pixels are not asked for."""
        offset = self._spool.tell()
        codes = tile.codes() if keep_pixels else (b"", b"")
        for code in codes:
            self._spool.write(code)
        row = np.zeros((), _ROW)
        lengths = tuple(len(code) for code in codes)
        digest = np.frombuffer(tile.digest(), np.uint8)
        row[()] = (frame, tile.number, offset, *lengths, tile.count, digest)
        self._rows[frame, tile.number] = row

    def save(self) -> None:
        """Write a checkpoint.

        Raises
        ------
        OSError
            If the disk is full or failing; older checkpoints are still good.
        """
        self._spool.flush()
        os.fsync(self._spool.fileno())
        length = self._spool.tell()
        head = json.dumps({"length": length, "sha256": self._digest(length)}).encode()
        rows = np.array([row[()] for row in self._rows.values()], _ROW)
        self._file.save(head + b"\n" + rows.tobytes())

    def digests(self, frame: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Return the digests and the counts of a frame's tiles."""
        rows = self._of(frame)
        return rows["digest"].copy(), rows["count"].astype(np.int32)

    def codes(self, frame: int, part: str) -> Iterator[bytes]:
        """Yield the codes of a frame's tiles: of ``pixels`` or of ``variance``."""
        self._spool.flush()
        for row in self._of(frame):
            offset = int(row["offset"]) + (int(row["pixels"]) if part == "variance" else 0)
            yield os.pread(self._spool.fileno(), int(row[part]), offset)

    def close(self) -> None:
        """Close the spool."""
        self._spool.close()

    def _of(self, frame: int) -> NDArray[Any]:
        wanted = [self._rows[frame, number] for number in range(self._n_tile[frame])]
        return np.array([row[()] for row in wanted], _ROW)

    def _digest(self, length: int) -> str:
        digest = hashlib.sha256()
        with self._path.open("rb") as stream:
            while length:
                piece = stream.read(min(length, 2**20))
                if not piece:
                    raise CorruptCheckpoint("The spool of finished tiles is shorter than it was.")
                digest.update(piece)
                length -= len(piece)
        return digest.hexdigest()

    def _resume(self) -> int:
        """Load the newest checkpoint that is whole; return the length of its spool."""
        payload = self._file.load()
        if payload is None:
            return 0
        try:
            length, rows = self._parse(payload)
        except (CorruptCheckpoint, ValueError, KeyError, TypeError, OSError):
            # The spool is not what any checkpoint speaks of: nothing older can be better.
            self._file.remove()
            return 0
        self._rows = {(int(row["frame"]), int(row["tile"])): row for row in rows}
        return length

    def _parse(self, payload: bytes) -> tuple[int, NDArray[Any]]:
        head, newline, data = payload.partition(b"\n")
        stated = json.loads(head)
        length, rows = int(stated["length"]), np.frombuffer(data, _ROW)
        if not newline or self._digest(length) != stated["sha256"]:
            raise CorruptCheckpoint("The spool of finished tiles was changed.")
        for row in rows:
            end = int(row["offset"]) + int(row["pixels"]) + int(row["variance"])
            frame = int(row["frame"])
            if not (0 <= frame < len(self._n_tile) and 0 <= row["tile"] < self._n_tile[frame]):
                raise CorruptCheckpoint("The checkpoint has tiles that the unit has not.")
            if min(row["offset"], row["pixels"], row["variance"]) < 0 or end > length:
                raise CorruptCheckpoint("The checkpoint has tiles that the spool has not.")
        return length, rows
