"""Writing FITS files: parts one after the other; the file appears complete, or not at all."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import FitsError
from boinc_project.fits import rice
from boinc_project.fits.cards import BLOCK, Card, Header, card
from boinc_project.fits.images import TYPES
from boinc_project.fits.tables import table_bytes, table_header

_BITPIX = {name: bits for bits, name in TYPES.items()}
GZIP_LEVEL = 1
"""Of the shuffled bytes of images, more effort takes four times as long for some per cent."""
RICE, GZIP = "RICE_1", "GZIP_2"


class FitsWriter:
    """A file that is being written. Made by `create_fits`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def primary(self, cards: Iterable[Card] = ()) -> None:
        """Write the first part, without data."""
        self._header([card("SIMPLE", True), card("BITPIX", 8), card("NAXIS", 0), *cards])

    def image(self, name: str, stored: NDArray[Any], cards: Iterable[Card] = ()) -> None:
        """Write a plain image as an extension; `cards` follow those of its structure."""
        shape = stored.shape
        self._header(
            [
                card("XTENSION", "IMAGE", "image"),
                card("BITPIX", _bitpix(stored.dtype)),
                card("NAXIS", len(shape)),
                *(card(f"NAXIS{i}", n) for i, n in enumerate(reversed(shape), 1)),
                card("PCOUNT", 0),
                card("GCOUNT", 1),
                card("EXTNAME", name),
                *cards,
            ]
        )
        self._stream.write(np.ascontiguousarray(stored, stored.dtype.newbyteorder(">")).data)
        self._pad()

    def table(self, name: str, rows: NDArray[Any], cards: Iterable[Card] = ()) -> None:
        """Write a structured array as a binary table."""
        self._header([*table_header(rows, name), *cards])
        self._stream.write(table_bytes(rows))
        self._pad()

    def compressed(
        self,
        name: str,
        stored: NDArray[Any],
        *,
        method: str = RICE,
        tile: tuple[int, int] = (256, 256),
        cards: Iterable[Card] = (),
    ) -> None:
        """Write a tile-compressed image of two axes.

        Parameters
        ----------
        name : str
            ``EXTNAME``.
        stored : ndarray
            (rows, columns); RICE_1 takes uint8, int16 and int32, GZIP_2 all types.
        method : str
            ``RICE_1`` or ``GZIP_2``.
        tile : tuple[int, int]
            Rows and columns of a tile.
        cards : Iterable[Card]
            Of the image.
        """
        rows, columns = stored.shape
        codes = (
            encode_tile(stored[y : y + tile[0], x : x + tile[1]], method)
            for y in range(0, rows, tile[0])
            for x in range(0, columns, tile[1])
        )
        self.compressed_tiles(
            name, codes, shape=(rows, columns), dtype=stored.dtype, method=method, tile=tile,
            cards=cards,
        )  # fmt: skip

    def compressed_tiles(
        self,
        name: str,
        codes: Iterable[bytes],
        *,
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        method: str,
        tile: tuple[int, int],
        cards: Iterable[Card] = (),
    ) -> None:
        """Write a compressed image whose tiles are coded already, as by `encode_tile`.

        Parameters
        ----------
        codes : Iterable[bytes]
            One a tile, along rows of tiles first; taken one after the other.
        shape, dtype : tuple[int, int], numpy.dtype
            Of the image.

        Raises
        ------
        FitsError
            If there is not one code for each tile.
        """
        n_tile = -(-shape[0] // tile[0]) * -(-shape[1] // tile[1])
        structure = _compressed_cards(name, shape, dtype, method, tile, n_tile)
        at = self._stream.tell()
        self._header([*structure, *cards])
        table_at, places, offset = self._stream.tell(), [], 0
        self._stream.write(bytes(8 * n_tile))
        for code in codes:
            places.append((len(code), offset))
            offset += len(code)
            self._stream.write(code)
        if len(places) != n_tile or offset >= 2**31:
            raise FitsError(f"The image {name} cannot be written: {len(places)} of {n_tile} tiles.")
        self._pad()
        end = self._stream.tell()
        longest = max(length for length, _ in places)
        patched: dict[str, int | str] = {"PCOUNT": offset, "TFORM1": f"1PB({longest})"}
        changed = [
            card(one.keyword, patched[one.keyword]) if one.keyword in patched else one
            for one in structure
        ]
        self._stream.seek(at)
        self._header([*changed, *cards])
        self._stream.seek(table_at)
        self._stream.write(np.array(places, ">i4").tobytes())
        self._stream.seek(end)

    def _header(self, cards: Iterable[Card]) -> None:
        self._stream.write(Header(cards).to_bytes())

    def _pad(self) -> None:
        self._stream.write(bytes(-self._stream.tell() % BLOCK))


@contextmanager
def create_fits(path: Path) -> Iterator[FitsWriter]:
    """Write a file; it is in place, and on the disk, when the context ends without an error."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as stream:
            yield FitsWriter(stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def encode_tile(stored: NDArray[Any], method: str) -> bytes:
    """Return the code of a tile.

    Raises
    ------
    FitsError
        If the method is not one that is written, or cannot hold this type.
    """
    if method == GZIP:
        return _gzip_shuffled(stored)
    if method == RICE and stored.dtype.str[1:] in ("u1", "i2", "i4"):
        return rice.encode(stored)
    raise FitsError(f"{method} does not compress images of {stored.dtype}.")


def _gzip_shuffled(stored: NDArray[Any]) -> bytes:
    data = np.ascontiguousarray(stored, stored.dtype.newbyteorder(">"))
    planes = data.view(np.uint8).reshape(-1, stored.dtype.itemsize).T
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
    return packer.compress(np.ascontiguousarray(planes).data) + packer.flush()


def _bitpix(dtype: np.dtype[Any]) -> int:
    name = dtype.str[1:]
    if name not in _BITPIX:
        raise FitsError(f"FITS has no images of {dtype}.")
    return _BITPIX[name]


def _compressed_cards(
    name: str,
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    method: str,
    tile: tuple[int, int],
    n_tile: int,
) -> list[Card]:
    bits = _bitpix(dtype)
    cards = [
        card("XTENSION", "BINTABLE", "binary table"),
        card("BITPIX", 8),
        card("NAXIS", 2),
        card("NAXIS1", 8, "bytes of a row"),
        card("NAXIS2", n_tile, "rows"),
        card("PCOUNT", 0, "bytes of the heap"),
        card("GCOUNT", 1),
        card("TFIELDS", 1),
        card("TTYPE1", "COMPRESSED_DATA"),
        card("TFORM1", "1PB(0)"),
        card("EXTNAME", name),
        card("ZIMAGE", True, "a compressed image"),
        card("ZTENSION", "IMAGE"),
        card("ZBITPIX", bits),
        card("ZNAXIS", 2),
        card("ZNAXIS1", shape[1]),
        card("ZNAXIS2", shape[0]),
        card("ZPCOUNT", 0),
        card("ZGCOUNT", 1),
        card("ZTILE1", tile[1]),
        card("ZTILE2", tile[0]),
        card("ZCMPTYPE", method),
    ]
    if method == RICE:
        cards += [
            card("ZNAME1", "BLOCKSIZE"),
            card("ZVAL1", rice.BLOCK_SIZE),
            card("ZNAME2", "BYTEPIX"),
            card("ZVAL2", dtype.itemsize),
        ]
    elif bits < 0:
        cards.append(card("ZQUANTIZ", "NONE", "lossless"))
    return cards
