"""The files that clients download: put there once, never changed, found by their URL path.

BOINC clients keep a file's old size and digest when its name comes again with other bytes, so a
name stands for one sequence of bytes for ever. Application files lie in the root of the download
directory, workunit inputs in fan-out directories.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from boinc_project.errors import InputError, MalformedRequest
from boinc_project.fanout import check_file_name, fanout_directory, fanout_path, fanout_url_path
from boinc_project.input_store import StoredInput, lay

_OTHER_BYTES = (
    "{name} was published before with other bytes; clients keep what they have under a name for "
    "ever, so give the new file a new name."
)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the download directory, as the scheduler describes it to clients."""

    name: str
    path: Path
    nbytes: int
    md5: str
    sha256: str


class DownloadStore:
    """The download directory.

    Parameters
    ----------
    root : Path
        The directory.
    fanout : int
        Number of fan-out directories; fixed for the life of the project.
    """

    def __init__(self, root: Path, fanout: int) -> None:
        self.root = root
        self.fanout = fanout

    def path(self, name: str) -> Path:
        """Return where the workunit input `name` lies."""
        return fanout_path(self.root, name, self.fanout)

    def url_path(self, name: str) -> str:
        """Return the input's path below ``/download/``."""
        return fanout_url_path(name, self.fanout)

    def add(self, name: str, data: bytes) -> StoredFile:
        """Store a workunit input; storing the same bytes again does nothing.

        Raises
        ------
        InputError
            If other bytes were stored under this name before.
        MalformedRequest
            If the name is not a plain file name.
        """
        return _store(self.path(name), data)

    def add_file(self, name: str, source: Path, known: StoredInput) -> StoredFile:
        """Store a large workunit input that lies elsewhere; see `add`.

        Parameters
        ----------
        name : str
            Its name bears its digest: a file of this name and size that is there is this one.
        source : Path
            Where the bytes are; not read if the file is there already.
        known : StoredInput
            Their digests and size.
        """
        path = self.path(name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            lay(source, path)
            path.chmod(0o644)
            sync_directory(path.parent)
        elif path.stat().st_size != known.nbytes:
            raise InputError(_OTHER_BYTES.format(name=name), name=name)
        return StoredFile(name, path, known.nbytes, known.md5, known.sha256)

    def add_application_file(self, name: str, data: bytes) -> StoredFile:
        """Store a file of an app version in the root of the directory; see `add`."""
        return _store(self.root / check_file_name(name), data)

    def remove(self, name: str) -> None:
        """Delete a workunit input; one that is not there is already deleted."""
        self.path(name).unlink(missing_ok=True)

    def find(self, url_path: str) -> Path | None:
        """Return the regular file that a URL path below ``/download/`` names, or None.

        Only two forms name a file: ``NAME`` and ``FANOUT/NAME`` with the name's own fan-out
        directory. Nothing else is looked up, so no path can leave the directory.
        """
        directory, _, name = url_path.rpartition("/")
        try:
            check_file_name(name)
        except MalformedRequest:
            return None
        if directory and directory != fanout_directory(name, self.fanout):
            return None
        path = self.root / directory / name
        try:
            # lstat: a symbolic link could point anywhere, and we never make one.
            return path if stat.S_ISREG(path.lstat().st_mode) else None
        except (FileNotFoundError, NotADirectoryError):
            return None


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, whatever happens in between.

    The bytes are on disk (``fsync``) before the name appears, and the name before the call ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        Path(temporary).rename(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _store(path: Path, data: bytes) -> StoredFile:
    if path.exists():
        if path.read_bytes() != data:
            raise InputError(_OTHER_BYTES.format(name=path.name), name=path.name)
    else:
        write_durably(path, data)
    return StoredFile(
        name=path.name,
        path=path,
        nbytes=len(data),
        md5=hashlib.md5(data).hexdigest(),
        sha256=hashlib.sha256(data).hexdigest(),
    )
