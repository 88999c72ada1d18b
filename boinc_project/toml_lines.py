"""Where the keys of a TOML file stand: tomllib gives values without lines, errors need them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

KeyPath = tuple[str | int, ...]

# The tokens that matter for finding where a statement ends: whatever may hide a line end, a
# bracket or an equals sign. https://toml.io/en/v1.0.0
_TOKEN = re.compile(
    r"""
      (?P<comment>\#[^\n]*)
    | (?P<text>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<equals>=) | (?P<end>\n) | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, counted from 1, of every table header and key of a valid TOML text.

    Keys are paths from the top of the file; an element of an array of tables is its index. Keys
    inside an inline table are not listed: they stand where the table stands.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, head in _statements(text):
        if head.startswith("[["):
            path = _placed(_split(head[2:-2]), counts)
            counts[path] = counts.get(path, -1) + 1
            table = (*path, counts[path])
            lines.setdefault(path, line)
            lines[table] = line
        elif head.startswith("["):
            table = _placed(_split(head[1:-1]), counts)
            lines[table] = line
        else:
            key = _split(head)
            for end in range(1, len(key) + 1):
                lines.setdefault((*table, *key[:end]), line)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and head of each statement: a header with its brackets, or the key before =."""
    line, depth, start = 1, 0, 1
    head, reading = "", True
    for token in _TOKEN.finditer(text):
        kind, piece = token.lastgroup, token.group()
        if kind == "end" and depth == 0:
            if head.strip():
                yield start, head.strip()
            head, reading = "", True
        elif kind == "equals" and depth == 0:
            reading = False
        elif reading and kind not in {"comment", "end"}:
            if not head.strip():
                start = line
            head += piece
        depth += {"open": 1, "close": -1}.get(kind or "", 0)
        line += piece.count("\n")
    if head.strip():
        yield start, head.strip()


def _split(dotted: str) -> KeyPath:
    """Split a dotted key, quotes and all, as TOML itself does."""
    value: Any = tomllib.loads(f"{dotted.strip()} = 0")
    path: list[str | int] = []
    while isinstance(value, dict):
        ((name, value),) = value.items()
        path.append(name)
    return tuple(path)


def _placed(path: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    """Insert the index of the newest element of every array of tables that `path` goes through."""
    placed: KeyPath = ()
    for position, name in enumerate(path):
        placed = (*placed, name)
        if position < len(path) - 1 and placed in counts:
            placed = (*placed, counts[placed])
    return placed
