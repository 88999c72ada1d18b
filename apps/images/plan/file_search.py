"""Files that a pattern or a folder names: FITS files by what is in them, not by their names."""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from apps.images.plan.remarks import Remarks, some

SUFFIXES = (".fits", ".fit", ".fts", ".fz", ".ftz", ".new")
"""Files of a folder that must be FITS: one that cannot be read is refused, not left out."""
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zip", ".z")
UNREADABLE = (
    OSError, EOFError, ValueError, IndexError, RuntimeError, zlib.error, lzma.LZMAError,
    zipfile.BadZipFile,
)  # fmt: skip
"""Errors of decoders for damaged files, and for archives that are empty or have a password."""
_START = b"SIMPLE"


def matching(directory: Path, pattern: str, remarks: Remarks) -> list[Path]:
    """Return the files of a pattern, or the FITS files of a folder, sorted.

    Parameters
    ----------
    directory : Path
        Patterns are relative to it.
    pattern : str
        A file, a folder, or a pattern of `glob`. A name that exists is that name, whatever
        characters are in it.
    remarks : Remarks
        Told which files of a folder are left out, and why.
    """
    path = directory / pattern
    if path.is_dir():
        return _of_folder(path, remarks)
    if path.is_file():
        return [path]
    root, escaped = _escaped(directory, pattern)
    # Path.glob takes no absolute patterns.
    matches = glob.glob(escaped, root_dir=root, recursive=True)  # noqa: PTH207
    return sorted(root / name for name in matches if (root / name).is_file())


def is_fits(path: Path) -> bool:
    """Whether a file begins as FITS files do, decompressed if it is compressed as a whole."""
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_START))
        opener = _opener(start)
        if opener is None:
            return start == _START
        with opener(path) as packed:
            return bool(packed.read(len(_START)) == _START)
    except UNREADABLE:
        return False


def unpacked(path: Path) -> IO[bytes]:
    """Open a file for reading, decompressed if it is compressed as a whole."""
    with path.open("rb") as stream:
        opener = _opener(stream.read(len(_START)))
    return path.open("rb") if opener is None else opener(path)


def is_packed(path: Path) -> bool:
    """Whether a file is compressed as a whole."""
    with path.open("rb") as stream:
        return _opener(stream.read(len(_START))) is not None


def _opener(start: bytes) -> Callable[[Path], Any] | None:
    if start.startswith(b"\x1f\x8b"):
        return gzip.open
    if start.startswith(b"BZh"):
        return bz2.open
    if start.startswith(b"\xfd7zXZ"):
        return lzma.open
    if start.startswith(b"PK\x03\x04"):
        return _first_of_zip
    return None


def _first_of_zip(path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    return archive.open(archive.namelist()[0])


def _of_folder(folder: Path, remarks: Remarks) -> list[Path]:
    kept, folders, hidden, others = [], [], [], []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            hidden.append(path.name)
        elif path.is_dir():
            folders.append(path.name)
        elif is_fits(path) or _must_be_fits(path):
            kept.append(path)
        else:
            others.append(path.name)
    for left, why in (
        (others, "no FITS file"),
        (hidden, "hidden"),
        (folders, "a folder in it, whose files must be named by a pattern of their own"),
    ):
        if left:
            remarks.add(f"Of the folder {folder.name}, {some(left)} is left out: {why}.")
    return kept


def _must_be_fits(path: Path) -> bool:
    name = path.name.lower()
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    return name.endswith(SUFFIXES)


def _escaped(directory: Path, pattern: str) -> tuple[Path, str]:
    """Return where a pattern begins, and it without those of its folders that simply exist."""
    parts = Path(pattern).parts
    root = directory
    while len(parts) > 1 and (root / parts[0]).is_dir() and parts[0] != "**":
        root, parts = root / parts[0], parts[1:]
    return root, str(Path(*parts))
