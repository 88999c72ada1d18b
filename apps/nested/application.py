"""The application ``ttv_nested``: evidences and posteriors of transit timing, by nested sampling.

Modules are imported where they are needed, because each room of a science needs libraries that take
a while to import and that the others never use.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.nested.compute.app import NestedRuns
from boinc_project.application import Application, Sections, Told

if TYPE_CHECKING:
    import numpy as np

    from boinc_project.campaign import Campaign, Progress, StopRule
    from boinc_project.cost import Cost
    from boinc_project.input_store import InputStore
    from boinc_project.outputs import Canonical, Rejected
    from boinc_project.product import Product
    from boinc_project.toml_source import TomlTable
    from boinc_project.unit import Unit
    from boinc_project.verdict import Verdict


class TtvNested(NestedRuns, Application):
    """Nested runs of one posterior, and the population that they are compared with."""

    sections = ("star", "data", "planets", "model", "noise", "sampler")
    preparing_words = "Looking for the best fit"
    call_words = "Likelihood calls"
    computation = "apps.nested.compute.app:NestedRuns"

    def read(self, root: TomlTable, directory: Path) -> Sections:
        """Read the sections of a campaign file; see `apps.nested.plan.campaign_file`."""
        from apps.nested.plan.campaign_file import read_sections

        settings, inputs = read_sections(root, directory)
        return Sections(settings, inputs)

    def read_stop(self, root: TomlTable, max_units: int) -> StopRule:
        """Read ``[stop]``."""
        from apps.nested.plan.campaign_file import read_stop

        return read_stop(root, max_units)

    def published_names(self, settings: Mapping[str, Any]) -> Collection[str]:
        """Return the parameters, and what is derived from them."""
        from apps.ttv.plan.units import published_names

        return published_names(settings)

    def published_shifts(self, settings: Mapping[str, Any]) -> Mapping[str, float]:
        """Return by how many days times of transit were moved to the middle of the data."""
        shifts: Mapping[str, float] = settings["t0_moved"]
        return shifts

    def is_prepared(self, campaign: Campaign) -> bool:
        """Tell whether a campaign has been prepared."""
        from apps.nested.plan.units import is_prepared

        return is_prepared(campaign)

    def prepare(
        self,
        campaign: Campaign,
        progress: Told | None = None,
        store: InputStore | None = None,
        jobs: int = 1,
    ) -> Campaign:
        """Prepare a campaign on this machine."""
        from apps.nested.plan.units import prepare

        return prepare(campaign, progress, store, jobs)

    def preparing(self, campaign: Campaign) -> tuple[Unit, ...]:
        """Return the preparation's unit, and the second opinion's."""
        from apps.nested.plan.units import preparing

        return preparing(campaign)

    def prepared_from(self, campaign: Campaign, output: Path) -> Campaign:
        """Return a campaign with what the preparation's unit has found."""
        from apps.nested.plan.units import prepared_from
        from apps.ttv.population_output import read_population_output

        return prepared_from(campaign, read_population_output(output))

    def describe(self, campaign: Campaign) -> list[str]:
        """Say what a campaign computes."""
        from apps.nested.plan.units import describe

        return describe(campaign)

    def preparation(self, campaign: Campaign) -> list[str]:
        """Say what the preparation has found."""
        from apps.nested.plan.units import preparation

        return preparation(campaign)

    def plan(self, campaign: Campaign, progress: Progress) -> Sequence[Unit]:
        """Return the units of the next generation."""
        from apps.nested.plan.units import plan

        return plan(campaign, progress)

    def cost(self, campaign: Campaign, unit: Unit) -> Cost:
        """Return what a unit costs."""
        from apps.nested.plan.units import cost

        return cost(campaign, unit)

    def seconds_per_call(self, campaign: Campaign) -> float:
        """Measure a call on this machine, CPU seconds."""
        from apps.nested.plan.units import seconds_per_call

        return seconds_per_call(campaign)

    def fitting(self, campaign: Campaign, reference_seconds_per_call: float) -> str:
        """Return what to write into the file for units of the target's length."""
        from apps.nested.plan.units import fitting

        return fitting(campaign, reference_seconds_per_call)

    def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
        """Tell whether an output is well formed and self-consistent."""
        from apps.nested.validate.check import check

        return check(unit, path, inputs)

    def compare(self, unit: Unit, path_a: Path, path_b: Path) -> Verdict:
        """Tell whether two outputs say the same."""
        from apps.nested.validate.check import compare

        return compare(unit, path_a, path_b)

    def audit(
        self,
        unit: Unit,
        path: Path,
        inputs: Mapping[str, Path],
        *,
        rng: np.random.Generator,
        budget: float,
    ) -> Verdict:
        """Compute a random part of an output again."""
        from apps.nested.validate.check import audit

        return audit(unit, path, inputs, rng=rng, budget=budget)

    def length_is_known(self, unit: Unit) -> bool:
        """Tell whether a unit's operations are known beforehand, or counted in its output."""
        from apps.nested.validate.check import length_is_known

        return length_is_known(unit)

    def one_word_is_enough(self, unit: Unit) -> bool:
        """Tell whether a host with a record may compute a unit alone."""
        from apps.nested.validate.check import one_word_is_enough

        return one_word_is_enough(unit)

    def can_be_canonical(self, output: Path) -> bool:
        """Tell whether an output holds all that a canonical one must."""
        from apps.nested.validate.check import can_be_canonical

        return can_be_canonical(output)

    def credit(self, unit: Unit, output: Path) -> float:
        """Return the cobblestones that a valid result earns."""
        from apps.nested.validate.check import credit

        return credit(unit, output)

    def merge(
        self,
        campaign: Campaign,
        outputs: Sequence[Canonical],
        *,
        created_at: datetime,
        rejected: Sequence[Rejected] = (),
        jobs: int = 1,
    ) -> Product:
        """Merge the canonical outputs of a campaign."""
        from apps.nested.merge.canonical import merge

        return merge(campaign, outputs, created_at=created_at, rejected=rejected, jobs=jobs)
