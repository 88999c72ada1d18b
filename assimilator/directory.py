"""Put a product's files into its directory: each whole or not at all, and safe against kills."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PART = ".new-"
"""Beginning of the name of a directory whose files are still being written."""


def begin(directory: Path) -> Path:
    """Return an empty directory for the new files; what a killed writer left is removed."""
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob(f"{PART}*"):
        shutil.rmtree(left)
    part = directory / f"{PART}{os.getpid()}"
    part.mkdir()
    return part


def publish(part: Path, last: str) -> None:
    """Move all files of `part` into the directory above it, durably; the file `last` comes last.

    A reader who sees the new `last` therefore sees all the others new.
    """
    for path in sorted(part.iterdir(), key=lambda path: (path.name == last, path.name)):
        _sync(path)
        path.replace(part.parent / path.name)
    part.rmdir()
    _sync(part.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
