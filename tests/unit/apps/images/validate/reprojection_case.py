"""A unit of images of two small frames, its honest output, and outputs with changed tiles."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from apps.images.compute.app import OUTPUT_FILE
from apps.images.compute.computing import run, steps_of, window_cards
from apps.images.compute.settings import ReprojectionSettings
from apps.images.output import open_reprojection_output, write_reprojection_output
from apps.images.output_frame import FramePixels, FrameRecord, tile_digest
from apps.images.validate import check as reprojection
from apps.runtime.init_data import INIT_DATA_FILE
from apps.runtime.runtime import open_runtime
from boinc_project.fits.writing import encode_tile
from tests.reprojection_units import make_unit

Change = Callable[[int, np.ndarray, np.ndarray], Any]


class Case:
    """A unit, its inputs and an honest output."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.directory, self.options = directory, options
        self.unit, self.inputs = make_unit(directory, n_frame=2, digest_only=True, **options)
        self.output = self.compute("stack_0")

    def compute(self, name: str) -> Path:
        text = f"<app_init_data><result_name>{name}</result_name></app_init_data>"
        (self.directory / INIT_DATA_FILE).write_text(text)
        with open_runtime(self.directory) as runtime:
            run(self.unit, self.inputs, self.directory / OUTPUT_FILE, runtime)
        for left in ("checkpoint", "checkpoint.previous", "tiles.spool"):
            (self.directory / left).unlink(missing_ok=True)
        path = self.directory / f"{name}.out"
        shutil.move(self.directory / OUTPUT_FILE, path)
        return path

    def forged(self, change: Change, *, tile_number: int = 2, **header: Any) -> Path:
        """Write the output again with tiles of the first frame changed, digests and all."""
        settings = ReprojectionSettings.from_mapping(self.unit.settings)
        records = []
        with open_reprojection_output(self.output) as output:
            for number, frame in enumerate(output.frames):
                wanted = settings.frames[number]
                steps = steps_of(settings, wanted)
                method = "GZIP_2" if steps is None else "RICE_1"
                digests, counts, codes = [], [], []
                for tile in range(frame.tiling.n_tile):
                    pixels, variance = (one.copy() for one in frame.tile(tile))
                    if number == 0:
                        change(tile, pixels, variance)
                    digests.append(np.frombuffer(tile_digest(pixels, variance), np.uint8))
                    counts.append(int(frame.holds(pixels).sum()))
                    codes.append([encode_tile(one, method) for one in (pixels, variance)])
                records.append(
                    FrameRecord(
                        frame.head,
                        np.array(digests),
                        np.array(counts, np.int32),
                        FramePixels(
                            step=None if steps is None else steps.step,
                            zero=0.0 if steps is None else steps.zero,
                            blank=0 if steps is None else steps.blank,
                            pixels=[code for code, _ in codes],
                            variance=[code for _, code in codes],
                            cards=window_cards(settings, wanted),
                        ),
                    )
                )
        if "head" in header:
            records[0] = replace(records[0], head=replace(records[0].head, **header.pop("head")))
        path = self.directory / "forged.out"
        values = {"unit_digest": self.unit.digest, "app_version": 100, "platform": "p"}
        write_reprojection_output(
            path, **{**values, "app_digest": "", "tile": 64, **header}, frames=records
        )
        return path

    def check(self, path: Path) -> str:
        verdict = reprojection.check(self.unit, path, self.inputs)
        return f"{verdict.kind}: {verdict.reason}"
