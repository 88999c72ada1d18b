"""Put a product's files into its directory: each whole or not at all, and safe against kills.

``provenance.json`` lists the files, so that the next product can remove those that it does not
have: the catalogue of an earlier image would look like that of the newer one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
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
    superseded: Iterable[str] = (),
) -> None:
    """Write a product: what `write_files` puts into the directory it is given, and what all have.

    A reader who sees the new summary sees all the other files new, and none of an earlier product.

    Parameters
    ----------
    directory : Path
        Of the product; files that no product has written stay there.
    write_files : callable
        Writes all files but the summary and the provenance into a directory.
    summary, provenance : mapping
        Plain JSON values; the list of files is added to the provenance.
    superseded : iterable of str
        Names of files that go, if they are there and not new, although no list may name them.
    """
    part = _begin(directory)
    write_files(part)
    names = sorted(path.name for path in part.iterdir())
    stale = (_listed(directory) | set(superseded)) - set(names)
    _write_json(part / PROVENANCE_FILE, {**provenance, "files": names})
    _write_json(part / SUMMARY_FILE, summary)
    _publish(part, stale)


def _listed(directory: Path) -> set[str]:
    """Return the names of the files that the product in a directory says it has."""
    try:
        told = json.loads((directory / PROVENANCE_FILE).read_text())
    except (OSError, ValueError):
        return set()
    names = told.get("files") if isinstance(told, dict) else None
    if not isinstance(names, list):
        return set()
    return {name for name in names if isinstance(name, str) and Path(name).name == name}


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


def _publish(part: Path, stale: Iterable[str]) -> None:
    """Move all files of `part` into the directory above it, durably, and remove the stale ones.

    The provenance comes after these, because it is the only list of them; the summary comes last.
    """
    directory, last = part.parent, (PROVENANCE_FILE, SUMMARY_FILE)
    for path in sorted(part.iterdir()):
        if path.name not in last:
            _move(path, directory)
    for name in stale:
        if (directory / name).is_file():
            (directory / name).unlink()
    for name in last:
        _move(part / name, directory)
    part.rmdir()
    _sync(directory)


def _move(path: Path, directory: Path) -> None:
    _sync(path)
    path.replace(directory / path.name)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
