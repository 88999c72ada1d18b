"""Reading of texts that look like XML but need not be.

BOINC clients print their requests line by line without escaping everything (host names, stderr,
trickle texts), so an XML parser refuses honest requests. This scanner takes one level at a time:
an element runs from its opening tag to the first closing tag of the same name, and what is between
stays raw until somebody asks. No element is ever read twice, nothing is expanded, and an unclosed
element ends the scan, so time and memory are linear in the length of the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from boinc_project.errors import MalformedRequest

_OPEN = re.compile(r"<([A-Za-z_][A-Za-z0-9_.\-]*)(?:\s[^<>]*?)?(/?)>")
_ENTITY = re.compile(r"&(?:(lt|gt|quot|apos|amp)|#([0-9]{1,3}));")
_NAMED = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_MARK = "\0"  # cut_out removes it from what it reads, so nobody else can set it
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?\Z")


def elements(text: str) -> Iterator[tuple[str, str]]:
    """Yield the elements of one level as (name, raw text inside).

    ``<x/>`` yields ``("x", "1")``: in this protocol an empty tag is a flag that is set.

    Raises
    ------
    MalformedRequest
        When an element is not closed.
    """
    position = 0
    while match := _OPEN.search(text, position):
        name, empty = match.groups()
        position = match.end()
        if empty:
            yield name, "1"
            continue
        end = text.find(f"</{name}>", position)
        if end < 0:
            raise MalformedRequest(f"The element <{name[:40]}> is not closed.", element=name)
        yield name, text[position:end]
        position = end + len(name) + 3


def first_elements(text: str) -> dict[str, str]:
    """Return one level as a dictionary; of equal names the first wins."""
    found: dict[str, str] = {}
    for name, inner in elements(text):
        found.setdefault(name, inner)
    return found


def pick(text: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return some elements of a block, wherever in it they are; of equal names the first.

    For blocks of many elements of which few matter. Unlike `elements` it does not mind what lies
    between; the time is linear for each name.
    """
    found = {}
    for name in names:
        start = text.find(f"<{name}>")
        if start >= 0:
            start += len(name) + 2
            end = text.find(f"</{name}>", start)
            if end >= 0:
                found[name] = text[start:end]
    return found


def cut_out(text: str, names: frozenset[str]) -> tuple[str, list[str]]:
    """Take the free texts called `names` out of `text`, wherever they are.

    Each is replaced by an element of the same name that holds a mark, which `taken` turns into the
    text: what a program printed can then not be mistaken for an element of the request. A text
    that opens a CDATA section ends at the first closing tag after the section's end.

    Raises
    ------
    MalformedRequest
        When one of them is not closed.
    """
    text = text.replace(_MARK, "")
    opening = re.compile(f"<({'|'.join(sorted(names))})>")
    kept: list[str] = []
    texts: list[str] = []
    sectioned = set(names)
    position = 0
    while match := opening.search(text, position):
        name = match.group(1)
        end = text.find(f"</{name}>", match.end())
        if end < 0:
            raise MalformedRequest(f"The element <{name}> is not closed.", element=name)
        if name in sectioned and text.find("<![CDATA[", match.end(), end) >= 0:
            closing = re.compile(rf"\]\]>\s{{0,8}}(</{name}>)").search(text, match.end())
            if closing:
                end = closing.start(1)
            else:
                sectioned.discard(name)  # nor is there one further on: never search again
        kept += [text[position : match.end()], f"{_MARK}{len(texts)}</{name}>"]
        texts.append(text[match.end() : end])
        position = end + len(name) + 3
    kept.append(text[position:])
    return "".join(kept), texts


def taken(raw: str | None, texts: list[str]) -> str:
    """Return the text that `cut_out` took from an element; empty if it took none there."""
    if raw is None or not raw.startswith(_MARK):
        return ""
    return texts[int(raw[1:])]


def plain(raw: str, *, limit: int = 255) -> str:
    """Return the text of a one-line element: trimmed, entities resolved, as UTF-8 says.

    Control characters are dropped (a database need not store them); what is longer than `limit`
    characters is cut.
    """
    return _CONTROL.sub("", unescape(raw)).replace("\n", " ").strip()[:limit]


def unescape(raw: str) -> str:
    """Resolve BOINC's entities (``lib/parse.cpp``: five names and ``&#N;`` for bytes) and UTF-8.

    `raw` is the wire's bytes decoded as Latin-1. A byte sequence that is not UTF-8 is shown with
    replacement characters.
    """
    if "&" in raw:
        raw = _ENTITY.sub(_resolve, raw)
    if raw.isascii():
        return raw
    return raw.encode("latin-1", "replace").decode("utf-8", "replace")


def _resolve(match: re.Match[str]) -> str:
    name, number = match.groups()
    if name:
        return _NAMED[name]
    value = int(number)
    return chr(value) if value < 256 else match.group(0)


def integer(raw: str, name: str) -> int:
    """Return a decimal integer of at most 18 digits.

    Raises
    ------
    MalformedRequest
        When it is not one.
    """
    text = raw.strip()
    if not _INTEGER.match(text):
        raise MalformedRequest(f"<{name}> must be a whole number.", element=name)
    return int(text)


def decimal(raw: str, name: str) -> float:
    """Return a finite decimal number.

    Raises
    ------
    MalformedRequest
        When it is not one; ``nan`` and ``inf`` are not.
    """
    text = raw.strip()
    value = float(text) if len(text) <= 400 and _DECIMAL.match(text) else math.nan
    if not math.isfinite(value):
        raise MalformedRequest(f"<{name}> must be a finite number.", element=name)
    return value


def decimal_or(raw: str | None, default: float) -> float:
    """Return a finite decimal number, or `default` for anything else.

    For measurements of the host, which some clients print as ``nan``: they decide nothing that a
    wrong value could harm, and a volunteer must not be locked out by them.
    """
    if raw is None:
        return default
    try:
        return decimal(raw, "")
    except MalformedRequest:
        return default


def integer_or(raw: str | None, default: int) -> int:
    """Return an integer, or `default` for anything else; see `decimal_or`."""
    if raw is None:
        return default
    try:
        return integer(raw, "")
    except MalformedRequest:
        return default


def flag(raw: str | None) -> bool:
    """Return a BOINC boolean: ``<x/>``, ``<x>1</x>`` or ``<x>0</x>``."""
    return raw is not None and raw.strip() not in ("", "0")
