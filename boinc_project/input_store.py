"""Large input files by their content: bytes lie on disk once, and digests travel.

A campaign of images has gigabytes of inputs. They are never held in memory together, nor kept in
a campaign's definition: each is written once, and named by the SHA-256 of its bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from boinc_project.errors import InputError

_BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class StoredInput:
    """What is known of a large input file without its bytes.

    Attributes
    ----------
    sha256, md5 : str
        Of its bytes, in hexadecimal; BOINC clients check the latter.
    nbytes : int
        Its size.
    """

    sha256: str
    md5: str
    nbytes: int


class InputStore:
    """A directory of files named by their digests.

    Parameters
    ----------
    root : Path
        The directory; made when it is first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str) -> Path:
        """Return where the file with this digest lies, or would lie."""
        return self.root / sha256[:2] / sha256

    def add(self, write: Callable[[Path], None]) -> StoredInput:
        """Store what `write` writes into the path that it is given.

        The file appears whole or not at all; the same bytes again are the same file.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=self.root) as directory:
            path = Path(directory) / "file"
            write(path)
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
            stored = describe(path)
            final = self.path(stored.sha256)
            final.parent.mkdir(exist_ok=True)
            path.rename(final)
        return stored

    def find(self, sha256: str) -> Path:
        """Return where the file with this digest lies.

        Raises
        ------
        InputError
            If it is not there.
        """
        path = self.path(sha256)
        if not path.is_file():
            raise InputError(
                f"The input file {sha256[:16]} is not in {self.root}: plan the campaign again.",
                sha256=sha256,
            )
        return path


def describe(path: Path) -> StoredInput:
    """Return a file's digests and size, reading it once, a megabyte at a time."""
    sha256, md5, nbytes = hashlib.sha256(), hashlib.md5(), 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            sha256.update(block)
            md5.update(block)
            nbytes += len(block)
    return StoredInput(sha256.hexdigest(), md5.hexdigest(), nbytes)


def lay(source: Path, target: Path) -> None:
    """Put a file of a store where it is wanted: as another name of the same bytes if that can be.

    The target appears whole or not at all, and replaces what was there. Several processes may do
    this with one target at once.
    """
    with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as directory:
        part = Path(directory) / target.name
        try:
            os.link(source, part)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, part)
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
        part.replace(target)
