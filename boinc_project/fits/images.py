"""Images, plain or tile-compressed: rows of them, a few at a time."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import FitsError
from boinc_project.fits import rice
from boinc_project.fits.cards import Header
from boinc_project.fits.files import FitsFile, Hdu, shape_of
from boinc_project.fits.tables import read_table

TYPES = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}
"""numpy's name of each BITPIX, in native byte order."""

_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|EXTEND|EXTNAME|THEAP|TTYPE\d+|TFORM\d+"
    r"|TDIM\d+|Z(IMAGE|TENSION|SIMPLE|EXTEND|BITPIX|NAXIS\d*|TILE\d+|PCOUNT|GCOUNT|CMPTYPE|QUANTIZ"
    r"|DITHER0|BLANK|NAME\d|VAL\d|HECKSUM|DATASUM)|CHECKSUM|DATASUM"
)


_AT_ONCE = 2**15
"""Numbers that are scaled together: 256 kB as float64."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How stored numbers become values: ``zero + scale * stored``, unless it is `blank`."""

    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None

    def to_float32(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return values, computed in float64 and rounded once; NaN where there is none."""
        if self.scale == 1.0 and self.zero == 0.0:
            values = stored.astype(np.float32)
        else:
            values = np.empty(stored.shape, np.float32)
            # A few at a time, so that what is between stays in the processor's cache.
            step = max(1, _AT_ONCE // max(1, prod(stored.shape[1:])))
            for start in range(0, len(stored), step):
                exact = stored[start : start + step].astype(np.float64)
                exact *= self.scale
                exact += self.zero
                values[start : start + step] = exact
        if self.blank is not None and stored.dtype.kind in "iu":
            values[stored == self.blank] = np.nan
        return values


class Image:
    """An image of a file, read by rows or by tiles.

    Attributes
    ----------
    shape : tuple[int, ...]
        In numpy's order; compressed images have two axes.
    dtype : numpy.dtype
        Of the stored numbers, in native byte order.
    scale : Scale
        What they stand for.
    header : Header
        The image's cards, without those that describe how it is stored.
    tile_shape : tuple[int, int]
        Rows and columns of a tile; of a plain image, one row.
    """

    def __init__(self, file: FitsFile, hdu: Hdu) -> None:
        self._file = file
        self._hdu = hdu
        header = hdu.header
        self.is_compressed = hdu.is_compressed_image
        if not self.is_compressed and hdu.kind not in ("PRIMARY", "IMAGE"):
            raise FitsError(f"The extension {hdu.name} is not an image.")
        prefix = "Z" if self.is_compressed else ""
        self.shape = shape_of(header, prefix)
        bits = header.number(f"{prefix}BITPIX")
        if bits not in TYPES or not self.shape or min(self.shape) < 1:
            raise FitsError(f"{hdu.name or 'The first part'} holds no image.")
        if prod(self.shape) > file.limits.max_pixels:
            raise FitsError(f"The image {hdu.name} has more than {file.limits.max_pixels} pixels.")
        self.dtype = np.dtype(TYPES[int(bits)])
        self.scale = _scale(header, self.dtype)
        self.header = image_cards(header)
        self._tiles = _Tiles(file, hdu, self.shape, self.dtype) if self.is_compressed else None
        columns = self.shape[-1]
        self.tile_shape = self._tiles.tile_shape if self._tiles else (1, columns)

    def tile(self, number: int) -> NDArray[Any]:
        """Return a tile of a compressed image, counted along rows of tiles first.

        Raises
        ------
        FitsError
            If there is no such tile, or it is damaged.
        """
        if self._tiles is None:
            raise FitsError(f"The image {self._hdu.name} has no tiles.")
        return self._tiles.tile(number)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return stored numbers of rows, (stop - start, columns), in native byte order.

        Of an image of more than two axes, rows are those of all planes, one after the other.

        Raises
        ------
        FitsError
            If the rows are not all there, or a tile is damaged.
        """
        return self.file_rows(start, stop).astype(self.dtype, copy=False)

    def file_rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows as `rows` does, of a plain image in the file's byte order: no copy is made.

        Raises
        ------
        FitsError
            If the rows are not all there, or a tile is damaged.
        """
        columns = self.shape[-1]
        if not 0 <= start <= stop <= prod(self.shape[:-1]):
            raise FitsError(f"The image {self._hdu.name} has no rows {start} to {stop}.")
        if self._tiles:
            return self._tiles.rows(start, stop)
        width = columns * self.dtype.itemsize
        data = self._file.read(self._hdu.start + start * width, (stop - start) * width)
        stored = np.frombuffer(data, self.dtype.newbyteorder(">"))
        return stored.reshape(stop - start, columns)

    def float32_rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return values of rows as float32, NaN where there is none."""
        return self.scale.to_float32(self.rows(start, stop))

    def all(self) -> NDArray[Any]:
        """Return all stored numbers, in the image's shape."""
        return self.rows(0, prod(self.shape[:-1])).reshape(self.shape)


class _Tiles:
    """The tiles of a compressed image, each unpacked when it is asked for."""

    def __init__(
        self, file: FitsFile, hdu: Hdu, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        header = hdu.header
        if len(shape) != 2:
            raise FitsError("Compressed images of other than two axes are not read.")
        self._file, self._shape, self._dtype = file, shape, dtype
        columns, most = shape[1], file.limits.max_tile_pixels
        self.tile_shape = (
            header.count("ZTILE2", 1, most=most),
            header.count("ZTILE1", columns, most=most),
        )
        if min(self.tile_shape) < 1 or prod(map(min, self.tile_shape, shape)) > most:
            raise FitsError(f"A compressed image has tiles of {self.tile_shape} pixels.")
        self._across = -(-columns // self.tile_shape[1])
        n_tile = self._across * -(-shape[0] // self.tile_shape[0])
        table = read_table(file, hdu)
        if len(table) != n_tile or "COMPRESSED_DATA" not in (table.dtype.names or ()):
            raise FitsError("A compressed image has not one row for each of its tiles.")
        self._places = table["COMPRESSED_DATA"].astype(np.int64).reshape(n_tile, -1)
        if self._places.shape != (n_tile, 2):
            raise FitsError("A compressed image has no descriptors of its tiles.")
        self._fallback = _column(table, "GZIP_COMPRESSED_DATA")
        scale, zero = _column(table, "ZSCALE"), _column(table, "ZZERO")
        self._quantised = None if scale is None or zero is None else (scale, zero)
        self._blanks = _column(table, "ZBLANK")
        self._header = header
        self._heap = hdu.start + header.count("THEAP", table.nbytes)
        self._end = hdu.start + hdu.size
        self._unpack = _unpacking(header)
        self._check_method(header)

    def _check_method(self, header: Header) -> None:
        is_float = self._dtype.kind == "f"
        dither = header.text("ZQUANTIZ", "NO_DITHER").upper()
        if self._quantised and dither.startswith("SUBTRACTIVE"):
            raise FitsError("Compressed images that were dithered are not read.")
        if is_float and not self._quantised and header.text("ZCMPTYPE").upper().startswith("RICE"):
            raise FitsError("A compressed image of real numbers has no scale of its tiles.")

    def tile(self, number: int) -> NDArray[Any]:
        if not 0 <= number < len(self._places):
            raise FitsError(f"A compressed image has no tile {number}.")
        down, across = divmod(number, self._across)
        rows = min(self.tile_shape[0], self._shape[0] - down * self.tile_shape[0])
        columns = min(self.tile_shape[1], self._shape[1] - across * self.tile_shape[1])
        return self._values(number, rows * columns).reshape(rows, columns)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        height, width = self.tile_shape
        out = np.empty((stop - start, self._shape[1]), self._dtype)
        for down in range(start // height, -(-stop // height)):
            low, high = max(start, down * height), min(stop, (down + 1) * height)
            for across in range(self._across):
                tile = self.tile(down * self._across + across)
                part = tile[low - down * height : high - down * height]
                out[low - start : high - start, across * width : (across + 1) * width] = part
        return out

    def _values(self, number: int, n: int) -> NDArray[Any]:
        code = self._code(self._places[number])
        quantised = self._quantised
        if not code and self._fallback is not None:
            code = self._code(self._fallback[number].astype(np.int64))
            return _gunzip(code, n, self._dtype, shuffled=False)
        if quantised is None:
            return self._unpack(code, n, self._dtype)
        stored = self._unpack(code, n, np.dtype("i4"))
        scale, zero = (float(column[number]) for column in quantised)
        blank = self._header.get("ZBLANK") if self._blanks is None else int(self._blanks[number])
        values = stored * scale + zero
        if blank is not None:
            values[stored == blank] = np.nan
        return values.astype(self._dtype)

    def _code(self, place: NDArray[np.int64]) -> bytes:
        length, offset = int(place[0]), int(place[1])
        start = self._heap + offset
        if min(length, offset) < 0 or start + length > self._end:
            raise FitsError("A tile lies outside of its file.")
        return self._file.read(start, length) if length else b""


def images(file: FitsFile) -> Iterator[tuple[str, Image]]:
    """Yield the name and the image of each unit that has one."""
    for hdu in file.hdus:
        is_plain = hdu.kind in ("PRIMARY", "IMAGE") and hdu.size > 0
        if is_plain or hdu.is_compressed_image:
            yield hdu.name, Image(file, hdu)


def _column(table: NDArray[Any], name: str) -> NDArray[Any] | None:
    return table[name] if name in (table.dtype.names or ()) else None


def _scale(header: Header, dtype: np.dtype[Any]) -> Scale:
    blank = header.get("BLANK")
    if blank is not None and type(blank) is not int:
        raise FitsError(f"BLANK is {blank!r}, which is no integer.")
    if blank is not None and not _can_hold(dtype, blank):
        blank = None  # no stored number is equal to it
    return Scale(header.number("BSCALE", 1.0), header.number("BZERO", 0.0), blank)


def _can_hold(dtype: np.dtype[Any], number: int) -> bool:
    return dtype.kind in "iu" and np.iinfo(dtype).min <= number <= np.iinfo(dtype).max


def image_cards(header: Header) -> Header:
    """Return the cards that do not describe how an image is stored."""
    return Header(one for one in header if not _STRUCTURE.fullmatch(one.keyword))


Unpack = Callable[[bytes, int, np.dtype[Any]], NDArray[Any]]


def _unpacking(header: Header) -> Unpack:
    """Return what unpacks a tile's code.

    Raises
    ------
    FitsError
        If the method is not one that is read.
    """
    method = header.text("ZCMPTYPE").upper()
    if method in ("RICE_1", "RICE_ONE"):
        options = _options(header)
        size, block = options.get("BYTEPIX", 4), options.get("BLOCKSIZE", 32)

        def unpack(code: bytes, n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
            kind = dtype.kind if dtype.itemsize == size else "i"
            return rice.decode(code, n, f"{kind}{size}", block).astype(dtype, copy=False)

        if size not in (1, 2, 4):
            raise FitsError(f"Rice codes of {size} bytes a value are not read.")
        return unpack
    if method in ("GZIP_1", "GZIP_2"):
        return lambda code, n, dtype: _gunzip(code, n, dtype, shuffled=method == "GZIP_2")
    raise FitsError(
        f"The compression {method or 'without a name'} is not read; RICE_1, GZIP_1 and GZIP_2 are."
    )


def _options(header: Header) -> dict[str, int]:
    return {
        header.text(f"ZNAME{i}").upper(): header.count(f"ZVAL{i}", most=2**16)
        for i in (1, 2)
        if f"ZNAME{i}" in header
    }


def _gunzip(code: bytes, n: int, dtype: np.dtype[Any], *, shuffled: bool) -> NDArray[Any]:
    size = n * dtype.itemsize
    stream = zlib.decompressobj(wbits=47)
    try:
        # One byte more than belongs there, so that a code of too much is noticed, not unpacked.
        data = stream.decompress(code, size + 1)
    except zlib.error as error:
        raise FitsError(f"A tile's code is damaged: {error}.") from error
    if len(data) != size:
        raise FitsError("A tile's code is not of its number of pixels.")
    if shuffled:
        planes = np.frombuffer(data, np.uint8).reshape(dtype.itemsize, n)
        if dtype.newbyteorder("<").isnative:
            planes = planes[::-1]
        return np.ascontiguousarray(planes.T).reshape(-1).view(dtype)
    return np.frombuffer(data, dtype.newbyteorder(">")).astype(dtype)
