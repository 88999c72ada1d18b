"""Whether the app's own files are the published ones, and the digest that names them all.

A frozen app lies in a directory of its own, unpacked by its launcher; the client checked the
signature of the archive, but nobody checks the directory again. So the app does, at every start,
against ``app_files.sha256``: one line a file, ``<sha256>  <path>``, sorted by path, which
``sha256sum -c`` also understands. The launcher is signed and states the digest of that list.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from apps.runtime.errors import AppFilesError

LIST_FILE = "app_files.sha256"
DIGEST_VARIABLE = "OPENASTRO_APP_DIGEST"
"""Environment variable in which the launcher states the digest of the list."""
_SOURCE_SUFFIXES = (".py", ".so", ".pyd")


def list_text(root: Path) -> str:
    """Return the digest list of all files below `root`, except the list itself."""
    paths = (path for path in _files(root) if path != root / LIST_FILE)
    return _list_text(root, paths)


def check_tree(root: Path, expected_digest: str | None = None) -> str:
    """Compare every file below `root` with the list there.

    Parameters
    ----------
    root : Path
        The unpacked app.
    expected_digest : str | None
        SHA-256 of the list, from a source that is signed; None if there is none.

    Returns
    -------
    str
        SHA-256 of the list: the app's digest.

    Raises
    ------
    AppFilesError
        If a file is changed, missing or not listed, or the list is not the expected one. The list
        is renamed away then, so that the launcher unpacks the app anew next time.
    """
    path = root / LIST_FILE
    try:
        listed = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise AppFilesError(
            f"The app's digest list {LIST_FILE} is missing or unreadable."
        ) from None
    digest = hashlib.sha256(listed.encode()).hexdigest()
    try:
        if expected_digest and digest != expected_digest:
            raise AppFilesError(f"The app's digest list {LIST_FILE} is not the published one.")
        _compare(listed, list_text(root))
    except AppFilesError:
        _discard(path)
        raise
    return digest


def source_digest(packages: Mapping[str, Path]) -> str:
    """Return the digest of an app that is not frozen: over the sources of its packages.

    Parameters
    ----------
    packages : Mapping[str, Path]
        Directory of each package by its name.
    """
    lines = []
    for name, root in sorted(packages.items()):
        # Python checks its caches against the sources itself.
        sources = (path for path in _files(root) if path.suffix in _SOURCE_SUFFIXES)
        paths = (path for path in sources if path.parent.name != "__pycache__")
        lines.append(f"[{name}]\n{_list_text(root, paths)}")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def own_digest(environ: Mapping[str, str] = os.environ) -> str:
    """Check the files of the running app and return its digest.

    Raises
    ------
    AppFilesError
        If the app is frozen and its files are not the published ones.
    """
    if getattr(sys, "frozen", False):
        return check_tree(Path(sys.executable).resolve().parent, environ.get(DIGEST_VARIABLE))
    apps = Path(__file__).resolve().parents[1]
    return source_digest({"apps": apps, "boinc_project": apps.parent / "boinc_project"})


def _compare(listed: str, found: str) -> None:
    if listed == found:
        return
    wanted, present = _entries(listed), _entries(found)
    for path in sorted(wanted.keys() | present.keys()):
        if path not in present:
            raise AppFilesError(f"The app's file {path} is missing.", path=path)
        if path not in wanted:
            raise AppFilesError(f"The file {path} does not belong to the app.", path=path)
        if wanted[path] != present[path]:
            raise AppFilesError(f"The app's file {path} has been changed.", path=path)
    raise AppFilesError(f"The app's digest list {LIST_FILE} is not in its canonical order.")


def _entries(text: str) -> dict[str, str]:
    entries = {}
    for line in text.splitlines():
        digest, _, path = line.partition("  ")
        entries[path] = digest
    return entries


def _list_text(root: Path, paths: Iterator[Path]) -> str:
    lines = []
    for path in paths:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        lines.append((path.relative_to(root).as_posix(), digest))
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(lines))


def _files(root: Path) -> Iterator[Path]:
    for directory, _, files in os.walk(root):
        for name in files:
            yield Path(directory) / name


def _discard(path: Path) -> None:
    try:
        path.replace(path.with_name(path.name + ".bad"))
    except OSError as error:
        sys.stderr.write(f"{path} cannot be renamed ({error.strerror}).\n")
