"""The grid: a header's, an image's, or that of the best frame."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError
from astropy.wcs import WCS

from apps.images.limits import MAX_PIXELS, MAX_SIDE
from apps.images.plan.sky.frame import find_images
from apps.images.plan.sky.header import mend_header
from apps.images.plan.sky.solution import Solution, make_solution, read_solution
from boinc_project.errors import InputError

_ENOUGH = 0.95
"""Frames that cover nearly as much as the best are as good: of them the sharpest is taken."""
_WCS_CARDS = (
    "WCSAXES", "CTYPE", "CUNIT", "CRVAL", "CRPIX", "CDELT", "CD1_", "CD2_", "PC1_", "PC2_", "PV1_",
    "PV2_", "LONPOLE", "LATPOLE", "RADESYS", "EQUINOX", "A_", "B_", "CROTA",
)  # fmt: skip


def choose(coverages: Sequence[float], widths: Sequence[float | None]) -> int:
    """Return the number of the best frame: of those that cover most, the sharpest.

    Parameters
    ----------
    coverages : Sequence[float]
        Which part of all frames' area lies on each frame's grid.
    widths : Sequence[float or None]
        FWHM of the stars, arcseconds; None where they could not be measured.
    """
    enough = _ENOUGH * max(coverages)
    rank = [
        (math.inf if width is None else width, -coverage, number)
        for number, (coverage, width) in enumerate(zip(coverages, widths, strict=True))
        if coverage >= enough
    ]
    return min(rank)[-1]


def plain_grid(frame: Solution) -> fits.Header:
    """Return an undistorted TAN grid in the ICRS that fits a frame: its centre, scale and turn.

    Its matrix is the frame's own at the centre, so that the frame is hardly resampled there.
    """
    middle = (frame.nx - 1) / 2, (frame.ny - 1) / 2
    x = middle[0] + np.array([0.0, 0.5, -0.5, 0.0, 0.0])
    y = middle[1] + np.array([0.0, 0.0, 0.0, 0.5, -0.5])
    ra, dec = frame.sky(x, y)
    if not np.isfinite(ra).all():
        raise InputError(
            f"{frame.label} cannot be the reference: its centre is not on the sky. Name another."
        )
    header = fits.Header()
    header.update(
        {
            "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg",
            "CRVAL1": float(ra[0]), "CRVAL2": float(dec[0]), "CRPIX1": middle[0] + 1,
            "CRPIX2": middle[1] + 1, "CDELT1": 1.0, "CDELT2": 1.0, "RADESYS": "ICRS",
        }
    )  # fmt: skip
    # The frame's pixels on the tangent plane of a grid of one degree a pixel: its matrix.
    plane = WCS(header).wcs_world2pix(np.column_stack([ra, dec]), 0)
    along, across = plane[1] - plane[2], plane[3] - plane[4]
    del header["CDELT1"], header["CDELT2"]
    matrix = {
        "CD1_1": along[0], "CD1_2": across[0], "CD2_1": along[1], "CD2_2": across[1],
    }  # fmt: skip
    header.update({name: float(value) for name, value in matrix.items()})
    return header


def read_grid(path: Path, extension: str | int | None = None) -> tuple[fits.Header, int, int]:
    """Return the world coordinates and the size that a reference states.

    Parameters
    ----------
    path : Path
        A FITS image, or a header as text: one card a line, or 80 characters each.
    extension : str or int, optional
        Of the image.

    Raises
    ------
    InputError
        If the file has no usable world coordinates, or no size.
    """
    try:
        start = _first_bytes(path) if path.is_file() else None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", path=path) from error
    if start is None:
        raise InputError(f"The reference {path} does not exist: correct its path.", path=path)
    compressed = start[:2] in (b"\x1f\x8b", b"BZ")
    if compressed or (start.startswith(b"SIMPLE  =") and path.stat().st_size >= 5760):
        image = find_images(path, extension)[0]
        solution = read_solution(image)
        if solution.tables:
            raise InputError(
                f"The reference {image.label} has distortion tables, which no header can hold: "
                "write choose = true, or name an image without.",
                path=path,
            )
        return grid_header(image.header), image.nx, image.ny
    header = _text_header(path)
    nx, ny = header.get("NAXIS1"), header.get("NAXIS2")
    if not isinstance(nx, int) or not isinstance(ny, int):
        raise InputError(
            f"The reference {path} has no NAXIS1 and NAXIS2: add the size of the grid.", path=path
        )
    make_solution(header, nx, ny, str(path))
    return grid_header(header), nx, ny


def check_size(nx: int, ny: int, label: str) -> None:
    """Refuse grids that no product could be made of.

    Raises
    ------
    InputError
        If the grid is absurdly large, or has no pixel.
    """
    if nx < 1 or ny < 1:
        raise InputError(f"The grid of {label} has {nx} x {ny} pixels: correct its size.")
    if max(nx, ny) > MAX_SIDE or nx * ny > MAX_PIXELS:
        raise InputError(
            f"The grid of {label} has {nx} x {ny} pixels; at most {MAX_PIXELS:,} and "
            f"{MAX_SIDE:,} a side are taken: choose a coarser scale or a smaller field."
        )


def grid_header(header: fits.Header) -> fits.Header:
    """Return the world coordinates of a header, and nothing else."""
    return fits.Header(
        [
            card
            for card in header.cards
            if card.keyword.startswith(_WCS_CARDS) and not card.keyword.endswith(("_DMAX", "_OBS"))
        ]
    )


def cards_of(header: fits.Header) -> list[str]:
    """Return a header's cards, 80 characters each."""
    return [card.image for card in header.cards if len(card.image) == 80]


def grid_of(cards: Sequence[str], nx: int, ny: int, label: str) -> Solution:
    """Return the world coordinates of a grid's cards; see `cards_of`."""
    header = fits.Header([fits.Card.fromstring(card) for card in cards])
    return make_solution(header, nx, ny, label)


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(80)


def _text_header(path: Path) -> Any:
    try:
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The reference {path} is neither a FITS image nor a header as text.", path=path
        ) from error
    separator = "\n" if "\n" in text else ""
    with warnings.catch_warnings(action="ignore"):
        header = fits.Header.fromstring(text, sep=separator)
        try:
            for card in header.cards:
                card.value  # noqa: B018 - parse them now
        except VerifyError as error:
            reason = str(error).strip().split("\n")[-1].rstrip(".")
            raise InputError(f"The reference {path} is no header: {reason}.", path=path) from error
        return mend_header(header)[0]
