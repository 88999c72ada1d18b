"""The part of the application that is frozen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from apps.runtime.checkpoint import CHECKPOINT_FILE, CheckpointFile
from apps.runtime.run_loop import complete, resumed
from boinc_project.computation import Computation, Runtime
from boinc_project.errors import CorruptCheckpoint, UnitError
from boinc_project.unit import Unit
from openastro_period.output import OUTPUT_FILE, output_bytes


class Periodograms(Computation):
    """Periodograms of light curves, and of resampled ones."""

    name = "period"
    version = 100
    title = "Periods of light curves"
    output_file = OUTPUT_FILE
    requirements = "requirements.txt"
    # finufft loads its library by its path; named as a module, it is frozen with it.
    extensions = ("finufft.libfinufft",)

    def compute(
        self, unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime
    ) -> None:
        """Search a unit's light curves, from its last checkpoint if there is one."""
        # Numerical libraries are imported after the number of threads is set.
        from openastro_period.compute.work import PeriodWork
        from openastro_period.curves import read_curves
        from openastro_period.settings import read_search

        curves = read_curves(inputs[table_of(unit)].read_bytes())
        if [curve.name for curve in curves] != unit.settings["targets"]:
            raise UnitError("The light curves are not those of the unit's targets.")
        search = read_search(unit.settings)

        def made(data: bytes | None) -> PeriodWork:
            work = PeriodWork(curves, search, unit.seed, runtime.poll)
            if data is not None:
                work.resume(data)
            return work

        file = CheckpointFile(runtime.slot / CHECKPOINT_FILE, unit.digest)
        work = resumed(file, made) or made(None)
        complete(work, file, runtime)
        try:
            targets = work.targets()
        except (TypeError, ValueError, AttributeError) as error:
            file.remove()
            raise CorruptCheckpoint from error
        output.write_bytes(output_bytes(unit, self.version, runtime.platform, targets))


def table_of(unit: Unit) -> str:
    """Return the logical name of a unit's light curves.

    Raises
    ------
    UnitError
        If it has not exactly one input.
    """
    if len(unit.inputs) != 1:
        raise UnitError("A unit has one file of light curves.")
    return next(iter(unit.inputs))
