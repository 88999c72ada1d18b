"""The validator of ``reprojection``: check, compare, recompute tiles, price pixels."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.compute.computing import steps_of, tiling_of, window_cards
from apps.images.compute.frame import open_frame
from apps.images.compute.operations import credit_flop
from apps.images.compute.settings import ReprojectionSettings
from apps.images.output import (
    FrameOutput,
    ReprojectionOutput,
    open_reprojection_output,
)
from apps.images.output_frame import shown_name, tile_digest
from apps.images.validate.referee import referee
from apps.images.validate.tiles import apart, differing_tiles, need_inputs, recomputed
from boinc_project.errors import OutputError
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, invalid, valid
from validator.credit import cobblestones
from validator.segments import Purse

SAMPLE = 8
"""Every so many pixels the map tells whether the frame is there."""

__all__ = [
    "audit", "can_be_canonical", "check", "compare", "credit", "length_is_known",
    "one_word_is_enough", "referee",
]  # fmt: skip


def length_is_known(unit: Unit) -> bool:  # noqa: ARG001 - of every unit
    """Tell what `boinc_project.judge.Judge` asks."""
    return True


def one_word_is_enough(unit: Unit) -> bool:  # noqa: ARG001 - of every unit
    """Tell what `boinc_project.judge.Judge` asks."""
    return False


def check(unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
    """Judge one output by itself: structure, identity, digests of all tiles, footprint.

    Raises
    ------
    UnitError, FitsError
        If the unit or its inputs are not usable; the output cannot be judged then.
    """
    settings = ReprojectionSettings.from_mapping(unit.settings)
    try:
        with open_reprojection_output(path) as output:
            reason = _identity(unit, settings, output)
            if reason:
                return invalid(reason)
            for number, frame in enumerate(output.frames):
                case = _Case(settings, number, frame, inputs)
                for complaint in _COMPLAINTS:
                    reason = complaint(case)
                    if reason:
                        return invalid(f"{frame.name}: {reason}")
            return valid(
                "Its check passed."
                if output.has_pixels
                else "Its check passed; it has digests only.",
                pixels=float(output.n_pixel),
                tiles=float(sum(frame.tiling.n_tile for frame in output.frames)),
            )
    except OutputError as error:
        return invalid(error.message)


def compare(unit: Unit, path_a: Path, path_b: Path) -> Verdict:
    """Compare two outputs: by digest, else tile by tile where digests differ.

    Raises
    ------
    OutputError
        If one of them cannot be read.
    """
    settings = ReprojectionSettings.from_mapping(unit.settings)
    with open_reprojection_output(path_a) as a, open_reprojection_output(path_b) as b:
        if {a.unit_digest, b.unit_digest} != {unit.digest}:
            return invalid("The outputs are not both of this unit.")
        if a.content_digest == b.content_digest:
            return valid("Its pixels equal those of the other result, bit for bit.")
        if len(a.frames) != len(b.frames) or a.tile != b.tile:
            return invalid("The two outputs have different shapes.")
        differing = list(differing_tiles(a, b))
        total = sum(frame.tiling.n_tile for frame in a.frames)
        counted = f"{len(differing)} of {total} tiles differ"
        if not (a.has_pixels and b.has_pixels):
            return inconclusive(f"{counted}, and pixels are needed to tell by how much.")
        worst = 0.0
        for number, tile in differing:
            left, right = a.frames[number], b.frames[number]
            noise = settings.frames[number].pixel_noise
            reason, distance = apart(left, left.tile(tile), right.tile(tile), noise, tile)
            if reason:
                return invalid(f"{counted}: {reason}", tiles=float(len(differing)))
            worst = max(worst, distance)
        return valid(
            f"{counted}, by no more than {worst:.1g} of the noise.",
            tiles=float(len(differing)),
            distance=worst,
        )


def audit(
    unit: Unit,
    path: Path,
    inputs: Mapping[str, Path],
    /,
    *,
    rng: np.random.Generator,
    budget: float,
    cpu: Callable[[], float] = time.process_time,
) -> Verdict:
    """Recompute random tiles, with the kernel that volunteers have.

    See `boinc_project.judge.Audit`.

    Raises
    ------
    UnitError, FitsError, OutputError
        If the unit, its inputs or the output are not usable.
    """
    settings = ReprojectionSettings.from_mapping(unit.settings)
    with open_reprojection_output(path) as output:
        reason = _identity(unit, settings, output)
        if reason:
            return invalid(reason)
        places = [
            (number, tile)
            for number, frame in enumerate(output.frames)
            for tile in range(frame.tiling.n_tile)
        ]
        need_inputs(unit, settings, inputs, frozenset(range(len(output.frames))))
        purse, done = Purse(budget, cpu), 0
        for index in rng.permutation(len(places)):
            if not purse.has_for(done):
                break
            number, tile = places[index]
            verdict = recomputed(unit, settings, output.frames[number], inputs, number, tile)
            if not verdict.is_valid:
                return verdict
            done += 1
        return valid(f"{done} of {len(places)} tiles were computed again.", tiles=float(done))


def credit(unit: Unit, output: Path) -> float:
    """Return the cobblestones of a valid result, from the pixels that its output counts.

    No more than the unit's windows have; an average over many pixels of a frame is worth more.

    Raises
    ------
    UnitError, OutputError
        If the unit's settings or the output are not usable.
    """
    settings = ReprojectionSettings.from_mapping(unit.settings)
    with open_reprojection_output(output) as opened:
        if len(opened.frames) != len(settings.frames):
            raise OutputError("The output has other frames than the unit.")
        flop = 0.0
        for asked, frame in zip(settings.frames, opened.frames, strict=True):
            n_pixel = min(int(frame.counts.sum()), asked.nx * asked.ny)
            flop += credit_flop(asked.method, n_pixel, asked.area)
        return cobblestones(flop)


def can_be_canonical(output: Path) -> bool:
    """Tell whether an output can stand for its workunit: only one with pixels can."""
    with open_reprojection_output(output) as opened:
        return opened.has_pixels


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """A frame of an output, and all that it is judged by."""

    settings: ReprojectionSettings
    number: int
    frame: FrameOutput
    inputs: Mapping[str, Path]


def _identity(unit: Unit, settings: ReprojectionSettings, output: ReprojectionOutput) -> str:
    if output.unit_digest != unit.digest:
        return "The output belongs to another unit."
    if output.app_version < unit.min_app_version:
        return "The output was computed by an app version older than the unit allows."
    if len(output.frames) != len(settings.frames) or output.tile != settings.tile:
        return "The output has other frames or tiles than the unit."
    if not (output.has_pixels or settings.digest_only):
        return "The output has no pixels, and the unit asks for them."
    for frame, wanted in zip(output.frames, settings.frames, strict=True):
        window = (frame.x0, frame.y0, frame.nx, frame.ny)
        if window != (wanted.x0, wanted.y0, wanted.nx, wanted.ny):
            return "The output has other windows than the unit."
        if frame.name != shown_name(wanted.name) or frame.noise != wanted.noise:
            return "The output has other frames than the unit."
    return ""


def _cards(case: _Case) -> str:
    """Return what is wrong with the world coordinates and the steps."""
    frame, wanted = case.frame, case.settings.frames[case.number]
    if not frame.has_pixels:
        return ""
    texts = {card.text for card in frame.header}
    if not all(card.text in texts for card in window_cards(case.settings, wanted)):
        return "The output has other world coordinates than the unit."
    steps = steps_of(case.settings, wanted)
    if steps is None:
        return "" if frame.step is None else "The output has steps, and the unit asks for none."
    if (frame.step, frame.zero, frame.blank) != (steps.step, steps.zero, steps.blank):
        return "The output has other steps than the unit asks for."
    return ""


def _digests(case: _Case) -> str:
    """Return what is wrong with the tiles: digests, counts, and values that cannot be."""
    frame = case.frame
    for number in range(frame.tiling.n_tile):
        _, _, nx, ny = frame.tiling.box(number)
        if not 0 <= frame.counts[number] <= nx * ny:
            return "A tile has more pixels than it has room for."
        if not frame.has_pixels:
            continue
        pixels, variance = frame.tile(number)
        if tile_digest(pixels, variance) != frame.tile_digests[number].tobytes():
            return f"Tile {number} does not match its digest."
        if np.count_nonzero(frame.holds(pixels)) != frame.counts[number]:
            return f"Tile {number} does not count its pixels rightly."
        if np.isinf(pixels).any() or not _variance_is_sound(frame, pixels, variance):
            return f"Tile {number} has values or variances that cannot be."
    return ""


def _variance_is_sound(frame: FrameOutput, pixels: NDArray[Any], variance: NDArray[Any]) -> bool:
    """Tell whether there is a variance just where there is a value."""
    holds = frame.holds(pixels)
    if frame.step is None:
        sound = np.isfinite(variance) & (variance >= 0.0)
        return bool((sound == holds).all())
    height, width = variance.shape
    padded = np.zeros((8 * height, 8 * width), bool)
    padded[: holds.shape[0], : holds.shape[1]] = holds
    blocks = padded.reshape(height, 8, width, 8).any(axis=(1, 3))
    return bool((variance >= 0).all() and ((variance > 0) == blocks).all())


def _footprint(case: _Case) -> str:
    """Return whether there are pixels where the frame is not."""
    settings, wanted = case.settings, case.settings.frames[case.number]
    tiling = tiling_of(settings, wanted)
    with open_frame(settings, case.number, case.inputs) as frame:
        for number in range(tiling.n_tile):
            x, y, nx, ny = tiling.box(number)
            pixel_map, start = frame.map_rows(y, y + ny - 1)
            columns, rows = _sampled(x, nx), _sampled(y, ny) - start
            corners = pixel_map.at(columns[[0, -1]], rows[[0, -1]])
            is_empty = not case.frame.counts[number]
            if is_empty or _is_within(corners, frame.width, frame.height, 1.0):
                continue
            places = pixel_map.at(columns, rows)
            # A frame that reaches into a tile shows at a sample, or within one of it.
            reach = SAMPLE * _largest_step(places) + 1.0
            if not _is_within(places, frame.width, frame.height, reach):
                return f"Tile {number} has pixels where the frame is not."
    return ""


def _is_within(places: NDArray[np.float64], width: int, height: int, reach: float) -> bool:
    """Whether any of places (2, ...) is in a frame, or so many pixels beside it."""
    x, y = places
    is_near = (x > -reach) & (x < width + reach) & (y > -reach) & (y < height + reach)
    return bool(is_near.any())


def _sampled(first: int, n: int) -> NDArray[np.int64]:
    return np.unique(np.append(np.arange(first, first + n, SAMPLE), first + n - 1))


def _largest_step(places: NDArray[np.float64]) -> float:
    """Return the largest distance of neighbouring samples, frame pixels a pixel of the window."""
    steps = [np.abs(np.diff(places, axis=axis)).max(initial=0.0) for axis in (1, 2)]
    return float(max(steps)) / SAMPLE


_COMPLAINTS: tuple[Callable[[_Case], str], ...] = (_cards, _digests, _footprint)
