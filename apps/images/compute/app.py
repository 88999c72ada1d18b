"""The app ``reprojection`` as volunteers have it: frames of one field, brought onto one grid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from boinc_project.computation import Computation, Runtime

if TYPE_CHECKING:  # numerical libraries are loaded after the number of threads is set
    from boinc_project.unit import Unit

OUTPUT_FILE = "output.fits"


class Frames(Computation):
    """Some frames of a campaign."""

    name = "reprojection"
    version = 110
    title = "Image reprojection"
    output_file = OUTPUT_FILE
    requirements = "freeze-reprojection"
    extensions = ("apps.images.compute._kernel", "boinc_project.fits._rice")

    def compute(
        self, unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime
    ) -> None:
        """Compute a unit; see `apps.images.compute.computing.run`."""
        from apps.images.compute.computing import run

        run(unit, inputs, output, runtime)
