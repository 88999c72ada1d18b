"""Two images that disagree: the tiles in question are computed again, and tell who is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from apps.images.compute.computing import recompute
from apps.images.compute.settings import ReprojectionSettings
from apps.images.output import (
    FrameOutput,
    ReprojectionOutput,
    open_reprojection_output,
)
from apps.images.validate.tiles import Place, apart, beside, differing_tiles, need_inputs
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, valid

MOST_RECOMPUTED = 16
"""Tiles that one disagreement is worth. One that is in question is enough to find somebody wrong;
all of them are needed to find the other one right, and what a computer gets wrong by accident is in
a few. A tile of a frame of 4096 x 4096 takes 0.012 to 0.033 CPU seconds, and the check of such an
output 0.29 s: 16 tiles cost what checking both once more would, at most. Of more tiles so many are
taken, at equal distances."""


def referee(
    unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path], /
) -> tuple[Verdict, Verdict]:
    """Compute tiles that two outputs disagree about again; see `boinc_project.judge.Referee`.

    Raises
    ------
    UnitError, FitsError, OutputError
        If the unit, its inputs or the outputs are not usable.
    """
    settings = ReprojectionSettings.from_mapping(unit.settings)
    with open_reprojection_output(path_a) as a, open_reprojection_output(path_b) as b:
        if {a.unit_digest, b.unit_digest} != {unit.digest} or len(a.frames) != len(b.frames):
            nothing = inconclusive("The two outputs are not both of this unit.")
            return nothing, nothing
        disputed = _disputed(settings, a, b)
        chosen = _spread(disputed)
        need_inputs(unit, settings, inputs, {number for number, _ in chosen})
        sides: tuple[list[Verdict], list[Verdict]] = ([], [])
        for number, tile in chosen:
            again = recompute(unit, inputs, number, tile)
            for output, found in zip((a, b), sides, strict=True):
                found.append(beside(again, settings, output.frames[number], number, tile))
        first, second = (_verdict(found, len(disputed)) for found in sides)
        return first, second


def _disputed(
    settings: ReprojectionSettings, a: ReprojectionOutput, b: ReprojectionOutput
) -> list[Place]:
    """Return the tiles that are not the same within the tolerance, as far as pixels tell."""
    return [
        (number, tile)
        for number, tile in differing_tiles(a, b)
        if not _same(settings, a.frames[number], b.frames[number], number, tile)
    ]


def _same(
    settings: ReprojectionSettings, a: FrameOutput, b: FrameOutput, number: int, tile: int
) -> bool:
    if not (a.has_pixels and b.has_pixels):
        return False
    return not apart(a, a.tile(tile), b.tile(tile), settings.frames[number].pixel_noise, tile)[0]


def _spread(places: Sequence[Place]) -> list[Place]:
    """Return all places, or `MOST_RECOMPUTED` at equal distances: the same for either order."""
    if len(places) <= MOST_RECOMPUTED:
        return list(places)
    numbers = np.linspace(0, len(places) - 1, MOST_RECOMPUTED).round().astype(int)
    return [places[number] for number in numbers]


def _verdict(found: Sequence[Verdict], n_disputed: int) -> Verdict:
    """Return what the tiles say of one output."""
    for verdict in found:
        if verdict.is_invalid:
            return verdict
    counted = f"{len(found)} of {n_disputed} tiles that differ from another result's"
    if not found or len(found) < n_disputed:
        return inconclusive(f"{counted} were computed again, and are right.")
    return valid(f"{counted} were computed again, and are right.", tiles=float(len(found)))
