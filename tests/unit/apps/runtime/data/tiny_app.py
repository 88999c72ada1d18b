"""The smallest app: adds up numbers, resumable at every one, and misbehaves on request."""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from apps.runtime import CheckpointFile, UnsupportedUnit
from boinc_project.computation import Computation, Runtime
from boinc_project.errors import TransientError
from boinc_project.unit import Unit


class Tiny(Computation):
    """Adds up numbers."""

    name = "tiny"
    version = 100

    def compute(
        self, unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime
    ) -> None:
        """Add up the unit's numbers."""
        run(unit, inputs, output, runtime)


def run(unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime) -> None:
    """Write the sum over steps of what Philox draws, as text."""
    misbehave(str(unit.settings.get("misbehave", "")))
    checkpoint = CheckpointFile(runtime.slot / "checkpoint.bin", unit.digest)
    saved = checkpoint.load()
    step, total = struct.unpack("<Qd", saved) if saved else (0, 0.0)
    sys.stderr.write(f"starting at step {step}\n")
    n_step = int(unit.settings["n_step"])
    while step < n_step:
        runtime.poll()
        total += float(np.random.Generator(np.random.Philox(key=step)).normal())
        step += 1
        runtime.set_fraction_done(step / n_step)
        if runtime.time_to_checkpoint():
            checkpoint.save(struct.pack("<Qd", step, total))
            runtime.checkpoint_completed()
    data = inputs["numbers.txt"].read_text(encoding="utf-8")
    output.write_text(f"{data} {total!r} {runtime.app_digest}", encoding="utf-8")


def misbehave(how: str) -> None:
    """Fail in the way that the unit asks for."""
    if how == "internal":
        raise ZeroDivisionError("a defect — with a dash")
    if how == "unsupported":
        raise UnsupportedUnit("The unit asks for a sampler that is not here.")
    if how == "transient":
        raise TransientError("Not now.")
    if how == "disk full":
        raise OSError(28, "No space left on device")
    if how == "threads":
        threads = len(list(Path("/proc/self/task").iterdir()))
        np.linalg.inv(np.eye(200) + 1.0)
        sys.stderr.write(f"threads {threads} {len(list(Path('/proc/self/task').iterdir()))}\n")
