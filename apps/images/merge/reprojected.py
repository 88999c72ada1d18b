"""Canonical outputs of reprojection as sources of a stack, opened when they are read."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.frames import Source
from apps.images.merge.coadd.measure import Grid
from apps.images.merge.observation import Observation
from apps.images.output import (
    FrameOutput,
    ReprojectionOutput,
    open_reprojection_output,
)
from boinc_project.campaign import Campaign
from boinc_project.errors import OutputError
from boinc_project.outputs import Canonical

MOST_OPEN = 256
"""Files that are open at once: a quarter of what a process may usually have."""

Floats = NDArray[np.float32]


@dataclass(slots=True, eq=False)
class _Opened:
    output: ReprojectionOutput
    stack: ExitStack
    n_reader: int = 0


class OpenOutputs:
    """Outputs that are open for reading; the ones used longest ago are closed for new ones."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: OrderedDict[Path, _Opened] = OrderedDict()

    @contextmanager
    def reading(self, path: Path) -> Iterator[ReprojectionOutput]:
        """Lend an output, opened if it is not; several threads may ask.

        It stays open until the context ends, however many others are opened meanwhile.
        """
        with self._lock:
            opened = self._open.pop(path, None)
            if opened is None:
                self._make_room()
                stack = ExitStack()
                opened = _Opened(stack.enter_context(open_reprojection_output(path)), stack)
            self._open[path] = opened
            opened.n_reader += 1
        try:
            yield opened.output
        finally:
            with self._lock:
                opened.n_reader -= 1

    def _make_room(self) -> None:
        """Close the output used longest ago, if there are too many, that nobody reads."""
        if len(self._open) < MOST_OPEN:
            return
        idle = next((path for path, opened in self._open.items() if not opened.n_reader), None)
        if idle is not None:
            self._open.pop(idle).stack.close()

    def close(self) -> None:
        """Close all."""
        while self._open:
            self._open.popitem()[1].stack.close()


@dataclass(frozen=True, slots=True, eq=False)
class ReprojectedFrame:
    """A frame of an output; its pixels are read from the file when they are asked for."""

    name: str
    x0: int
    y0: int
    nx: int
    ny: int
    noise: float
    tile_digests: NDArray[np.uint8]
    path: Path
    number: int
    outputs: OpenOutputs = field(repr=False)

    def rows(self, start: int, stop: int) -> tuple[Floats, Floats]:
        """Return pixels and variances of some rows of the window."""
        with self.outputs.reading(self.path) as output:
            return output.frames[self.number].rows(start, stop)


def sources_of(
    campaign: Campaign, canonical: Canonical, grid: Grid, outputs: OpenOutputs
) -> list[Source]:
    """Return the frames of one output.

    Raises
    ------
    OutputError
        If it cannot be read, is not of its unit, or has no pixels.
    """
    with outputs.reading(canonical.path) as output:
        return _sources(campaign, canonical, output, grid, outputs)


def _sources(
    campaign: Campaign,
    canonical: Canonical,
    output: ReprojectionOutput,
    grid: Grid,
    outputs: OpenOutputs,
) -> list[Source]:
    name = canonical.path.name
    if output.unit_digest != canonical.unit.digest:
        raise OutputError(f"The output {name} is not of {canonical.unit.name}.")
    stated = canonical.unit.settings["frames"]
    if len(output.frames) != len(stated):
        raise OutputError(f"The output {name} has other frames than its unit.")
    entries = {entry.get("sha256"): entry for entry in campaign.settings.get("frames", ())}
    is_flux = canonical.unit.settings["flux"] == "conserve"
    sources = []
    for number, (frame, asked) in enumerate(zip(output.frames, stated, strict=True)):
        _check(frame, asked, grid, name)
        known = entries.get(canonical.unit.inputs.get(asked["input"]), {})
        seen = Observation.of_frame(asked, known)
        # The sum over n pixels of a brightness is the flux over their area, so are its electrons.
        factor = 1.0 if is_flux else seen.area
        saturation = asked.get("saturation")
        sources.append(
            Source(
                frame=ReprojectedFrame(
                    name=str(asked["name"]),
                    x0=frame.x0,
                    y0=frame.y0,
                    nx=frame.nx,
                    ny=frame.ny,
                    noise=frame.noise,
                    tile_digests=frame.tile_digests,
                    path=canonical.path,
                    number=number,
                    outputs=outputs,
                ),
                gain=None if seen.gain is None else seen.gain * factor,
                seeing=known.get("seeing"),
                exposure=float(asked.get("exposure_s") or 0.0),
                saturation=math.inf if saturation is None else float(saturation),
                tile_rows=output.tile,
                observation=seen,
                astrometry=known.get("astrometry"),
            )
        )
    return sources


def _check(frame: FrameOutput, asked: dict[str, Any], grid: Grid, name: str) -> None:
    """Refuse a frame that is not what the unit asked for."""
    window = (frame.x0, frame.y0, frame.nx, frame.ny)
    if window != (asked["x0"], asked["y0"], asked["nx"], asked["ny"]):
        raise OutputError(f"The output {name} has a frame on another part of the grid.")
    if frame.x0 + frame.nx > grid.nx or frame.y0 + frame.ny > grid.ny:
        raise OutputError(f"The output {name} has a frame that stands out of the grid.")
    if frame.noise != asked["noise"]:
        raise OutputError(f"The output {name} states another noise than its unit.")
    if not frame.has_pixels:
        raise OutputError(f"The output {name} has digests only: there is nothing to add up.")
