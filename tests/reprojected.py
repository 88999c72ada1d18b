"""Outputs of reprojection made without the app: arrays on a grid, written as lossless floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.frames import Frame
from apps.images.output import write_reprojection_output
from apps.images.output_frame import (
    FrameHead,
    FramePixels,
    FrameRecord,
    Tiling,
    tile_digest,
)
from boinc_project.campaign import Campaign, StopRule
from boinc_project.fits.writing import encode_tile
from boinc_project.outputs import Canonical
from boinc_project.unit import Unit

TILE = 64
CARDS = [
    "CTYPE1  = 'RA---TAN'",
    "CTYPE2  = 'DEC--TAN'",
    "CRVAL1  =                150.0",
    "CRVAL2  =                  2.0",
    "CRPIX1  =                128.0",
    "CRPIX2  =                128.0",
    "CDELT1  =               -3E-04",
    "CDELT2  =                3E-04",
]


def campaign(size: int, n_unit: int, coadd: Mapping[str, Any] | None = None) -> Campaign:
    return Campaign(
        name="field",
        title="A field",
        description="",
        app="reprojection",
        seed=5,
        settings={
            "grid": {"nx": size, "ny": size, "cards": CARDS},
            "flux": "conserve",
            "coadd": dict(coadd or {}),
        },
        inputs={},
        units_per_generation=n_unit,
        stop=StopRule(all_units=True, max_units=n_unit),
    )


def unit_of(of: Campaign, index: int, frames: Sequence[Frame], filter_name: str = "r") -> Unit:
    entries = [
        {
            "name": one.name, "input": f"frame_{number:02d}.fits", "x0": one.x0, "y0": one.y0,
            "nx": one.nx, "ny": one.ny, "noise": one.noise, "exposure_s": 60.0,
            "filter": filter_name,
            "saturation": None,
        }
        for number, one in enumerate(frames)
    ]  # fmt: skip
    settings = {"grid": of.settings["grid"], "flux": of.settings["flux"], "frames": entries}
    return Unit(of.app, 100, of.name, of.seed, 0, index, settings)


def write_output(path: Path, unit: Unit, frames: Sequence[Frame], *, pixels: bool = True) -> Path:
    write_reprojection_output(
        path,
        unit_digest=unit.digest,
        app_version=100,
        platform="x86_64-pc-linux-gnu",
        app_digest="cd" * 32,
        tile=TILE,
        frames=[_record(one, pixels) for one in frames],
    )
    return path


def canonicals(
    of: Campaign, directory: Path, frames: Sequence[Frame], filters: Sequence[str] | None = None
) -> list[Canonical]:
    """Write one output for each frame, in the filter r if not stated otherwise."""
    found = []
    for index, frame in enumerate(frames):
        unit = unit_of(of, index, [frame], "r" if filters is None else filters[index])
        path = write_output(directory / f"{index}.fits", unit, [frame])
        found.append(
            Canonical(unit=unit, path=path, workunit=unit.name, app_version=100, platform="x",
                      result=f"{unit.name}_0", quorum="2 agree.", n_agreeing=2)
        )  # fmt: skip
    return found


def _record(frame: Frame, with_pixels: bool) -> FrameRecord:
    tiling = Tiling(frame.nx, frame.ny, TILE)
    values, variance = frame.rows(0, frame.ny)
    digests, counts = [], []
    codes: tuple[list[bytes], list[bytes]] = ([], [])
    for number in range(tiling.n_tile):
        parts = [_tile(plane, tiling.box(number)) for plane in (values, variance)]
        digests.append(np.frombuffer(tile_digest(parts[0], parts[1]), np.uint8))
        counts.append(int(np.isfinite(parts[0]).sum()))
        for to, part in zip(codes, parts, strict=True):
            to.append(encode_tile(part, "GZIP_2"))
    pixels = FramePixels(None, 0.0, 0, codes[0], codes[1], [])
    head = FrameHead(frame.name, frame.x0, frame.y0, frame.nx, frame.ny, frame.noise)
    return FrameRecord(
        head, np.array(digests), np.array(counts, np.int32), pixels if with_pixels else None
    )


def _tile(plane: NDArray[np.float32], box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    x, y, nx, ny = box
    return np.ascontiguousarray(plane[y : y + ny, x : x + nx], np.float32)
