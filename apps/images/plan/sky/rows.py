"""Large images, a few rows at a time: what is done with them must not need all of their pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BAND = 256
"""Rows that are read at once, as many as a tile of what is written has: 10 MB of 20,000 columns."""
MOST_AT_ONCE = 2**25
"""Pixels of an image that is held in memory as a whole: 134 MB as floats."""
MOST_SAMPLED = 2**23
"""Pixels that a larger image is measured in: those of 2,048 of the tiles that its noise is found
in, which tell the noise to 1e-3, and as many stars as are in them."""
_BLOCK = 512
"""Pixels, each way, of the squares that a sample is made of: whole tiles, with few seams."""


class Rows:
    """An image that is read a band of rows at a time, and can be cut like an array.

    Parameters
    ----------
    shape : tuple[int, int]
        Rows and columns.
    dtype : numpy.dtype
        Of the pixels.
    read : Callable
        Gives the rows from one up to another, (n, columns).
    """

    ndim = 2

    def __init__(
        self, shape: tuple[int, int], dtype: Any, read: Callable[[int, int], NDArray[Any]]
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._read = read
        self._held: tuple[int, NDArray[Any]] | None = None

    @classmethod
    def held(cls, image: NDArray[Any]) -> Rows:
        """Return the rows of an array."""
        return cls((len(image), image.shape[1]), image.dtype, lambda start, stop: image[start:stop])

    @property
    def size(self) -> int:
        """Pixels."""
        return self.shape[0] * self.shape[1]

    def __getitem__(self, key: slice | tuple[slice, slice]) -> NDArray[Any]:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        start, stop, step = rows.indices(self.shape[0])
        return self.rows(start, max(start, stop))[::step, columns]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = np.empty(self.shape, self.dtype)
        for start, band in self.bands():
            whole[start : start + len(band)] = band
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows; the last band that was read is remembered."""
        first = start // BAND
        if stop <= (first + 1) * BAND:
            return self._band(first)[start - first * BAND : stop - first * BAND]
        joined = np.empty((stop - start, self.shape[1]), self.dtype)
        for number in range(first, -(-stop // BAND)):
            low, high = max(start, number * BAND), min(stop, (number + 1) * BAND)
            part = self._band(number)[low - number * BAND : high - number * BAND]
            joined[low - start : high - start] = part
        return joined

    def bands(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield the first row of each band, and the band."""
        for start in range(0, self.shape[0], BAND):
            yield start, self.rows(start, min(start + BAND, self.shape[0]))

    def map(self, function: Callable[[NDArray[Any]], NDArray[Any]], dtype: Any) -> Rows:
        """Return the image of what a function makes of the rows."""
        return Rows(self.shape, dtype, lambda start, stop: function(self.rows(start, stop)))

    def any(self) -> bool:
        """Tell whether any pixel is not 0."""
        return any(bool(band.any()) for _, band in self.bands())

    def _band(self, number: int) -> NDArray[Any]:
        if self._held is None or self._held[0] != number:
            start = number * BAND
            self._held = number, self._read(start, min(start + BAND, self.shape[0]))
        return self._held[1]


@dataclass(frozen=True, slots=True)
class Sample:
    """Squares of an image at equal distances, put together; or all of the image.

    Attributes
    ----------
    rows, columns : tuple[int, ...]
        Where the squares begin; none: it is the whole image.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @classmethod
    def all(cls) -> Sample:
        """Return the sample that leaves nothing out."""
        return cls((), ())

    @classmethod
    def of(cls, shape: tuple[int, int]) -> Sample:
        """Return a sample of at most `MOST_SAMPLED` pixels of an image, or one square."""
        down, across = (max(1, n // _BLOCK) for n in shape)  # whole ones
        squares = max(1, MOST_SAMPLED // _BLOCK**2)
        columns = min(across, max(1, round(math.sqrt(squares * across / down))))
        rows = min(down, max(1, squares // columns))
        starts = []
        for count, wanted in ((down, rows), (across, columns)):
            places = (np.arange(wanted) + 0.5) * count / wanted
            starts.append(tuple(int(place) * _BLOCK for place in places))
        return cls(*starts)

    def spread(self, taken: NDArray[Any], shape: tuple[int, int]) -> Rows:
        """Return an image of `shape` that has what was taken of it, and elsewhere the nearest."""
        rows, columns = (
            _nearest(starts, n) for starts, n in zip((self.rows, self.columns), shape, strict=True)
        )
        return Rows(shape, taken.dtype, lambda start, stop: taken[rows[start:stop]][:, columns])

    def take(self, image: Rows | NDArray[Any]) -> NDArray[Any]:
        """Return the squares of an image, in their order each way."""
        if not self.rows:
            return np.asarray(image)
        bands = []
        for row in self.rows:
            band = image[row : row + _BLOCK]
            squares = [band[:, column : column + _BLOCK] for column in self.columns]
            bands.append(np.concatenate(squares, axis=1))
        return np.concatenate(bands)


def _nearest(starts: tuple[int, ...], n: int) -> NDArray[np.int64]:
    """Return for each of n places the place among squares that is nearest to it."""
    places = np.concatenate([np.arange(start, min(start + _BLOCK, n)) for start in starts])
    middles = (places[1:] + places[:-1]) / 2.0
    return np.searchsorted(middles, np.arange(n))
