"""An application that counts, and others that each break one promise of the contract."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from apps.runtime.checkpoint import CheckpointFile
from assimilator.reported import ReportedProduct
from boinc_project.application import Application, Sections
from boinc_project.campaign import Campaign, Progress
from boinc_project.computation import Runtime
from boinc_project.outputs import Canonical, Rejected
from boinc_project.product import Product
from boinc_project.report import Report
from boinc_project.toml_source import TomlTable
from boinc_project.unit import Unit, canonical_json
from boinc_project.verdict import Verdict, invalid, valid

SECONDS_PER_STEP = 0.01
"""CPU seconds, on any machine."""


class Counting(Application):
    """Counts from one step to the next, and keeps the contract."""

    name = "counting"
    version = 100
    output_file = "count.json"
    n_step: ClassVar[int] = 80
    """0.8 s of work."""

    def read(self, root: TomlTable, directory: Path) -> Sections:
        return Sections({})

    def plan(self, campaign: Campaign, progress: Progress) -> Sequence[Unit]:
        inputs = {name: _digest(data) for name, data in campaign.inputs.items()}
        return [
            Unit(self.name, 100, campaign.name, 1, 0, index, {"first": index}, inputs)
            for index in range(campaign.stop.max_units)
        ]

    def compute(
        self, unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime
    ) -> None:
        checkpoint = CheckpointFile(runtime.slot / "checkpoint", unit.digest)
        total, first = self.begins(checkpoint.load())
        for step in range(first, self.n_step):
            self.asks(runtime)
            _work(SECONDS_PER_STEP)
            total += step
            runtime.set_fraction_done(step / self.n_step)
            if runtime.time_to_checkpoint():
                self.keeps(checkpoint, total, step + 1)
                runtime.checkpoint_completed()
        output.write_bytes(self.written(unit, total))

    def begins(self, saved: bytes | None) -> tuple[int, int]:
        total, step = json.loads(saved) if saved else (0, 0)
        return total, step

    def asks(self, runtime: Runtime) -> None:
        runtime.poll()

    def keeps(self, checkpoint: CheckpointFile, total: int, step: int) -> None:
        checkpoint.save(json.dumps([total, step]).encode())

    def written(self, unit: Unit, total: int) -> bytes:
        return canonical_json({"unit": unit.digest, "total": total})

    def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
        if path.read_bytes() != self.written(unit, sum(range(self.n_step))):
            return invalid("It is not the sum.")
        return valid("It is the sum.")

    def merge(
        self,
        campaign: Campaign,
        outputs: Sequence[Canonical],
        *,
        created_at: datetime,
        rejected: Sequence[Rejected] = (),
        jobs: int = 1,
    ) -> Product:
        data = b"\n".join(output.path.read_bytes() for output in self.ordered(outputs))
        report = Report("They are counted.", f"{len(outputs)} sums")
        return ReportedProduct(campaign, outputs, report, {"sums.txt": data}, created_at)

    def ordered(self, outputs: Sequence[Canonical]) -> Sequence[Canonical]:
        return sorted(outputs, key=lambda output: output.workunit)


class NeverAsks(Counting):
    """Obeys nobody, for three seconds."""

    n_step = 300

    def asks(self, runtime: Runtime) -> None:
        pass


class Forgetful(Counting):
    """Writes no checkpoint, and tells of none."""

    def compute(
        self, unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime
    ) -> None:
        for _ in range(self.n_step):
            runtime.poll()
            _work(SECONDS_PER_STEP)
        output.write_bytes(self.written(unit, sum(range(self.n_step))))


class StartsAnew(Counting):
    """Writes checkpoints, and does not go on from them."""

    def begins(self, saved: bytes | None) -> tuple[int, int]:
        return 0, 0


class CountsTwice(Counting):
    """Goes on one step too early after every kill."""

    def keeps(self, checkpoint: CheckpointFile, total: int, step: int) -> None:
        super().keeps(checkpoint, total, step - 1)


class Clocked(Counting):
    """Writes something else each time."""

    def written(self, unit: Unit, total: int) -> bytes:
        return canonical_json({"unit": unit.digest, "total": total, "pid": os.getpid()})


class Brief(Counting):
    """Is done before it can be disturbed."""

    def compute(
        self, unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime
    ) -> None:
        output.write_bytes(self.written(unit, sum(range(self.n_step))))


class Raising(Counting):
    """Has a judge that reads whatever it is given."""

    def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
        value = json.loads(path.read_bytes())
        return valid("It is mine.") if value["unit"] == unit.digest else invalid("It is not mine.")


class Trusting(Counting):
    """Has a judge that takes outputs of other units."""

    def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
        try:
            json.loads(path.read_bytes())["unit"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return invalid("It is no output.")
        return valid("It is an output.")


class Wordless(Counting):
    """Has a judge that does not say why."""

    def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
        verdict = super().check(unit, path, inputs)
        return verdict if verdict.is_valid else invalid("")


class Orderly(Counting):
    """Merges outputs in the order in which they come."""

    def ordered(self, outputs: Sequence[Canonical]) -> Sequence[Canonical]:
        return outputs


class Fickle(Counting):
    """Plans other units every time."""

    _number = itertools.count()

    def plan(self, campaign: Campaign, progress: Progress) -> Sequence[Unit]:
        units = super().plan(campaign, progress)
        number = next(self._number)
        return [
            Unit(self.name, 100, campaign.name, number, 0, unit.index, unit.settings, unit.inputs)
            for unit in units
        ]


def _work(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
