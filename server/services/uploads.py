"""The upload directory: output files, received in resumable pieces.

A part lies in ``.partial/``; a complete, verified, durable file lies in its fan-out directory and
is never written again. The upload certificate, signed by the server's upload key, tells name and
size limit, so no database is asked (``sched/file_upload_handler.cpp``).

Promises
--------
- ``STORED`` is answered only after the bytes and the name are on disk.
- The same upload may come twice, at once or after a lost reply: one file, the same answer.
- Two writers of one file never interleave: the part is locked while it is written.
- ``PERMANENT`` costs the volunteer the computed work, so only what can never be accepted gets it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path

from boinc_project.fanout import check_file_name, fanout_path
from boinc_project.protocol.upload import FileUpload, Readable, UploadReply, UploadStatus
from boinc_project.signing import PublicKey, verify_upload
from server.services.files import sync_directory

CHUNK_BYTES = 64 * 1024
"""Bytes in memory per upload; also the most that a killed server loses of what had arrived."""

PARTIAL = ".partial"
"""Begins with a dot, so that no file name and no fan-out directory can be equal to it."""


class UploadStore:
    """The upload directory.

    Parameters
    ----------
    root : Path
        The directory.
    fanout : int
        Number of fan-out directories.
    key : PublicKey
        Verifies the upload certificates.
    min_free_bytes : int
        Free disk space that must be left after an upload.
    free_bytes : Callable[[Path], int], optional
        Returns the free disk space at a path.
    """

    def __init__(
        self,
        root: Path,
        *,
        fanout: int,
        key: PublicKey,
        min_free_bytes: int,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self.root = root
        self.fanout = fanout
        self.key = key
        self._min_free_bytes = min_free_bytes
        self._free_bytes = free_bytes

    def path(self, name: str) -> Path:
        """Return where the complete output file `name` lies, or will lie."""
        return fanout_path(self.root, name, self.fanout)

    def stored_bytes(self, name: str) -> int:
        """Return how many bytes of a file have arrived; 0 if none."""
        for path in (self.path(name), self._part(name)):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                continue
        return 0

    def remove(self, name: str) -> None:
        """Delete an output file and any part of it."""
        self.path(name).unlink(missing_ok=True)
        self._part(name).unlink(missing_ok=True)

    def refusal(self, upload: FileUpload) -> UploadReply | None:
        """Return the answer to an upload whose body need not be read, or None."""
        if not verify_upload(upload.name, upload.max_nbytes, upload.signature, self.key):
            return _never(
                "The upload certificate is missing or does not match this file's name and size "
                "limit; only files that this project's scheduler asked for are accepted."
            )
        if upload.nbytes > upload.max_nbytes:
            return _never(
                f"The file has {upload.nbytes} bytes; at most {upload.max_nbytes} are accepted."
            )
        if not upload.md5:
            return _never("The upload has no <md5_cksum>, so it could never be verified.")
        if self.path(upload.name).exists():
            return UploadReply(UploadStatus.STORED)
        if upload.offset > upload.nbytes:
            return _never(
                f"The offset {upload.offset} lies beyond the file's {upload.nbytes} bytes."
            )
        if self._free_bytes(self.root) < self._min_free_bytes + upload.remaining:
            return _later("The server's disk is nearly full; the file will be taken later.")
        return None

    def receive(self, upload: FileUpload, body: Readable) -> UploadReply:
        """Write the bytes of `body` from the upload's offset on; finish the file if complete."""
        with self._locked_part(upload.name) as part:
            if part is None:
                return _later("Another connection is uploading this file right now.")
            if self.path(upload.name).exists():
                return UploadReply(UploadStatus.STORED)
            here = part.seek(0, os.SEEK_END)
            if here < upload.offset:
                return _later(
                    f"Bytes {here} to {upload.offset} are missing: ask for the file's size first."
                )
            part.seek(upload.offset)
            part.truncate()
            written = _copy(body, part, upload.remaining)
            if written < upload.remaining:
                return _later(
                    f"The connection ended after {upload.offset + written} of {upload.nbytes} "
                    "bytes; they are kept, go on from there."
                )
            if body.read(1):
                self._part(upload.name).unlink()
                return _never(f"More bytes came than the {upload.nbytes} that the header tells.")
            return self._finish(upload, part)

    def _finish(self, upload: FileUpload, part: BufferedRandom) -> UploadReply:
        path = self._part(upload.name)
        part.flush()
        part.seek(0)
        if hashlib.file_digest(part, "md5").hexdigest() != upload.md5:
            path.unlink()
            return _later("The file's md5 does not match what arrived; send it again from 0.")
        os.fchmod(part.fileno(), 0o444)
        os.fsync(part.fileno())
        final = self.path(upload.name)
        final.parent.mkdir(parents=True, exist_ok=True)
        path.rename(final)
        sync_directory(final.parent)
        sync_directory(self.root)
        return UploadReply(UploadStatus.STORED)

    def _part(self, name: str) -> Path:
        return self.root / PARTIAL / check_file_name(name)

    @contextmanager
    def _locked_part(self, name: str) -> Iterator[BufferedRandom | None]:
        """Open the part for writing, locked; None if another holds it."""
        path = self._part(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "r+b") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            # Between open and lock another writer may have finished or dropped this very part:
            # then the name belongs to another file, or to none, and this one must not be written.
            yield stream if _same_file(stream, path) else None


def _same_file(stream: BufferedRandom, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _copy(body: Readable, part: BufferedRandom, nbytes: int) -> int:
    """Copy at most `nbytes` bytes; stop where the connection does. Return how many came."""
    written = 0
    while written < nbytes:
        try:
            piece = body.read(min(CHUNK_BYTES, nbytes - written))
        except OSError:  # reset, or silent for too long
            break
        if not piece:
            break
        part.write(piece)
        # Out of Python's buffer at once: what the kernel has, a killed server has not lost.
        part.flush()
        written += len(piece)
    return written


def _later(message: str) -> UploadReply:
    return UploadReply(UploadStatus.TRANSIENT, message)


def _never(message: str) -> UploadReply:
    return UploadReply(UploadStatus.PERMANENT, message)
