"""Packing: a frame's pixels, mask, variance and pixel map become one file of a unit.

Pixels keep the bits that the camera wrote; what is compressed is compressed without loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boinc_project.fits.cards import Card, card, parse_card
from boinc_project.fits.writing import GZIP, RICE, FitsWriter, create_fits
from work_generator.reprojection_calibration import Masters
from work_generator.sky.colour import looks_mosaic, part_from, part_of
from work_generator.sky.frame import (
    Image,
    Raw,
    Scaling,
    check_pixels,
    find_images,
    physical,
    read_raw,
    thinned,
)
from work_generator.sky.pixel_map import PixelMap
from work_generator.sky.reference import cards_of, grid_header
from work_generator.sky.sections import empty_border, sky_section

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
    """A frame as it was read.

    Attributes
    ----------
    image : Image
        Its header.
    raw : ndarray
        Pixels as stored, (ny, nx).
    bad : ndarray or None
        bool (ny, nx): where the mask, or a weight, variance or error that says nothing, forbids
        pixels.
    variance : ndarray or None
        float32 (ny, nx), in the image's unit squared; 1 where `bad`.
    remarks : tuple[str, ...]
        Sentences about its pixels.
    """

    image: Image
    raw: Raw
    bad: NDArray[np.bool_] | None
    variance: NDArray[np.float32] | None
    remarks: tuple[str, ...] = ()

    def values(self) -> NDArray[np.float32]:
        """Return pixels in the image's unit, NaN where bad."""
        values = physical(self.raw, self.image.scaling)
        if self.bad is not None:
            values = np.where(self.bad, np.float32(np.nan), values)
        return values


def image_of(stated: Mapping[str, Any]) -> Image:
    """Return the image that one of a campaign's ``images`` states, of one colour if it says which.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    (image,) = find_images(Path(stated["path"]), stated["hdu"])
    return part_of(image, part_from(stated["part"])) if "part" in stated else image


def read_frame(stated: Mapping[str, Any], blank: float | None = None) -> Frame:
    """Read a frame and its planes.

    Parameters
    ----------
    stated : Mapping
        One of a campaign's ``images``.
    blank : float, optional
        A value that says that nothing is known of a pixel.

    Raises
    ------
    InputError
        If something cannot be read, or says nothing.
    """
    image = image_of(stated)
    raw = read_raw(image)
    bad, remarks = _unseen(image, raw, blank)
    variance = None
    if "mask" in stated:
        mask, there = _plane(stated["mask"], image)
        with np.errstate(invalid="ignore"):
            bad = _either(bad, (mask != 0) if there.dtype.kind != "f" else ~(mask == 0))
    for name in ("weight", "variance", "error"):
        if name in stated:
            values, _ = _plane(stated[name], image)
            known = np.isfinite(values) & (values > 0)
            variance = np.ones_like(values)
            with np.errstate(over="ignore", divide="ignore"):
                variance[known] = _VARIANCE_OF[name](values[known])
            known &= np.isfinite(variance)
            variance[~known] = 1
            bad = _either(bad, ~known)
    frame = Frame(image, raw, bad, variance, remarks)
    check_pixels(image, frame.values())
    return frame


def _unseen(
    image: Image, raw: Raw, blank: float | None
) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """Return which pixels have not seen the sky, and remarks about borders."""
    bad, remarks = None, []
    section, _ = sky_section(image)
    if section is not None:
        bad = section.outside(raw.shape[-2:])
    values = physical(raw, image.scaling)
    if blank is not None:
        bad = _either(bad, values == np.float32(blank))
    border = empty_border(values if bad is None else np.where(bad, np.float32(np.nan), values))
    if border is not None:
        level = float(values[border][0])
        remarks.append(f"Its border of {level:g} is taken as pixels that saw nothing.")
        bad = _either(bad, border)
    known = values if bad is None else np.where(bad, np.float32(np.nan), values)
    if image.cell is None and image.layers == 1 and looks_mosaic(known):
        remarks.append(
            "Even and odd pixels have unlike levels of the sky: if it is a mosaic of colours that "
            'its header does not state, write colour = "RGGB" or what the camera has.'
        )
    return bad, tuple(remarks)


def _either(bad: NDArray[np.bool_] | None, more: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return more if bad is None else bad | more


def _plane(stated: Mapping[str, Any], image: Image) -> tuple[NDArray[np.float32], Raw]:
    (plane,) = find_images(Path(stated["path"]), stated["hdu"])
    if plane.layers == image.layers:
        plane = replace(plane, layer=image.layer)
    raw = thinned(read_raw(plane), image.cell)
    return physical(raw, plane.scaling), raw


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
            file.compressed("MASK", frame.bad.astype(np.uint8), method=GZIP, tile=_TILE)
        if frame.variance is not None:
            file.compressed("VARIANCE", frame.variance, method=GZIP, tile=_TILE)
        _write_map(file, made)


def write_plain_frame(path: Path, raw: Raw, made: PixelMap) -> None:
    """Write a frame's file of pixels alone, whose stored numbers are their values."""
    with create_fits(path) as file:
        file.primary()
        _write_pixels(file, raw, [])
        _write_map(file, made)


def _write_pixels(file: FitsWriter, raw: Raw, cards: list[Card]) -> None:
    method = GZIP if raw.dtype.kind == "f" else RICE
    file.compressed("PIXELS", raw, method=method, tile=_TILE, cards=cards)


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


def _scale_cards(raw: Raw, scaling: Scaling) -> list[Card]:
    if raw.dtype.kind == "f":
        return []
    cards = []
    if (scaling.bscale, scaling.bzero) != (1.0, 0.0):
        cards += [card("BSCALE", scaling.bscale), card("BZERO", scaling.bzero)]
    if scaling.blank is not None:
        cards.append(card("BLANK", scaling.blank))
    return cards
