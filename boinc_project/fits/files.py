"""A FITS file opened for reading: where its parts are, and their bytes, a few at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

from boinc_project.errors import FitsError
from boinc_project.fits.cards import BLOCK, CARD, Card, Header, parse_card


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest file that is read at all."""

    max_bytes: int = 2**32
    """Bytes of the file."""
    max_hdu: int = 256
    """Header and data units."""
    max_header_blocks: int = 200
    """Blocks of 36 cards in a header."""
    max_pixels: int = 2**29
    """Pixels of an image."""
    max_tiles: int = 2**20
    """Tiles of a compressed image, rows of a table."""
    max_tile_pixels: int = 2**26
    """Pixels of a tile, which is unpacked at once."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Hdu:
    """A header and where its data are.

    Attributes
    ----------
    header : Header
        The header.
    start : int
        Byte of the file at which the data begin.
    size : int
        Bytes of data, without padding.
    """

    header: Header
    start: int
    size: int

    @property
    def name(self) -> str:
        """``EXTNAME`` in capitals; empty if there is none."""
        value = self.header.get("EXTNAME")
        return value.strip().upper() if isinstance(value, str) else ""

    @property
    def kind(self) -> str:
        """``PRIMARY``, ``IMAGE``, ``BINTABLE`` or whatever ``XTENSION`` says."""
        return self.header.text("XTENSION") or "PRIMARY"

    @property
    def is_compressed_image(self) -> bool:
        """Whether this is a table that holds a tile-compressed image."""
        return self.kind == "BINTABLE" and self.header.get("ZIMAGE") is True


class FitsFile:
    """A file's units. Made by `open_fits`.

    Attributes
    ----------
    hdus : list[Hdu]
        In the order of the file.
    limits : Limits
        What is read at all.
    """

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self._stream = stream
        self.limits = limits
        self._size = os.fstat(stream.fileno()).st_size
        if self._size > limits.max_bytes:
            raise FitsError(
                f"The file has {self._size} bytes; at most {limits.max_bytes} are read."
            )
        self.hdus = list(self._scan())

    def find(self, name: str) -> Hdu | None:
        """Return the first unit of an ``EXTNAME``, or None."""
        return next((hdu for hdu in self.hdus if hdu.name == name.upper()), None)

    def __getitem__(self, name: str) -> Hdu:
        """Return the first unit of an ``EXTNAME``.

        Raises
        ------
        FitsError
            If there is none.
        """
        found = self.find(name)
        if found is None:
            raise FitsError(f"The file has no extension {name}.")
        return found

    def read(self, start: int, size: int) -> bytes:
        """Return bytes of the file.

        Raises
        ------
        FitsError
            If the file ends before.
        """
        data = os.pread(self._stream.fileno(), size, start)
        while len(data) < size:
            more = os.pread(self._stream.fileno(), size - len(data), start + len(data))
            if not more:
                raise FitsError("The file is truncated.")
            data += more
        return data

    def _scan(self) -> Iterator[Hdu]:
        at, n = 0, 0
        while at < self._size:
            if n == self.limits.max_hdu:
                raise FitsError(f"The file has more than {n} parts.")
            if n and not any(self.read(at, min(BLOCK, self._size - at))):
                return  # zeros behind the last part; some writers leave them
            header, start = self._header(at, first=n == 0)
            size = _data_bytes(header)
            if start + size > self._size:
                raise FitsError("The file is truncated.")
            yield Hdu(header, start, size)
            at = start + -(-size // BLOCK) * BLOCK
            n += 1
        if n == 0:
            raise FitsError("The file is empty.")

    def _header(self, at: int, *, first: bool) -> tuple[Header, int]:
        cards: list[Card] = []
        for block in range(self.limits.max_header_blocks):
            if at + (block + 1) * BLOCK > self._size:
                raise FitsError(
                    "This is not a FITS file." if first and not block else "The file is truncated."
                )
            text = self.read(at + block * BLOCK, BLOCK).decode("latin-1")
            if block == 0 and not text.startswith("SIMPLE  =" if first else "XTENSION="):
                raise FitsError(
                    "This is not a FITS file." if first else "A part of the file has no header."
                )
            for i in range(0, BLOCK, CARD):
                if text[i : i + CARD].rstrip() == "END":
                    return Header(cards), at + (block + 1) * BLOCK
                cards.append(parse_card(text[i : i + CARD]))
        raise FitsError(f"A header is longer than {self.limits.max_header_blocks} blocks.")


@contextmanager
def open_fits(path: Path, limits: Limits = DEFAULT_LIMITS) -> Iterator[FitsFile]:
    """Open a file and look at all its headers.

    Raises
    ------
    FitsError
        If the file is missing, too large, or not a whole FITS file. The message names the file, as
        do those of everything read from it inside of the context.
    """
    try:
        with path.open("rb") as stream:
            yield FitsFile(stream, limits)
    except FileNotFoundError:
        raise FitsError(f"{path.name}: there is no such file.", path=path) from None
    except FitsError as error:
        if "path" in error.data:
            raise
        raise FitsError(f"{path.name}: {error.message}", path=path) from error


def shape_of(header: Header, prefix: str = "") -> tuple[int, ...]:
    """Return the shape of an image, in numpy's order (last axis along rows).

    Raises
    ------
    FitsError
        If the axes are missing or too many.
    """
    n = header.count(f"{prefix}NAXIS", most=9)
    return tuple(header.count(f"{prefix}NAXIS{axis}") for axis in range(n, 0, -1))


def _data_bytes(header: Header) -> int:
    """Return the bytes of data (FITS standard, equations 1 and 2)."""
    shape = shape_of(header)
    bits = header.number("BITPIX")
    if bits not in (8, 16, 32, 64, -32, -64):
        raise FitsError(f"BITPIX is {bits:g}, which is no type of FITS.")
    if not shape:
        return 0
    if header.get("GROUPS") is True:
        raise FitsError("Random groups are not read.")
    pixels = prod(shape)
    return int(abs(bits)) // 8 * header.count("GCOUNT", 1) * (header.count("PCOUNT", 0) + pixels)
