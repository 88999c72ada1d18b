"""Soft links: how a slot names files that lie in the project's directory.

The client puts a small text file ``<soft_link>../../projects/E/physical</soft_link>`` under each
logical name (``client/sandbox.cpp``, ``boinc_resolve_filename``).
"""

from __future__ import annotations

import re
from pathlib import Path

MAX_LINK_BYTES = 512
_LINK = re.compile(rb"\s*<soft_link>([^<\n]+)</soft_link>")


def resolve(slot: Path, logical_name: str) -> Path:
    """Return where the file of a logical name really is, or is to be written."""
    path = slot / logical_name
    try:
        with path.open("rb") as stream:
            first = stream.read(MAX_LINK_BYTES)
    except OSError:
        return path
    found = _LINK.match(first)
    if found is None:
        return path
    return slot / found[1].decode("utf-8", errors="surrogateescape").strip()


def link_text(target: str) -> str:
    """Return the content of a soft link to `target`, a path relative to the slot."""
    return f"<soft_link>{target}</soft_link>\n"
