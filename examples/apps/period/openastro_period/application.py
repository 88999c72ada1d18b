"""The application ``period``: periods of many light curves, with false-alarm probabilities.

Rooms are imported where they are needed, because each needs libraries that the others never use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boinc_project.application import Application, Sections
from openastro_period.compute.app import Periodograms

if TYPE_CHECKING:
    from boinc_project.campaign import Campaign, Progress
    from boinc_project.cost import Cost
    from boinc_project.outputs import Canonical, Rejected
    from boinc_project.product import Product
    from boinc_project.toml_source import TomlTable
    from boinc_project.unit import Unit
    from boinc_project.verdict import Verdict


class Period(Periodograms, Application):
    """Floating-mean periodograms of many targets, split by target."""

    sections = ("light_curves", "search")
    call_words = "Operations"
    computation = "openastro_period.compute.app:Periodograms"

    def read(self, root: TomlTable, directory: Path) -> Sections:
        """Read ``[light_curves]`` and ``[search]``."""
        from openastro_period.plan.campaign_file import read_sections

        settings, inputs = read_sections(root, directory)
        return Sections(settings, inputs)

    def units(self, settings: Mapping[str, Any]) -> int:
        """Return how many units the targets fill."""
        return len(settings["units"])

    def not_for_volunteers(self, settings: Mapping[str, Any]) -> str:
        """Return why a search for transits runs on one's own machines only."""
        if settings["search"]["transits"] is None:
            return ""
        return (
            "transits are searched with astropy, which volunteers' programs do not have: use "
            "`openastro campaign run-local`, or remove [search.bls]"
        )

    def plan(self, campaign: Campaign, progress: Progress) -> Sequence[Unit]:
        """Return all units at once: none needs what another has computed."""
        from openastro_period.plan.units import plan_units

        return () if progress.issued else plan_units(campaign, self.name, self.version)

    def describe(self, campaign: Campaign) -> list[str]:
        """Say what a campaign computes."""
        from openastro_period.plan.units import describe

        return describe(campaign.settings)

    def operations(self, unit: Unit) -> float:
        """Return the floating-point operations of a unit."""
        from openastro_period.plan.units import operations

        return operations(unit)

    def cost(self, campaign: Campaign, unit: Unit) -> Cost:
        """Return what a unit costs."""
        from openastro_period.plan.units import cost

        return cost(campaign, unit)

    def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
        """Tell whether an output is well formed, and right where it is computed again."""
        from openastro_period.validate.check import check

        return check(unit, path, inputs)

    def compare(self, unit: Unit, path_a: Path, path_b: Path) -> Verdict:
        """Tell whether two outputs say the same, within what processors may differ."""
        from openastro_period.validate.compare import compare

        return compare(unit, path_a, path_b)

    def merge(
        self,
        campaign: Campaign,
        outputs: Sequence[Canonical],
        *,
        created_at: datetime,
        rejected: Sequence[Rejected] = (),
        jobs: int = 1,  # noqa: ARG002
    ) -> Product:
        """Merge the canonical outputs of a campaign."""
        from openastro_period.merge.product import merge

        return merge(campaign, outputs, created_at=created_at, rejected=rejected)

    def example(self, directory: Path) -> Path:
        """Write six simulated stars and their campaign."""
        from openastro_period.example import write_example

        return write_example(directory)
