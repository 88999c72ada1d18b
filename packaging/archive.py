"""A reproducible archive: the same files give the same bytes."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

LEVEL = 9


def write_archive(tree: Path, path: Path) -> None:
    """Pack all files below `tree`, sorted, without times and owners, into a ``.tar.gz``."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for member in sorted(tree.rglob("*"), key=lambda one: one.relative_to(tree).as_posix()):
            archive.add(
                member,
                arcname=member.relative_to(tree).as_posix(),
                recursive=False,
                filter=_anonymous,
            )


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mtime = 0
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    return info
