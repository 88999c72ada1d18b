"""The application ``reprojection``: images of one field, brought onto one grid and added.

Modules are imported where they are needed, because each room of a science needs libraries that take
a while to import and that the others never use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.images.compute.app import Frames
from boinc_project.application import Application, Sections, Told

if TYPE_CHECKING:
    import numpy as np

    from boinc_project.campaign import Campaign, Progress, StopRule
    from boinc_project.cost import Cost
    from boinc_project.extension import Extension
    from boinc_project.input_store import InputStore
    from boinc_project.outputs import Canonical, Rejected
    from boinc_project.product import Product
    from boinc_project.toml_source import TomlTable
    from boinc_project.unit import Unit
    from boinc_project.verdict import Verdict


class Reprojection(Frames, Application):
    """Frames of one field, added to one image of each filter."""

    sections = ("images", "calibration", "reference", "reproject", "coadd", "photometry")
    preparing_words = "Looking at the images"
    call_words = "Pixels of the grid"
    extendable = True
    # All frames are read anew for each product, so all intermediate ones together take less time
    # than the last one.
    merge_growth = 2.0
    computation = "apps.images.compute.app:Frames"

    def read(self, root: TomlTable, directory: Path) -> Sections:
        """Read the sections of a campaign file; see `apps.images.plan.campaign_file`."""
        from apps.images.plan.campaign_file import read_sections

        settings, inputs = read_sections(root, directory)
        return Sections(settings, inputs)

    def read_stop(self, root: TomlTable, max_units: int) -> StopRule:
        """Read ``[stop]``."""
        from apps.images.plan.campaign_file import read_stop

        return read_stop(root, max_units)

    def units(self, settings: Mapping[str, Any]) -> int | None:
        """Return how many units the images of a campaign fill."""
        from apps.images.plan.units import units

        return units(settings)

    def not_for_volunteers(self, settings: Mapping[str, Any]) -> str:
        """Return why only this machine can compute a campaign; empty if volunteers can."""
        from apps.images.plan.units import not_for_volunteers

        return not_for_volunteers(settings)

    def is_prepared(self, campaign: Campaign) -> bool:
        """Tell whether a campaign has been prepared."""
        from apps.images.plan.units import is_prepared

        return is_prepared(campaign)

    def prepare(
        self,
        campaign: Campaign,
        progress: Told | None = None,
        store: InputStore | None = None,
        jobs: int = 1,
    ) -> Campaign:
        """Prepare a campaign on this machine."""
        from apps.images.plan.units import prepare

        return prepare(campaign, progress, store, jobs)

    def extend(
        self,
        campaign: Campaign,
        edited: Campaign,
        path: Path,
        progress: Told | None,
        store: InputStore,
    ) -> Extension:
        """Plan units for images that the file has and the campaign has not."""
        from apps.images.plan.units import extend

        return extend(campaign, edited, path, progress, store)

    def describe(self, campaign: Campaign) -> list[str]:
        """Say what a campaign computes."""
        from apps.images.plan.units import describe

        return describe(campaign)

    def preparation(self, campaign: Campaign) -> list[str]:
        """Say what the preparation has found."""
        from apps.images.plan.units import preparation

        return preparation(campaign)

    def plan(self, campaign: Campaign, progress: Progress) -> Sequence[Unit]:
        """Return the units of the next generation."""
        from apps.images.plan.units import plan

        return plan(campaign, progress)

    def cost(self, campaign: Campaign, unit: Unit) -> Cost:
        """Return what a unit costs."""
        from apps.images.plan.units import cost

        return cost(campaign, unit)

    def seconds_per_call(self, campaign: Campaign) -> float:
        """Measure a call on this machine, CPU seconds."""
        from apps.images.plan.units import seconds_per_call

        return seconds_per_call(campaign)

    def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
        """Tell whether an output is well formed and self-consistent."""
        from apps.images.validate.check import check

        return check(unit, path, inputs)

    def compare(self, unit: Unit, path_a: Path, path_b: Path) -> Verdict:
        """Tell whether two outputs say the same."""
        from apps.images.validate.check import compare

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
        from apps.images.validate.check import audit

        return audit(unit, path, inputs, rng=rng, budget=budget)

    def referee(
        self, unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path]
    ) -> tuple[Verdict, Verdict]:
        """Compute the tiles that two outputs disagree about again."""
        from apps.images.validate.check import referee

        return referee(unit, path_a, path_b, inputs)

    def length_is_known(self, unit: Unit) -> bool:
        """Tell whether a unit's operations are known beforehand, or counted in its output."""
        from apps.images.validate.check import length_is_known

        return length_is_known(unit)

    def one_word_is_enough(self, unit: Unit) -> bool:
        """Tell whether a host with a record may compute a unit alone."""
        from apps.images.validate.check import one_word_is_enough

        return one_word_is_enough(unit)

    def can_be_canonical(self, output: Path) -> bool:
        """Tell whether an output holds all that a canonical one must."""
        from apps.images.validate.check import can_be_canonical

        return can_be_canonical(output)

    def credit(self, unit: Unit, output: Path) -> float:
        """Return the cobblestones that a valid result earns."""
        from apps.images.validate.check import credit

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
        from apps.images.merge.canonical import merge

        return merge(campaign, outputs, created_at=created_at, rejected=rejected, jobs=jobs)
