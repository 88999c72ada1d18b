"""The FITS files of an image product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from apps.images.merge.coadd.flags import MEANINGS
from apps.images.merge.header import ImageHeaders
from apps.images.merge.planes import ROWS, Planes
from boinc_project.fits.cards import Card, card
from boinc_project.fits.writing import GZIP, RICE, FitsWriter, create_fits, encode_tile

IMAGE_FILE = "image.fits"
COMPRESSED = {"weight": "f4", "variance": "f4", "count": "i4", "rejected": "i4", "flags": "i4"}
"""Planes that are tile-compressed, and what they are stored as: the Rice code knows no unsigned
16-bit integers, and 32 bits of a small number cost it nothing."""


def write_image_files(directory: Path, planes: Planes, headers: ImageHeaders) -> None:
    """Write ``image.fits``, and a file for each of the planes of `COMPRESSED`.

    Parameters
    ----------
    directory : Path
        Where to.
    planes : Planes
        What.
    headers : ImageHeaders
        What all of them say.
    """
    about = [card("EXTEND", True), *headers.product, *headers.observation]
    with create_fits(directory / IMAGE_FILE) as file:
        file.primary([*about, *headers.history])
        file.image("SCI", planes.whole("image"), headers.of_plane("image"))
    for name, dtype in COMPRESSED.items():
        with create_fits(directory / f"{name}.fits") as file:
            file.primary(about)
            _compressed(file, name, planes, np.dtype(dtype), headers)


def _compressed(
    file: FitsWriter, name: str, planes: Planes, dtype: np.dtype[Any], headers: ImageHeaders
) -> None:
    method = RICE if dtype.kind == "i" else GZIP
    codes = (
        encode_tile(np.ascontiguousarray(rows[:, start : start + ROWS], dtype), method)
        for rows in planes.rows(name)
        for start in range(0, planes.grid.nx, ROWS)
    )
    file.compressed_tiles(
        name.upper(),
        codes,
        shape=(planes.grid.ny, planes.grid.nx),
        dtype=dtype,
        method=method,
        tile=(ROWS, ROWS),
        cards=[*headers.of_plane(name), *(flag_cards() if name == "flags" else ())],
    )


def flag_cards() -> list[Card]:
    """Return the names and meanings of the bits of the flags, a card each."""
    return [
        card(f"BIT{flag.value.bit_length() - 1:02d}", str(flag.name), meaning)
        for flag, meaning in MEANINGS.items()
    ]
