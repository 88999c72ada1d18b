"""Computing a unit: frame by frame, tile by tile, with checkpoints between tiles."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from apps.images.compute.app import Frames
from apps.images.compute.checkpoint import Finished
from apps.images.compute.engine import Interpolation, Steps, lanczos_table, need_kernel
from apps.images.compute.frame import open_frame
from apps.images.compute.settings import FrameSettings, ReprojectionSettings
from apps.images.compute.tiles import Tile, Work, compute_tile, compute_tiles
from apps.images.limits import INPUT_LIMITS
from apps.images.output import write_reprojection_output
from apps.images.output_frame import FrameHead, FramePixels, FrameRecord, Tiling
from apps.runtime.errors import QuitRequested
from boinc_project.computation import Runtime
from boinc_project.errors import UnitError
from boinc_project.fits.cards import Card, card
from boinc_project.fits.files import open_fits
from boinc_project.fits.images import Image, image_cards
from boinc_project.unit import Unit

KERNEL_FILE = "kernel.fits"
CHECKPOINT_PERIOD = 60.0
"""CPU seconds after which a checkpoint is written, whatever the volunteer's preference."""

_NOT_WCS = frozenset({"BSCALE", "BZERO", "BLANK", "BUNIT", "DATAMIN", "DATAMAX", "INHERIT"})


def run(unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime) -> None:
    """Compute a unit and write its output.

    It can be killed at any moment and started again, and the output is the same, bit for bit. The
    same unit gives the same pixels on every machine: see ``docs/developer/reprojection.md``.

    Parameters
    ----------
    unit : Unit
        To be computed; see `apps.images.compute.settings`.
    inputs : Mapping[str, Path]
        Where the input files are, by logical name: the frames, ``kernel.fits`` for Lanczos3, and
        ``calibration.fits`` where frames are calibrated.
    output : Path
        Where to write the output; see `apps.images.output`.
    runtime : Runtime
        Told of progress, asked whether to go on.

    Raises
    ------
    UnitError, FitsError
        If the unit or an input cannot be understood.
    ConfigError
        If it needs what this app has not: reproject, or a kernel that was not built.
    """
    settings = ReprojectionSettings.from_mapping(unit.settings)
    interpolations = [_interpolation(settings, frame, inputs) for frame in settings.frames]
    tilings = [tiling_of(settings, frame) for frame in settings.frames]
    finished = Finished(runtime.slot, unit.digest, [tiling.n_tile for tiling in tilings])
    with contextlib.closing(finished):
        n_tile = sum(tiling.n_tile for tiling in tilings)
        if len(finished):
            sys.stderr.write(f"Resumed after {len(finished)} of {n_tile} tiles.\n")
        keep_pixels = not (settings.digest_only and is_odd(runtime.result_name))
        saved_at = runtime.cpu_time()
        try:
            for number, _ in enumerate(settings.frames):
                for tile in _tiles(settings, number, interpolations[number], inputs, finished):
                    finished.add(number, tile, keep_pixels=keep_pixels)
                    runtime.set_fraction_done(len(finished) / n_tile)
                    is_late = runtime.cpu_time() - saved_at >= CHECKPOINT_PERIOD
                    if is_late or runtime.time_to_checkpoint():
                        finished.save()
                        runtime.checkpoint_completed()
                        saved_at = runtime.cpu_time()
                    runtime.poll()
        except QuitRequested:
            # A full disk only costs the tiles since the last checkpoint.
            with contextlib.suppress(OSError):
                finished.save()
            raise
        write_reprojection_output(
            output,
            unit_digest=unit.digest,
            app_version=Frames.version,
            platform=runtime.platform,
            app_digest=runtime.app_digest,
            tile=settings.tile,
            frames=[
                _record(settings, number, finished, keep_pixels=keep_pixels)
                for number, _ in enumerate(settings.frames)
            ],
        )


def recompute(unit: Unit, inputs: Mapping[str, Path], frame: int, tile: int) -> Tile:
    """Compute one tile of a unit again.

    Raises
    ------
    UnitError, FitsError
        If the unit or its inputs are not usable.
    """
    settings = ReprojectionSettings.from_mapping(unit.settings)
    how = _interpolation(settings, settings.frames[frame], inputs)
    if how is None:
        from apps.images.compute.reference import reference_tiles

        wanted = reference_tiles(settings, frame, inputs, lambda number: number != tile)
        return next(wanted)
    work = work_of(settings, settings.frames[frame], how)
    with open_frame(settings, frame, inputs) as opened:
        return compute_tile(opened, work, tile)


def interpolation_of(
    settings: ReprojectionSettings, frame: FrameSettings, inputs: Mapping[str, Path]
) -> Interpolation:
    """Return the kernel's part of the settings, for a frame.

    Raises
    ------
    UnitError, FitsError
        If the tables are missing or damaged.
    """
    table = None
    if frame.method == "lanczos3":
        if KERNEL_FILE not in inputs:
            raise UnitError(f"The input file {KERNEL_FILE} is missing.", name=KERNEL_FILE)
        with open_fits(inputs[KERNEL_FILE], INPUT_LIMITS) as file:
            image = Image(file, file["LANCZOS3"])
            table = lanczos_table(image.all().astype("f8"))
    drop = settings.pixfrac if frame.method == "drizzle" else 1.0
    return Interpolation(frame.method, settings.conserve_flux, table, drop)


def tiling_of(settings: ReprojectionSettings, frame: FrameSettings) -> Tiling:
    """Return how a frame's window is cut."""
    return Tiling(frame.nx, frame.ny, settings.tile)


def steps_of(settings: ReprojectionSettings, frame: FrameSettings) -> Steps | None:
    """Return how a frame's values become integers; None if they do not."""
    if settings.step_sigma is None:
        return None
    return Steps.of(settings.step_sigma * frame.pixel_noise, frame.sky)


def work_of(
    settings: ReprojectionSettings, frame: FrameSettings, how: Interpolation, level: str = ""
) -> Work:
    """Return what is to be done with a frame, at a level of the kernel or the fastest."""
    return Work(tiling_of(settings, frame), how, steps_of(settings, frame), level or need_kernel())


def is_odd(result_name: str) -> bool:
    """Tell whether a result's name ends in an odd number: ``<workunit>_<number>``."""
    found = re.search(r"_(\d+)$", result_name)
    return found is not None and int(found[1]) % 2 == 1


def window_cards(settings: ReprojectionSettings, frame: FrameSettings) -> list[Card]:
    """Return the grid's WCS, shifted to a frame's window."""
    cards = []
    for one in image_cards(settings.wcs):
        if one.keyword in _NOT_WCS:
            continue
        offset = {"CRPIX1": frame.x0, "CRPIX2": frame.y0}.get(one.keyword)
        if offset and isinstance(one.value, int | float):
            one = card(one.keyword, float(one.value) - offset, one.comment)
        cards.append(one)
    return cards


def _interpolation(
    settings: ReprojectionSettings, frame: FrameSettings, inputs: Mapping[str, Path]
) -> Interpolation | None:
    """Return the kernel's part, or None where reproject does the work."""
    if frame.method == "reproject":
        return None
    need_kernel()
    return interpolation_of(settings, frame, inputs)


def _tiles(
    settings: ReprojectionSettings,
    number: int,
    how: Interpolation | None,
    inputs: Mapping[str, Path],
    finished: Finished,
) -> Iterator[Tile]:
    """Yield the tiles of a frame that are not finished."""
    frame = settings.frames[number]
    n_tile = tiling_of(settings, frame).n_tile
    if all((number, tile) in finished for tile in range(n_tile)):
        return
    if how is None:
        from apps.images.compute.reference import reference_tiles

        yield from reference_tiles(
            settings, number, inputs, lambda tile: (number, tile) in finished
        )
        return
    work = work_of(settings, frame, how)
    with open_frame(settings, number, inputs) as opened:
        yield from compute_tiles(opened, work, skip=lambda tile: (number, tile) in finished)


def _record(
    settings: ReprojectionSettings, number: int, finished: Finished, *, keep_pixels: bool
) -> FrameRecord:
    frame, steps = settings.frames[number], steps_of(settings, settings.frames[number])
    digests, counts = finished.digests(number)
    pixels = FramePixels(
        step=None if steps is None else steps.step,
        zero=0.0 if steps is None else steps.zero,
        blank=0 if steps is None else steps.blank,
        pixels=finished.codes(number, "pixels"),
        variance=finished.codes(number, "variance"),
        cards=window_cards(settings, frame),
    )
    head = FrameHead(frame.name, frame.x0, frame.y0, frame.nx, frame.ny, frame.noise)
    return FrameRecord(head, digests, counts, pixels if keep_pixels else None)
