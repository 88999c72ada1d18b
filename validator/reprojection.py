"""The validator of ``reprojection``: check, compare, recompute tiles, price pixels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.reprojection.computing import recompute, steps_of, tiling_of, window_cards
from apps.reprojection.frame import open_frame
from apps.reprojection.operations import credit_flop
from apps.reprojection.settings import ReprojectionSettings
from boinc_project.errors import OutputError
from boinc_project.reprojection_output import (
    FrameOutput,
    ReprojectionOutput,
    open_reprojection_output,
    shown_name,
    tile_digest,
)
from boinc_project.unit import Unit
from validator.credit import cobblestones
from validator.verdict import Verdict, inconclusive, invalid, valid

SIGMA_TOLERANCE = 1e-3
"""Largest difference of two values, in sky noise of an input pixel: 1e-6 of the variance."""
ULP_TOLERANCE = 4
"""The same in units of float32's last place, for bright pixels: what reordered sums differ by."""
VARIANCE_TOLERANCE = 1e-4
"""Largest relative difference of two float32 variances; codes of steps may differ by one."""
SAMPLE = 8
"""Every so many pixels the map tells whether the frame is there."""

LENGTH_IS_KNOWN = True
"""See `validator.registry.AppValidator`."""


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
        differing = list(_differing(a, b))
        total = sum(frame.tiling.n_tile for frame in a.frames)
        counted = f"{len(differing)} of {total} tiles differ"
        if not (a.has_pixels and b.has_pixels):
            return inconclusive(f"{counted}, and pixels are needed to tell by how much.")
        worst = 0.0
        for number, tile in differing:
            left, right = a.frames[number], b.frames[number]
            noise = settings.frames[number].noise
            reason, distance = _apart(left, left.tile(tile), right.tile(tile), noise, tile)
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
    """Recompute random tiles, with the kernel that volunteers have; see `validator.registry.Audit`.

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
        began, done = cpu(), 0
        for index in rng.permutation(len(places)):
            number, tile = places[index]
            verdict = _recomputed(unit, settings, output.frames[number], inputs, number, tile)
            if not verdict.is_valid:
                return verdict
            done += 1
            if cpu() - began >= budget:
                break
        return valid(f"{done} of {len(places)} tiles were computed again.", tiles=float(done))


def credit(unit: Unit, output: Path) -> float:
    """Return the cobblestones of a valid result, from the pixels that its output counts.

    No more than the unit's windows have.

    Raises
    ------
    UnitError, OutputError
        If the unit's settings or the output are not usable.
    """
    settings = ReprojectionSettings.from_mapping(unit.settings)
    most = sum(frame.nx * frame.ny for frame in settings.frames)
    with open_reprojection_output(output) as opened:
        return cobblestones(credit_flop(settings.method, min(opened.n_pixel, most)))


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
            places = pixel_map.at(columns, rows)
            # A frame that reaches into a tile shows at a sample, or within one of it.
            reach = SAMPLE * _largest_step(places) + 1.0
            is_near = (
                (places[0] > -reach)
                & (places[0] < frame.width + reach)
                & (places[1] > -reach)
                & (places[1] < frame.height + reach)
            )
            if case.frame.counts[number] and not is_near.any():
                return f"Tile {number} has pixels where the frame is not."
    return ""


def _sampled(first: int, n: int) -> NDArray[np.int64]:
    return np.unique(np.append(np.arange(first, first + n, SAMPLE), first + n - 1))


def _largest_step(places: NDArray[np.float64]) -> float:
    """Return the largest distance of neighbouring samples, frame pixels a pixel of the window."""
    steps = [np.abs(np.diff(places, axis=axis)).max(initial=0.0) for axis in (1, 2)]
    return float(max(steps)) / SAMPLE


_COMPLAINTS: tuple[Callable[[_Case], str], ...] = (_cards, _digests, _footprint)


def _differing(a: ReprojectionOutput, b: ReprojectionOutput) -> Iterator[tuple[int, int]]:
    for number, (left, right) in enumerate(zip(a.frames, b.frames, strict=True)):
        for tile in np.flatnonzero((left.tile_digests != right.tile_digests).any(axis=1)):
            yield number, int(tile)


def _apart(
    frame: FrameOutput,
    left: tuple[NDArray[Any], NDArray[Any]],
    right: tuple[NDArray[Any], NDArray[Any]],
    noise: float,
    tile: int,
) -> tuple[str, float]:
    """Return why two computations of a tile are not the same, and by how much they differ."""
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


def _recomputed(
    unit: Unit,
    settings: ReprojectionSettings,
    frame: FrameOutput,
    inputs: Mapping[str, Path],
    number: int,
    tile: int,
) -> Verdict:
    again = recompute(unit, inputs, number, tile)
    stated = frame.tile_digests[tile].tobytes()
    if again.digest() == stated and again.count == frame.counts[tile]:
        return valid("The tile is the same, bit for bit.")
    if not frame.has_pixels:
        return invalid(f"Tile {tile} of {frame.name} has another digest when computed again.")
    pixels = frame.tile(tile)
    if tile_digest(*pixels) != stated:
        return invalid(f"Tile {tile} of {frame.name} does not match its digest.")
    noise = settings.frames[number].noise
    reason, _ = _apart(frame, pixels, (again.pixels, again.variance), noise, tile)
    if reason:
        return invalid(f"Computed again, of {frame.name} {reason}")
    return valid("The tile is the same within the tolerance.")
