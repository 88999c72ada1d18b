"""Fan-out directories: where a file lies under the download and upload roots.

Thousands of files in one directory are slow to list and to back up, so BOINC spreads them over
sub-directories named by a hash of the file's name (``sched/sched_util_basic.cpp``).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath

from boinc_project.errors import MalformedRequest

MAX_NAME_BYTES = 254
"""What the tables hold; the client's buffers take one more."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def fanout_directory(name: str, fanout: int) -> str:
    """Return the sub-directory of a file: lower-case hexadecimal, no padding.

    BOINC's rule: the hexadecimal digits 1 to 7 of the md5 of the name, modulo `fanout`.

    Examples
    --------
    >>> fanout_directory("wu7_in", 1024)
    '1f6'
    """
    return f"{int(hashlib.md5(name.encode()).hexdigest()[1:8], 16) % fanout:x}"


def fanout_path(root: Path, name: str, fanout: int) -> Path:
    """Return where the file `name` lies under `root`.

    Raises
    ------
    MalformedRequest
        If the name is not a plain file name; see `check_file_name`.
    """
    check_file_name(name)
    return root / fanout_directory(name, fanout) / name


def fanout_url_path(name: str, fanout: int) -> str:
    """Return the file's path relative to the download URL, e.g. ``1f6/wu7_in``."""
    check_file_name(name)
    return str(PurePosixPath(fanout_directory(name, fanout)) / name)


def check_file_name(name: str) -> str:
    """Return `name` if it is a plain file name that every client and file system takes.

    Raises
    ------
    MalformedRequest
        If it is empty, longer than 254 bytes, does not begin with a letter or digit, holds ``..``,
        or holds anything but letters, digits and ``. _ -``. BOINC clients refuse ``..`` and ``%``
        themselves; slashes, blanks and control characters have no place on the server's disk.
    """
    if not name or len(name) > MAX_NAME_BYTES:
        raise MalformedRequest(
            f"A file name must have 1 to {MAX_NAME_BYTES} characters; this one has {len(name)}.",
            name=name[:MAX_NAME_BYTES],
        )
    if ".." in name or _NAME.fullmatch(name) is None:
        raise MalformedRequest(
            f"The file name {name!a} is not allowed: use letters, digits and . _ - only, begin "
            "with a letter or digit, and put no two dots in a row.",
            name=name,
        )
    return name
