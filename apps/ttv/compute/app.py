"""The app ``ttv_mcmc`` as volunteers have it: chains and populations of transit timing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from boinc_project.computation import Computation, Runtime

if TYPE_CHECKING:  # numerical libraries are loaded after the number of threads is set
    from boinc_project.unit import Unit


class Chains(Computation):
    """One sub-chain, or one population."""

    name = "ttv_mcmc"
    version = 240
    extensions = ("apps.ttv.compute._kernel",)

    def compute(
        self, unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime
    ) -> None:
        """Compute a unit; see `apps.ttv.compute.chain.run`."""
        from apps.ttv.compute.chain import run

        run(unit, inputs, output, runtime)
