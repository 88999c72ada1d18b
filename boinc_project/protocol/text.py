"""Writing of texts that BOINC clients read line by line."""

from __future__ import annotations

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def escape(text: str) -> str:
    """Return `text` for use inside an element: one line, markup escaped.

    Non-ASCII characters stay as they are; texts are sent as UTF-8.
    """
    text = text.translate(_ESCAPES)
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def element(name: str, value: object) -> str:
    """Return one element on a line of its own."""
    return f"<{name}>{escape(str(value))}</{name}>\n"


def number(value: float) -> str:
    """Return a number as the client's ``strtod`` reads it back exactly, without needless digits."""
    as_integer = int(value) if abs(value) < 1e15 else None
    return str(as_integer) if as_integer == value else repr(float(value))


def block(name: str, raw: str) -> str:
    """Return an element whose raw text stands on lines of its own, unindented.

    For keys and signatures: their lines and the closing tag must not be indented
    (``lib/crypt.cpp`` reads them with ``scanf``).
    """
    return f"<{name}>\n{raw.strip()}\n</{name}>\n"
