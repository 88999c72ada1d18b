"""The output file of a reprojection unit: one FITS file, read by tiles.

Behind a primary header with the unit's digest, for each frame NN:

``FRAMENN``
    The frame on the grid, tile-compressed, with the WCS of its window. Either int32 steps (RICE_1):
    value = BZERO + BSCALE * stored, BLANK where there is nothing. Or float32 (GZIP_2), NaN where
    there is nothing.
``VARNN``
    Its variance. Of steps: the mean over blocks of 8 x 8 pixels as a code of int16 (RICE_1), the
    upper 16 bits of the IEEE 754 float32 after rounding: value = bits of (code << 16), in steps of
    0.4 to 0.8 %; 0 where there is nothing. Of float32: float32 of each pixel (GZIP_2).
``DIGNN``
    One row a tile: SHA-256 of the tile's canonical bytes (stored pixels, then stored variance, both
    little-endian, rows first) and the number of its pixels that hold something.

An output may have digests only; two such files still tell whether two hosts agree.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.limits import MAX_FRAMES, MAX_TILE, OUTPUT_LIMITS
from apps.images.output_frame import (
    FAR_BLANK,
    VARIANCE_BLOCK,
    FrameRecord,
    Tiling,
    decode_variance,
    head_cards,
    read_head,
    scale_cards,
    variance_cards,
)
from boinc_project.errors import FitsError, OutputError
from boinc_project.fits.cards import Header, card
from boinc_project.fits.files import FitsFile, Limits, open_fits
from boinc_project.fits.images import Image
from boinc_project.fits.tables import read_table
from boinc_project.fits.writing import GZIP, RICE, create_fits

OUTPUT_FORMAT = 2

_DIGEST_ROW = np.dtype([("SHA256", "u1", (32,)), ("NPIX", ">i4")])


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
            file.table(f"DIG{number:02d}", rows, head_cards(head))
            if pixels is None:
                continue
            cards = [*scale_cards(pixels), *pixels.cards, *head_cards(head)]
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
                cards=variance_cards(block),
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
        head = read_head(hdu.header)
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
        np.copyto(variance, np.float32(np.nan), where=np.isnan(values))
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
    path: Path, *, limits: Limits = OUTPUT_LIMITS
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
