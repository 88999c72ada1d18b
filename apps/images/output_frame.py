"""A frame of a reprojection unit's output: its tiles, its head, and how its numbers are stored.

See `apps.images.output` for the file that it is in.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.limits import MAX_PIXELS, MAX_SIDE
from boinc_project.errors import FitsError
from boinc_project.fits.cards import Card, Header, card

VARIANCE_BLOCK = 8
"""Pixels, each way, that share a variance where pixels are steps. Weights in a stack should be
smooth: a pixel's own photon noise as its weight biases the mean low."""
VARIANCE_SHIFT = 16
"""Lowest bits of a float32 that a variance's code leaves out: 7 of its 23 are kept, and sign and
exponent. Weights follow from it, and are right to 0.4 %."""
FAR_BLANK = -(2**31)
"""The integer that stands for nothing, if nothing is known of the pixels."""
NEAR_BLANK = -4096
"""The same if pixels are counted from the sky: 1000 sigma below it, no measurement is there, and an
integer this close costs a tenth of the bits that a hole in the image takes otherwise."""
CANONICAL_NAN = 0x7FC00000


@dataclass(frozen=True, slots=True)
class Tiling:
    """How an image of `ny` rows and `nx` columns is cut into squares of `tile` pixels."""

    nx: int
    ny: int
    tile: int

    @property
    def across(self) -> int:
        """Tiles in a row of tiles."""
        return -(-self.nx // self.tile)

    @property
    def n_tile(self) -> int:
        """Tiles in all."""
        return self.across * -(-self.ny // self.tile)

    def box(self, number: int) -> tuple[int, int, int, int]:
        """Return first column, first row, columns and rows of a tile."""
        down, across = divmod(number, self.across)
        x, y = across * self.tile, down * self.tile
        return x, y, min(self.tile, self.nx - x), min(self.tile, self.ny - y)


@dataclass(frozen=True, slots=True)
class FrameHead:
    """What is said of a frame.

    Attributes
    ----------
    name : str
        The file's name, for people; up to 60 printable ASCII characters.
    x0, y0 : int
        Where the window's first pixel is in the grid, 0-based.
    nx, ny : int
        Size of the window.
    noise : float
        Sky noise of an input pixel, in output units.
    """

    name: str
    x0: int
    y0: int
    nx: int
    ny: int
    noise: float


@dataclass(frozen=True, slots=True)
class FramePixels:
    """A frame's tiles as they are stored.

    Attributes
    ----------
    step : float | None
        BSCALE of int32 steps; None of float32.
    zero : float
        BZERO of steps.
    blank : int
        BLANK of steps.
    pixels, variance : Iterable[bytes]
        Codes of all tiles, in order.
    cards : Sequence[Card]
        The window's WCS.
    """

    step: float | None
    zero: float
    blank: int
    pixels: Iterable[bytes]
    variance: Iterable[bytes]
    cards: Sequence[Card]


@dataclass(frozen=True, slots=True, eq=False)
class FrameRecord:
    """A frame as it is written; `pixels` is None in an output of digests only.

    `digests` is uint8 (n_tile, 32), `counts` int32 (n_tile,).
    """

    head: FrameHead
    digests: NDArray[np.uint8]
    counts: NDArray[np.int32]
    pixels: FramePixels | None


def tile_digest(pixels: NDArray[Any], variance: NDArray[Any]) -> bytes:
    """Return the SHA-256 of a tile's stored pixels and variance."""
    digest = hashlib.sha256()
    for array in (pixels, variance):
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.digest()


def decode_variance(codes: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return the variances that codes stand for; NaN for 0."""
    values = (codes.astype(np.int32) << VARIANCE_SHIFT).view(np.float32)
    values[codes <= 0] = np.nan
    return values


def shown_name(name: str) -> str:
    """Return a frame's name as an output can hold it: its last 60 characters, as plain ASCII."""
    plain = "".join(one if one.isascii() and one.isprintable() else "?" for one in name)
    return plain.replace("'", "?")[-60:].rstrip()


def head_cards(head: FrameHead) -> list[Card]:
    """Return a frame's head as cards."""
    return [
        card("OANAME", shown_name(head.name)),
        card("OAX0", head.x0, "first column of the window in the grid, 0-based"),
        card("OAY0", head.y0, "first row"),
        card("OANX", head.nx, "columns of the window"),
        card("OANY", head.ny, "rows"),
        card("OANOISE", float(head.noise), "sky noise of an input pixel"),
    ]


def read_head(header: Header) -> FrameHead:
    """Return the head that a header has.

    Raises
    ------
    FitsError
        If it has none, or one that cannot be.
    """
    most = MAX_SIDE
    head = FrameHead(
        name=header.text("OANAME"),
        x0=header.count("OAX0", most=most),
        y0=header.count("OAY0", most=most),
        nx=header.count("OANX", most=most),
        ny=header.count("OANY", most=most),
        noise=header.number("OANOISE"),
    )
    if min(head.nx, head.ny) < 1 or head.nx * head.ny > MAX_PIXELS:
        raise FitsError("A frame's window is empty, or too large.")
    if not 0.0 < head.noise < math.inf:
        raise FitsError("A frame's noise is not a positive number.")
    return head


def scale_cards(pixels: FramePixels) -> list[Card]:
    """Return what turns stored integers into values, as cards; nothing for floats."""
    if pixels.step is None:
        return []
    return [
        card("BSCALE", float(pixels.step), "size of a step"),
        card("BZERO", float(pixels.zero), "value of step 0"),
        card("BLANK", pixels.blank, "nothing here"),
    ]


def variance_cards(block: int) -> list[Card]:
    """Return how variances are stored, as cards."""
    cards = [card("OABLOCK", block, "pixels, each way, that share a variance")]
    if block > 1:
        cards.append(card("OACODE", f"float32 of the bits (code << {VARIANCE_SHIFT})"))
    return cards
