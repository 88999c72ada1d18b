"""Binary tables: rows of a few columns, and the heap behind them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import FitsError
from boinc_project.fits.cards import Card, Header, card
from boinc_project.fits.files import FitsFile, Hdu

_TYPES = {"L": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_LETTERS = {"u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}
_FORM = re.compile(r"(\d{0,9})([LXBIJKAEDCMPQ])(.*)")
MAX_COLUMNS = 64
MAX_ROW_BYTES = 2**20


def read_table(file: FitsFile, hdu: Hdu) -> NDArray[Any]:
    """Return a table's rows as a structured array.

    Columns of texts are bytes; descriptors of variable-length columns are pairs of integers, length
    and place in the heap.

    Raises
    ------
    FitsError
        If it is not a binary table, or larger than the limits.
    """
    header = hdu.header
    if hdu.kind != "BINTABLE":
        raise FitsError(f"The extension {hdu.name} is not a table.")
    dtype = table_dtype(header)
    width = header.count("NAXIS1", most=MAX_ROW_BYTES)
    n = header.count("NAXIS2", most=file.limits.max_tiles)
    if header.count("NAXIS") != 2 or dtype.itemsize != width or header.number("BITPIX") != 8:
        raise FitsError("A table's columns do not fill its rows.")
    return np.frombuffer(file.read(hdu.start, n * width), dtype)


def table_dtype(header: Header) -> np.dtype[Any]:
    """Return the type of a row.

    Raises
    ------
    FitsError
        If a column is missing, of an unknown type, or named like another.
    """
    fields: list[Any] = []
    for column in range(1, header.count("TFIELDS", most=MAX_COLUMNS) + 1):
        found = _FORM.fullmatch(header.text(f"TFORM{column}"))
        if not found:
            raise FitsError(f"Column {column} of a table has no format.")
        repeat, letter = int(found[1] or 1), found[2]
        name = header.text(f"TTYPE{column}").upper() or f"COLUMN{column}"
        if repeat > MAX_ROW_BYTES or name in [field[0] for field in fields]:
            raise FitsError(f"Column {column} of a table cannot be read.")
        if letter in "PQ" and repeat in (0, 1):
            fields.append((name, ">i4" if letter == "P" else ">i8", (2 * repeat,)))
        elif letter == "A":
            fields.append((name, f"S{repeat}"))
        elif letter in _TYPES:
            fields.append((name, _TYPES[letter], () if repeat == 1 else (repeat,)))
        else:
            raise FitsError(f"Column {column} of a table has a type that is not read: {letter}.")
    return np.dtype(fields)


def table_header(rows: NDArray[Any], name: str) -> Header:
    """Return the header of a table without a heap; `rows` is a structured array of numbers."""
    cards = [
        card("XTENSION", "BINTABLE", "binary table"),
        card("BITPIX", 8),
        card("NAXIS", 2),
        card("NAXIS1", rows.dtype.itemsize, "bytes of a row"),
        card("NAXIS2", len(rows), "rows"),
        card("PCOUNT", 0),
        card("GCOUNT", 1),
        card("TFIELDS", len(rows.dtype.names or ())),
        card("EXTNAME", name),
    ]
    for column, field in enumerate(rows.dtype.names or (), 1):
        cards += _column_cards(column, field, rows.dtype[field])
    return Header(cards)


def table_bytes(rows: NDArray[Any]) -> bytes:
    """Return the rows as they are in a file."""
    return rows.astype(rows.dtype.newbyteorder(">")).tobytes()


def _column_cards(column: int, field: str, dtype: np.dtype[Any]) -> list[Card]:
    n = int(np.prod(dtype.shape)) if dtype.shape else 1
    form = f"{n}{_LETTERS[dtype.base.str[1:]]}"
    return [card(f"TTYPE{column}", field), card(f"TFORM{column}", form)]
