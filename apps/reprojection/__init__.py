"""The app ``reprojection``: frames of one field, brought onto one grid.

It can be killed at any moment and started again, and the output is the same, bit for bit. The same
unit gives the same pixels on every machine: see ``docs/developer/reprojection.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.runtime.runtime import Runtime
    from boinc_project.unit import Unit

APP_NAME = "reprojection"
APP_VERSION = 110
APP_TITLE = "Image reprojection"
FROZEN_FROM = "freeze-reprojection"
OUTPUT_FILE = "output.fits"


def run(unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime) -> None:
    """Compute a unit and write its output.

    Parameters
    ----------
    unit : Unit
        What to compute; see `apps.reprojection.settings`.
    inputs : Mapping[str, Path]
        Where the input files are, by logical name: the frames, ``kernel.fits`` for Lanczos3, and
        ``calibration.fits`` where frames are calibrated.
    output : Path
        Where to write the output; see `boinc_project.reprojection_output`.
    runtime : Runtime
        Told of progress, asked whether to go on.

    Raises
    ------
    UnitError, FitsError
        If the unit or an input cannot be understood.
    ConfigError
        If it needs what this app has not: reproject, or a kernel that was not built.
    """
    # Here, so that the name and version of the app can be had without numpy.
    from apps.reprojection.computing import run as compute

    compute(unit, inputs, output, runtime, app_version=APP_VERSION)
