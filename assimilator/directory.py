"""Put a product's files into its directory: each whole or not at all, and safe against kills."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from assimilator.provenance import PROVENANCE_FILE

SUMMARY_FILE = "summary.json"
PART = ".new-"
"""Beginning of the name of a directory whose files are still being written."""


def write_product(
    directory: Path,
    write_files: Callable[[Path], None],
    *,
    summary: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> None:
    """Write a product: what `write_files` puts into the directory it is given, and what all have.

    A reader who sees the new summary sees all the other files new.
    """
    part = _begin(directory)
    write_files(part)
    _write_json(part / PROVENANCE_FILE, provenance)
    _write_json(part / SUMMARY_FILE, summary)
    _publish(part, last=SUMMARY_FILE)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write plain JSON values; NaN is refused."""
    path.write_text(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def _begin(directory: Path) -> Path:
    """Return an empty directory for the new files; what a killed writer left is removed."""
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob(f"{PART}*"):
        shutil.rmtree(left)
    part = directory / f"{PART}{os.getpid()}"
    part.mkdir()
    return part


def _publish(part: Path, last: str) -> None:
    """Move all files of `part` into the directory above it, durably; the file `last` comes last."""
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
