"""Packing: a frame's pixels, mask, variance and pixel map become one file of a unit.

Pixels keep the bits that the camera wrote; what is compressed is compressed without loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.calibration import Masters
from apps.images.plan.sky.colour import looks_mosaic, part_from, part_of
from apps.images.plan.sky.frame import Image, Scaling, find_images
from apps.images.plan.sky.pixel_map import PixelMap
from apps.images.plan.sky.pixels import Raw, check_pixels, physical, read_raw, read_rows
from apps.images.plan.sky.reference import cards_of, grid_header
from apps.images.plan.sky.rows import MOST_AT_ONCE, Rows, Sample
from apps.images.plan.sky.sections import border_rows, sky_section
from boinc_project.fits.cards import Card, card, parse_card
from boinc_project.fits.writing import GZIP, RICE, FitsWriter, create_fits

KERNEL_FILE = "kernel.fits"
CALIBRATION_FILE = "calibration.fits"
LANCZOS_PHASES = 1024
"""Fractions of a pixel in the table of Lanczos weights, which the app interpolates or rounds to."""
_TILE = (256, 256)
_VARIANCE_OF: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "weight": lambda values: np.float32(1) / values,
    "variance": lambda values: values,
    "error": lambda values: values * values,
}
"""How planes that come with a frame state its variance."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame as it was read: arrays, or of large frames `Rows` that are read when asked for.

    Attributes
    ----------
    image : Image
        Its header.
    raw : ndarray or Rows
        Pixels as stored, (ny, nx).
    bad : ndarray, Rows or None
        bool (ny, nx): where the mask, or a weight, variance or error that says nothing, forbids
        pixels.
    variance : ndarray, Rows or None
        float32 (ny, nx), in the image's unit squared; 1 where `bad`.
    remarks : tuple[str, ...]
        Sentences about its pixels.
    saturation : float or None
        Value from which its pixels are saturated, before calibration; None if none is.
    """

    image: Image
    raw: Raw | Rows
    bad: NDArray[np.bool_] | Rows | None
    variance: NDArray[np.float32] | Rows | None
    remarks: tuple[str, ...] = ()
    saturation: float | None = None

    def values(self) -> NDArray[np.float32]:
        """Return pixels in the image's unit, NaN where bad."""
        return np.asarray(self.rows())

    def rows(self) -> Rows:
        """Return pixels in the image's unit, NaN where bad, read when they are asked for."""

        def read(start: int, stop: int) -> NDArray[np.float32]:
            values = physical(self.raw[start:stop], self.image.scaling)
            if self.bad is None:
                return values
            return np.where(self.bad[start:stop], np.float32(np.nan), values)

        return Rows((self.image.ny, self.image.nx), np.float32, read)

    def sample(self) -> Sample:
        """Return the part of a frame that it is measured in: all of it, unless it is large."""
        shape = (self.image.ny, self.image.nx)
        return Sample.of(shape) if _is_large(self.image) else Sample.all()


def image_of(stated: Mapping[str, Any]) -> Image:
    """Return the image that one of a campaign's ``images`` states, of one colour if it says which.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    (image,) = find_images(Path(stated["path"]), stated["hdu"])
    return part_of(image, part_from(stated["part"])) if "part" in stated else image


def read_frame(
    stated: Mapping[str, Any], blank: float | None = None, image: Image | None = None
) -> Frame:
    """Read a frame and its planes.

    Parameters
    ----------
    stated : Mapping
        One of a campaign's ``images``.
    blank : float, optional
        A value that says that nothing is known of a pixel.
    image : Image, optional
        What `image_of` returns of `stated`, if that is known.

    Raises
    ------
    InputError
        If something cannot be read, or says nothing.
    """
    image = image_of(stated) if image is None else image
    raw = _rows_of(image)
    bad, remarks = _unseen(image, raw, blank)
    variance = None
    if "mask" in stated:
        bad = _either(bad, _plane(stated["mask"], image).map(_is_masked, bool))
    for name in ("weight", "variance", "error"):
        if name in stated:
            variance = _plane(stated[name], image).map(_variances(name), np.float32)
            unknown = variance.map(np.isnan, bool)
            variance = variance.map(lambda rows: np.where(np.isnan(rows), 1, rows), np.float32)
            bad = _either(bad, unknown)
    frame = Frame(image, raw, bad, variance, remarks)
    check_pixels(image, frame.rows())
    return frame if _is_large(image) else _whole(frame)


def read_pixels(stated: Mapping[str, Any], blank: float | None = None) -> Frame:
    """Read a frame's pixels, and which of them its planes forbid, and look at nothing else.

    Parameters
    ----------
    stated, blank
        As of `read_frame`.

    Raises
    ------
    InputError
        If something cannot be read.
    """
    image = image_of(stated)
    raw = _rows_of(image)
    section, _ = sky_section(image)
    bad = None if section is None else section.outside_rows(raw.shape)
    if blank is not None:
        values = raw.map(lambda rows: physical(rows, image.scaling), np.float32)
        bad = _either(bad, values.map(lambda rows: rows == np.float32(blank), bool))
    if "mask" in stated:
        bad = _either(bad, _plane(stated["mask"], image).map(_is_masked, bool))
    for name in _VARIANCE_OF:
        if name in stated:
            plane = _plane(stated[name], image)
            bad = _either(bad, plane.map(lambda rows: ~(rows > 0), bool))
    frame = Frame(image, raw, bad, None)
    return frame if _is_large(image) else _whole(frame)


def _is_large(image: Image) -> bool:
    return image.nx * image.ny > MOST_AT_ONCE


def _rows_of(image: Image) -> Rows:
    """Return an image's pixels as stored; those of a small one are read at once."""
    return read_rows(image) if _is_large(image) else Rows.held(read_raw(image))


def _unseen(image: Image, raw: Rows, blank: float | None) -> tuple[Rows | None, tuple[str, ...]]:
    """Return which pixels have not seen the sky, and remarks about borders."""
    remarks: list[str] = []
    section, _ = sky_section(image)
    bad = None if section is None else section.outside_rows(raw.shape)
    values = raw.map(lambda rows: physical(rows, image.scaling), np.float32)
    if blank is not None:
        bad = _either(bad, values.map(lambda rows: rows == np.float32(blank), bool))
    border = border_rows(_without(values, bad), MOST_AT_ONCE)
    if border is not None:
        level, where = border
        remarks.append(f"Its border of {level:g} is taken as pixels that saw nothing.")
        bad = _either(bad, where)
    if image.cell is None and image.layers == 1 and looks_mosaic(_without(values, bad)):
        remarks.append(
            "Even and odd pixels have unlike levels of the sky: if it is a mosaic of colours that "
            'its header does not state, write colour = "RGGB" or what the camera has.'
        )
    return bad, tuple(remarks)


def _without(values: Rows, bad: Rows | None) -> Rows:
    """Return values with NaN where they are bad."""
    if bad is None:
        return values

    def read(start: int, stop: int) -> NDArray[np.float32]:
        return np.where(bad[start:stop], np.float32(np.nan), values[start:stop])

    return Rows(values.shape, np.float32, read)


def _plane(stated: Mapping[str, Any], image: Image) -> Rows:
    """Return a plane that belongs to a frame, float32, NaN where it says nothing."""
    (plane,) = find_images(Path(stated["path"]), stated["hdu"])
    scaling = plane.scaling
    if plane.layers == image.layers:
        plane = replace(plane, layer=image.layer)
    if image.cell is not None:
        cell_x, cell_y = image.cell
        plane = replace(
            plane,
            cell=image.cell,
            nx=len(range(cell_x, plane.nx, 2)),
            ny=len(range(cell_y, plane.ny, 2)),
        )
    return _rows_of(plane).map(lambda rows: physical(rows, scaling), np.float32)


def _is_masked(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell where a mask is not 0; what is not known is masked, too."""
    return np.asarray(rows != 0)


def _variances(name: str) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Return what makes variances of a kind of plane, NaN where it says nothing."""

    def convert(rows: NDArray[Any]) -> NDArray[np.float32]:
        known = np.where(np.isfinite(rows) & (rows > 0), rows, np.float32(np.nan))
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            variance = _VARIANCE_OF[name](known)
        return np.where(np.isfinite(variance), variance, np.float32(np.nan)).astype(np.float32)

    return convert


def _either(a: Rows | None, b: Rows) -> Rows:
    if a is None:
        return b
    return Rows(b.shape, bool, lambda start, stop: a[start:stop] | b[start:stop])


def _whole(frame: Frame) -> Frame:
    """Return a frame that is in memory."""
    raw, bad, variance = (
        None if rows is None else np.asarray(rows)
        for rows in (frame.raw, frame.bad, frame.variance)
    )
    return replace(frame, raw=cast(Raw, raw), bad=bad, variance=variance)


def write_frame(path: Path, frame: Frame, made: PixelMap, *, solved: bool = False) -> None:
    """Write a frame's file of a unit.

    Parameters
    ----------
    path : Path
        Where to.
    frame : Frame
        What is in it.
    made : PixelMap
        Where the grid's pixels lie in it.
    solved : bool
        Whether the frame's world coordinates are written, too: for the independent reference alone.
    """
    cards = _scale_cards(frame.raw, frame.image.scaling)
    if solved:
        cards += [parse_card(text) for text in cards_of(grid_header(frame.image.header))]
    with create_fits(path) as file:
        file.primary()
        _write_pixels(file, frame.raw, cards)
        if frame.bad is not None and frame.bad.any():
            mask = frame.bad
            if isinstance(mask, Rows):
                flags: Any = mask.map(lambda rows: rows.astype(np.uint8), np.uint8)
            else:
                flags = mask.astype(np.uint8)
            file.compressed("MASK", flags, method=GZIP, tile=_TILE)
        if frame.variance is not None:
            file.compressed("VARIANCE", cast(Any, frame.variance), method=GZIP, tile=_TILE)
        _write_map(file, made)


def write_plain_frame(path: Path, raw: Raw, made: PixelMap) -> None:
    """Write a frame's file of pixels alone, whose stored numbers are their values."""
    with create_fits(path) as file:
        file.primary()
        _write_pixels(file, raw, [])
        _write_map(file, made)


def _write_pixels(file: FitsWriter, raw: Raw | Rows, cards: list[Card]) -> None:
    method = GZIP if raw.dtype.kind == "f" else RICE
    # Rows can be cut into tiles as an array can, which is all that is asked of them.
    file.compressed("PIXELS", cast(Raw, raw), method=method, tile=_TILE, cards=cards)


def _write_map(file: FitsWriter, made: PixelMap) -> None:
    cards = [
        card("STEP", made.step, "pixels between nodes"),
        card("NX", made.nx, "columns of the output window"),
        card("NY", made.ny, "rows"),
    ]
    file.image("MAP", made.nodes, cards)


def write_kernel(path: Path) -> None:
    """Write the interpolation tables."""
    with create_fits(path) as file:
        file.primary()
        file.image("LANCZOS3", lanczos3(LANCZOS_PHASES))


def lanczos3(n_phase: int) -> NDArray[np.float64]:
    """Return weights of the six pixels at -2 ... 3 for fractions 0 to 1, (n_phase + 1, 6).

    sinc(x) sinc(x / 3), each row normalised to a sum of 1 (Turkowski 1990).
    """
    fraction = np.arange(n_phase + 1) / n_phase
    x = fraction[:, np.newaxis] - np.arange(-2, 4)
    weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def write_calibration(path: Path, masters: Masters) -> None:
    """Write master frames as float32 extensions: BIAS, DARK and FLAT, whichever there are."""
    with create_fits(path) as file:
        file.primary()
        for name, values in masters.planes.items():
            file.compressed(name.upper(), values, method=GZIP, tile=_TILE)


def _scale_cards(raw: Raw | Rows, scaling: Scaling) -> list[Card]:
    if raw.dtype.kind == "f":
        return []
    cards = []
    if (scaling.bscale, scaling.bzero) != (1.0, 0.0):
        cards += [card("BSCALE", scaling.bscale), card("BZERO", scaling.bzero)]
    if scaling.blank is not None:
        cards.append(card("BLANK", scaling.blank))
    return cards
