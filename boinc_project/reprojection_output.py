"""The output file of a reprojection unit: one FITS file, read by tiles.

Behind a primary header with the unit's digest, for each frame NN:

``FRAMENN``
    The frame on the grid, tile-compressed, with the WCS of its window. Either int32 steps (RICE_1):
    value = BZERO + BSCALE * stored, BLANK where there is nothing. Or float32 (GZIP_2), NaN where
    there is nothing.
``VARNN``
    Its variance. Of steps: the mean over blocks of 8 x 8 pixels as a code of int16 (RICE_1), the
    upper 14 bits of the IEEE 754 float32 after rounding: value = bits of (code << 18), in steps of
    1.6 to 3.1 %; 0 where there is nothing. Of float32: float32 of each pixel (GZIP_2).
``DIGNN``
    One row a tile: SHA-256 of the tile's canonical bytes (stored pixels, then stored variance, both
    little-endian, rows first) and the number of its pixels that hold something.

An output may have digests only; two such files still tell whether two hosts agree.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import FitsError, OutputError
from boinc_project.fits.cards import Card, Header, card
from boinc_project.fits.files import FitsFile, Limits, open_fits
from boinc_project.fits.images import Image
from boinc_project.fits.tables import read_table
from boinc_project.fits.writing import GZIP, RICE, create_fits

OUTPUT_FORMAT = 1
VARIANCE_BLOCK = 8
"""Pixels, each way, that share a variance where pixels are steps. Weights in a stack should be
smooth: a pixel's own photon noise as its weight biases the mean low."""
VARIANCE_SHIFT = 18
"""Lowest bits of a float32 that a variance's code leaves out: 5 of its 23 are kept, and sign and
exponent."""
FAR_BLANK = -(2**31)
"""The integer that stands for nothing, if nothing is known of the pixels."""
NEAR_BLANK = -4096
"""The same if pixels are counted from the sky: 1000 sigma below it, no measurement is there, and an
integer this close costs a tenth of the bits that a hole in the image takes otherwise."""
MAX_FRAMES = 100
MAX_TILE = 4096
CANONICAL_NAN = 0x7FC00000

LIMITS = Limits(max_bytes=2**31, max_hdu=3 * MAX_FRAMES + 1, max_pixels=2**28, max_tiles=2**20)
"""Uploads larger than this are not read."""

_DIGEST_ROW = np.dtype([("SHA256", "u1", (32,)), ("NPIX", ">i4")])


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


def write_reprojection_output(
    path: Path,
    *,
    unit_digest: str,
    app_version: int,
    platform: str,
    app_digest: str,
    tile: int,
    frames: Iterable[FrameRecord],
) -> None:
    """Write an output; the file appears complete, or not at all.

    Raises
    ------
    FitsError
        If something does not fit into a FITS file.
    """
    frames = list(frames)
    with create_fits(path) as file:
        file.primary(
            [
                card("EXTEND", True),
                card("OAFORMAT", OUTPUT_FORMAT, "format of this output"),
                card("OAUNIT", unit_digest),
                card("OAAPPVER", app_version, "app version"),
                card("OAPLATF", platform),
                card("OAAPPDIG", app_digest),
                card("OATILE", tile, "pixels of a tile, each way"),
                card("OANFRAME", len(frames), "frames"),
                card("OANPIX", sum(int(one.counts.sum()) for one in frames), "pixels computed"),
                card("OASTORED", all(one.pixels is not None for one in frames), "has pixels"),
            ]
        )
        for number, frame in enumerate(frames):
            head, pixels = frame.head, frame.pixels
            rows = np.zeros(len(frame.counts), _DIGEST_ROW)
            rows["SHA256"], rows["NPIX"] = frame.digests, frame.counts
            file.table(f"DIG{number:02d}", rows, _head_cards(head))
            if pixels is None:
                continue
            cards = [*_scale_cards(pixels), *pixels.cards, *_head_cards(head)]
            is_steps = pixels.step is not None
            block = VARIANCE_BLOCK if is_steps else 1
            file.compressed_tiles(
                f"FRAME{number:02d}",
                pixels.pixels,
                shape=(head.ny, head.nx),
                dtype=np.dtype("i4" if is_steps else "f4"),
                method=RICE if is_steps else GZIP,
                tile=(tile, tile),
                cards=cards,
            )
            file.compressed_tiles(
                f"VAR{number:02d}",
                pixels.variance,
                shape=(-(-head.ny // block), -(-head.nx // block)),
                dtype=np.dtype("i2" if is_steps else "f4"),
                method=RICE if is_steps else GZIP,
                tile=(tile // block, tile // block),
                cards=_variance_cards(block),
            )


class FrameOutput:
    """A frame of an output that is open for reading.

    Attributes
    ----------
    name, x0, y0, nx, ny, noise
        See `FrameHead`.
    tiling : Tiling
        Its tiles.
    tile_digests : ndarray
        uint8 (n_tile, 32).
    counts : ndarray
        int32 (n_tile,): pixels of each tile that hold something, as the output says.
    has_pixels : bool
        False in an output of digests only.
    step : float | None
        Of pixels that are steps.
    header : Header
        The cards of the image, WCS included; empty if there are no pixels.
    """

    def __init__(self, file: FitsFile, number: int, tile: int, *, has_pixels: bool) -> None:
        hdu = file[f"DIG{number:02d}"]
        head = _head(hdu.header)
        self.head = head
        self.name, self.noise = head.name, head.noise
        self.x0, self.y0, self.nx, self.ny = head.x0, head.y0, head.nx, head.ny
        self.tiling = Tiling(head.nx, head.ny, tile)
        if self.tiling.n_tile > file.limits.max_tiles:
            raise FitsError("A frame has too many tiles.")
        rows = read_table(file, hdu)
        if rows.dtype != _DIGEST_ROW or len(rows) != self.tiling.n_tile:
            raise FitsError("A frame's digests are not one for each tile.")
        self.tile_digests = np.ascontiguousarray(rows["SHA256"])
        self.counts = rows["NPIX"].astype(np.int32)
        self.has_pixels = has_pixels
        self.step: float | None = None
        self.blank = FAR_BLANK
        self.header = Header()
        if has_pixels:
            self._open_pixels(file, number, tile)

    def _open_pixels(self, file: FitsFile, number: int, tile: int) -> None:
        image = Image(file, file[f"FRAME{number:02d}"])
        is_steps = image.dtype == np.int32
        block = VARIANCE_BLOCK if is_steps else 1
        variance = Image(file, file[f"VAR{number:02d}"])
        shape = (self.ny, self.nx)
        wanted = np.dtype(np.int16 if is_steps else np.float32)
        if not is_steps and image.dtype != np.float32:
            raise FitsError("A frame's pixels are neither int32 nor float32.")
        if image.shape != shape or image.tile_shape != (tile, tile):
            raise FitsError("A frame's pixels do not fill its window.")
        if (
            variance.dtype != wanted
            or variance.shape != tuple(-(-n // block) for n in shape)
            or variance.tile_shape != (tile // block, tile // block)
        ):
            raise FitsError("A frame's variance does not fit its pixels.")
        scale = image.scale
        if is_steps:
            if scale.blank is None or not (0.0 < scale.scale < math.inf):
                raise FitsError("A frame's steps have no size, or no number for nothing.")
            self.step, self.blank = scale.scale, scale.blank
        if not math.isfinite(scale.zero):
            raise FitsError("A frame's zero is not a number.")
        self.header, self._image, self._variance, self._block = (
            image.header, image, variance, block
        )  # fmt: skip

    @property
    def zero(self) -> float:
        """Value of step 0."""
        return self._image.scale.zero if self.has_pixels else 0.0

    def tile(self, number: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return a tile's pixels and variance as they are stored.

        Raises
        ------
        OutputError
            If there are none, or they are damaged.
        """
        self._need_pixels()
        try:
            return self._image.tile(number), self._variance.tile(number)
        except FitsError as error:
            raise OutputError(error.message) from error

    def holds(self, pixels: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where stored pixels hold something."""
        return ~np.isnan(pixels) if self.step is None else pixels != self.blank

    def rows(self, start: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return values and variances of rows of the window, float32 (stop - start, nx) each.

        NaN where there is nothing. Only the tiles that these rows touch are read, each as a whole:
        bands that are whole rows of tiles are cheapest.

        Raises
        ------
        OutputError
            If there are no pixels, or they are damaged.
        """
        self._need_pixels()
        try:
            values = self._image.float32_rows(start, stop)
            low, high = start // self._block, -(-stop // self._block)
            stored = self._variance.rows(low, high)
        except FitsError as error:
            raise OutputError(error.message) from error
        if self.step is None:
            return values, stored
        coarse = decode_variance(stored)
        rows = np.arange(start, stop) // self._block - low
        variance = np.repeat(coarse, self._block, axis=1)[rows, : self.nx]
        variance[np.isnan(values)] = np.nan
        return values, variance

    def _need_pixels(self) -> None:
        if not self.has_pixels:
            raise OutputError("The output has digests only.")


class ReprojectionOutput:
    """An output that is open for reading. Made by `open_reprojection_output`.

    Attributes
    ----------
    unit_digest, app_version, platform, app_digest
        What was computed, and by what.
    tile : int
        Pixels of a tile, each way.
    n_pixel : int
        Pixels computed, as the output says.
    frames : list[FrameOutput]
        In the unit's order.
    """

    def __init__(self, file: FitsFile) -> None:
        header = file.hdus[0].header
        if header.count("OAFORMAT") != OUTPUT_FORMAT:
            raise FitsError("The output has an unknown format.")
        self.unit_digest = header.text("OAUNIT")
        self.app_version = header.count("OAAPPVER", most=10**6)
        self.platform = header.text("OAPLATF")
        self.app_digest = header.text("OAAPPDIG")
        self.tile = header.count("OATILE", most=MAX_TILE)
        self.n_pixel = header.count("OANPIX")
        self.has_pixels = header.get("OASTORED") is True
        n_frame = header.count("OANFRAME", most=MAX_FRAMES)
        if self.tile < VARIANCE_BLOCK or self.tile % VARIANCE_BLOCK:
            raise FitsError(f"The output has tiles of {self.tile} pixels.")
        kinds = ("DIG", "FRAME", "VAR") if self.has_pixels else ("DIG",)
        names = ["", *(f"{kind}{i:02d}" for i in range(n_frame) for kind in kinds)]
        if n_frame < 1 or [hdu.name for hdu in file.hdus] != names:
            raise FitsError("The output has other parts than its frames.")
        self.frames = [
            FrameOutput(file, i, self.tile, has_pixels=self.has_pixels) for i in range(n_frame)
        ]
        if self.n_pixel != sum(int(frame.counts.sum()) for frame in self.frames):
            raise FitsError("The output does not count its pixels rightly.")

    @property
    def content_digest(self) -> str:
        """SHA-256 over the unit and all tiles' digests, in hexadecimal.

        Not over app version and platform: unlike hosts with equal pixels agree.
        """
        digest = hashlib.sha256(self.unit_digest.encode())
        for frame in self.frames:
            digest.update(frame.tile_digests.tobytes())
        return digest.hexdigest()


@contextmanager
def open_reprojection_output(
    path: Path, *, limits: Limits = LIMITS
) -> Iterator[ReprojectionOutput]:
    """Open an output from a stranger; its structure is checked, its pixels are not.

    Raises
    ------
    OutputError
        If the file is missing, larger than `limits` allow, damaged, or of another form.
    """
    try:
        with open_fits(path, limits) as file:
            yield ReprojectionOutput(file)
    except FitsError as error:
        raise OutputError(error.message) from error


def shown_name(name: str) -> str:
    """Return a frame's name as an output can hold it: its last 60 characters, as plain ASCII."""
    plain = "".join(one if one.isascii() and one.isprintable() else "?" for one in name)
    return plain.replace("'", "?")[-60:].rstrip()


def _head_cards(head: FrameHead) -> list[Card]:
    return [
        card("OANAME", shown_name(head.name)),
        card("OAX0", head.x0, "first column of the window in the grid, 0-based"),
        card("OAY0", head.y0, "first row"),
        card("OANX", head.nx, "columns of the window"),
        card("OANY", head.ny, "rows"),
        card("OANOISE", float(head.noise), "sky noise of an input pixel"),
    ]


def _head(header: Header) -> FrameHead:
    most = 2**20
    head = FrameHead(
        name=header.text("OANAME"),
        x0=header.count("OAX0", most=most),
        y0=header.count("OAY0", most=most),
        nx=header.count("OANX", most=most),
        ny=header.count("OANY", most=most),
        noise=header.number("OANOISE"),
    )
    if min(head.nx, head.ny) < 1 or head.nx * head.ny > LIMITS.max_pixels:
        raise FitsError("A frame's window is empty, or too large.")
    if not 0.0 < head.noise < math.inf:
        raise FitsError("A frame's noise is not a positive number.")
    return head


def _scale_cards(pixels: FramePixels) -> list[Card]:
    if pixels.step is None:
        return []
    return [
        card("BSCALE", float(pixels.step), "size of a step"),
        card("BZERO", float(pixels.zero), "value of step 0"),
        card("BLANK", pixels.blank, "nothing here"),
    ]


def _variance_cards(block: int) -> list[Card]:
    cards = [card("OABLOCK", block, "pixels, each way, that share a variance")]
    if block > 1:
        cards.append(card("OACODE", f"float32 of the bits (code << {VARIANCE_SHIFT})"))
    return cards
