"""The files of a campaign's newest product: names, sizes and digests; only reads.

A file's digest is taken of its own bytes, not of what the database says of them. It is kept in
memory for as long as the file is the same (device, inode, size, time): the assimilator replaces
files by renaming, so changed bytes are always another inode.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader
from pathlib import Path

from boinc_project.errors import MalformedRequest
from boinc_project.fanout import check_file_name
from server.services.moment import moment

MEDIA_TYPES = {
    ".h5": "application/x-hdf5",
    ".nc": "application/x-netcdf",
    ".json": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".fits": "application/fits",
    ".ecsv": "text/plain; charset=utf-8",
}

_Key = tuple[int, int, int, int]
MAX_REMEMBERED = 10_000
"""Digests kept: 64 bytes each, so less than 3 MB; all campaigns of design size times ten files."""


@dataclass(frozen=True, slots=True)
class ProductFile:
    """One file of a product.

    Attributes
    ----------
    name : str
        Plain file name.
    nbytes : int
        Size, bytes.
    sha256 : str
        Of the bytes, hexadecimal.
    modified : datetime
        Last change.
    media_type : str
        For ``Content-Type``.
    """

    name: str
    nbytes: int
    sha256: str
    modified: datetime
    media_type: str


class DigestMemory:
    """SHA-256 of files, taken once for every (device, inode, size, time)."""

    def __init__(self) -> None:
        self._digests: dict[_Key, str] = {}
        self._lock = threading.Lock()

    def digest(self, stream: BufferedReader) -> str:
        """Return the SHA-256 of an open file, in hexadecimal; its position ends at 0."""
        status = os.fstat(stream.fileno())
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            known = self._digests.get(key)
        if known is not None:
            return known
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
        with self._lock:
            if len(self._digests) >= MAX_REMEMBERED:
                self._digests.clear()
            self._digests[key] = digest
        return digest


def product_files(products: Path, campaign: str, memory: DigestMemory) -> tuple[ProductFile, ...]:
    """Return the files of a campaign's product, by name; empty while there is none.

    Parameters
    ----------
    products : Path
        The directory of all products.
    campaign : str
        A campaign's name, known to the database.
    memory : DigestMemory
        Digests known so far.
    """
    try:
        names = sorted(path.name for path in (products / campaign).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    found = []
    for name in names:
        opened = open_product_file(products, campaign, name, memory)
        if opened is not None:
            file, stream = opened
            stream.close()
            found.append(file)
    return tuple(found)


def open_product_file(
    products: Path, campaign: str, name: str, memory: DigestMemory
) -> tuple[ProductFile, BufferedReader] | None:
    """Open one file of a product, for the caller to close; None if there is no such file.

    Only a regular file directly in the campaign's directory is ever opened: no path that `name`
    could spell leads elsewhere, and hidden files (those being written) do not count. Digest and
    bytes belong together even when the file is replaced in between, because both are of the same
    open file.
    """
    stream = _open(products, campaign, name)
    if stream is None:
        return None
    status = os.fstat(stream.fileno())
    file = ProductFile(
        name=name,
        nbytes=status.st_size,
        sha256=memory.digest(stream),
        modified=moment(status.st_mtime),
        media_type=MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream"),
    )
    return file, stream


def _open(products: Path, campaign: str, name: str) -> BufferedReader | None:
    try:
        check_file_name(name)
        check_file_name(campaign)
    except MalformedRequest:
        return None
    try:
        # NOFOLLOW and NONBLOCK: never through a symbolic link, never stuck on a FIFO.
        descriptor = os.open(
            products / campaign / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        )
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb")
