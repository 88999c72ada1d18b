"""Two computations of a tile of an image, and a tile that is computed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.compute.computing import recompute
from apps.images.compute.settings import ReprojectionSettings
from apps.images.compute.tiles import Tile
from apps.images.output import FrameOutput, ReprojectionOutput
from apps.images.output_frame import tile_digest
from boinc_project.errors import UnitError
from boinc_project.unit import Unit, file_digest
from boinc_project.verdict import Verdict, invalid, valid

SIGMA_TOLERANCE = 1e-3
"""Largest difference of two values, in sky noise of an input pixel: 1e-6 of the variance."""
ULP_TOLERANCE = 4
"""The same in units of float32's last place, for bright pixels: what reordered sums differ by."""
VARIANCE_TOLERANCE = 1e-4
"""Largest relative difference of two float32 variances; codes of steps may differ by one."""

Place = tuple[int, int]
"""A frame's number and the tile's in it."""


def need_inputs(
    unit: Unit, settings: ReprojectionSettings, inputs: Mapping[str, Path], frames: Set[int]
) -> None:
    """Refuse to recompute from files that are not what was sent: nobody is wrong by them.

    Parameters
    ----------
    unit, settings
        What was asked for.
    inputs : Mapping[str, Path]
        The unit's other input files, by logical name.
    frames : Set[int]
        Numbers of the frames that are to be computed; the images of others need not be there.

    Raises
    ------
    UnitError
        Naming the file that is missing or another.
    """
    unused = {one.input for number, one in enumerate(settings.frames) if number not in frames}
    for name, digest in unit.inputs.items():
        if name not in unused and (name not in inputs or file_digest(inputs[name]) != digest):
            raise UnitError(f"The input file {name} is not the one that was sent.", name=name)


def differing_tiles(a: ReprojectionOutput, b: ReprojectionOutput) -> Iterator[Place]:
    """Yield the tiles of two outputs of equal shapes whose digests differ."""
    for number, (left, right) in enumerate(zip(a.frames, b.frames, strict=True)):
        for tile in np.flatnonzero((left.tile_digests != right.tile_digests).any(axis=1)):
            yield number, int(tile)


def apart(
    frame: FrameOutput,
    left: tuple[NDArray[Any], NDArray[Any]],
    right: tuple[NDArray[Any], NDArray[Any]],
    noise: float,
    tile: int,
) -> tuple[str, float]:
    """Return why two computations of a tile are not the same, and by how much they differ.

    Parameters
    ----------
    frame : FrameOutput
        One of the frames: says how numbers are stored.
    left, right : tuple of ndarray
        Pixels and variance as they are stored.
    noise : float
        Of the sky, in output units.
    tile : int
        The tile's number, for the reason.

    Returns
    -------
    reason : str
        Empty if they are the same within the tolerances.
    distance : float
        Largest difference of two pixels, in noise; infinite if they are not the same.
    """
    holds = frame.holds(left[0])
    if not np.array_equal(holds, frame.holds(right[0])):
        return f"tile {tile} has another footprint.", np.inf
    scale = 1.0 if frame.step is None else frame.step
    a, b = (np.where(holds, one[0], 0).astype(np.float64) * scale for one in (left, right))
    largest = (np.maximum(np.abs(a), np.abs(b)) + abs(frame.zero)).astype(np.float32)
    allowed = np.maximum(SIGMA_TOLERANCE * noise, ULP_TOLERANCE * np.spacing(largest))
    if not (np.abs(a - b) <= allowed).all():
        return f"tile {tile} has other values.", np.inf
    if frame.step is None:
        same = np.isclose(left[1], right[1], rtol=VARIANCE_TOLERANCE, atol=0.0, equal_nan=True)
    else:
        same = np.abs(left[1].astype(np.int64) - right[1]) <= 1
    if not same.all():
        return f"tile {tile} has another variance.", np.inf
    return "", float(np.abs(a - b).max(initial=0.0)) / noise


def recomputed(
    unit: Unit,
    settings: ReprojectionSettings,
    frame: FrameOutput,
    inputs: Mapping[str, Path],
    number: int,
    tile: int,
) -> Verdict:
    """Compute a tile again, and judge a frame's by it.

    Raises
    ------
    UnitError, FitsError, OutputError
        If the unit, its inputs or the output are not usable.
    """
    return beside(recompute(unit, inputs, number, tile), settings, frame, number, tile)


def beside(
    again: Tile, settings: ReprojectionSettings, frame: FrameOutput, number: int, tile: int
) -> Verdict:
    """Judge a frame's tile by one that was computed again.

    Raises
    ------
    OutputError
        If the output's is damaged.
    """
    stated = frame.tile_digests[tile].tobytes()
    if again.digest() == stated and again.count == frame.counts[tile]:
        return valid("The tile is the same, bit for bit.")
    if not frame.has_pixels:
        return invalid(f"Tile {tile} of {frame.name} has another digest when computed again.")
    pixels = frame.tile(tile)
    if tile_digest(*pixels) != stated:
        return invalid(f"Tile {tile} of {frame.name} does not match its digest.")
    noise = settings.frames[number].pixel_noise
    reason, _ = apart(frame, pixels, (again.pixels, again.variance), noise, tile)
    if reason:
        return invalid(f"Computed again, of {frame.name} {reason}")
    return valid("The tile is the same within the tolerance.")
