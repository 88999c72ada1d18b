"""The app ``ttv_nested`` as volunteers have it: nested runs and populations of transit timing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from boinc_project.computation import Computation, Runtime

if TYPE_CHECKING:  # numerical libraries are loaded after the number of threads is set
    from boinc_project.unit import Unit


class NestedRuns(Computation):
    """One nested run, or one population."""

    name = "ttv_nested"
    version = 220
    title = "Nested sampling of transit timing"
    requirements = "freeze-nested"
    extensions = ("apps.ttv.compute._kernel",)

    def compute(
        self, unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime
    ) -> None:
        """Compute a unit; see `apps.nested.compute.unit.run`."""
        from apps.nested.compute.unit import run

        run(unit, inputs, output, runtime)
