"""Which module plans for which app: a new app is one entry here and one module beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from boinc_project.campaign import Campaign, Progress, StopRule
from boinc_project.errors import ConfigError
from boinc_project.input_store import InputStore
from boinc_project.unit import Unit
from work_generator.estimate import Cost
from work_generator.extension import Extension
from work_generator.toml_source import TomlTable

if TYPE_CHECKING:  # images have no populations, and need not import what reads them
    from boinc_project.population_output import PopulationOutput

_MODULES = {
    "reprojection": "work_generator.reprojection",
    "ttv_mcmc": "work_generator.ttv",
    "ttv_nested": "work_generator.nested",
}


class AppPlanner(Protocol):
    """What the work generator needs to know of an app."""

    SECTIONS: tuple[str, ...]
    """Sections of a campaign file that are the app's own."""
    PREPARING: str
    """What `prepare` does, for people who wait for it."""
    CALLS: str
    """What `cost` counts, for people."""

    def read_sections(
        self, root: TomlTable, directory: Path
    ) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Read those sections: the campaign's settings and its shared input files."""

    def read_stop(self, root: TomlTable, max_units: int) -> StopRule:
        """Read [stop]: when a posterior of this app is good enough."""

    def published_names(self, settings: Mapping[str, Any]) -> Collection[str]:
        """Return the quantities that published values may be given for."""

    def units(self, settings: Mapping[str, Any]) -> int | None:
        """Return how many units there are if that follows from the data; None if it is chosen."""

    def not_for_volunteers(self, settings: Mapping[str, Any]) -> str:
        """Return why volunteers cannot compute this, without a stop; empty if they can."""

    def prepare(
        self,
        campaign: Campaign,
        progress: Callable[[int, int], None] | None = None,
        store: InputStore | None = None,
        jobs: int = 1,
    ) -> Campaign:
        """Complete what is measured rather than stated; does nothing to a prepared campaign.

        Large inputs are put into `store`. Without one, an app that has such prepares as much as is
        needed to plan its first unit and to say what it costs. It may use `jobs` processors.
        """

    def preparing(self, campaign: Campaign) -> tuple[Unit, ...]:
        """Return the units to compute before the campaign can be planned, the preparation first.

        Those after it are of generation 0, and need no preparation. Empty if the campaign is
        prepared, or if `prepare` computes no unit.
        """

    def prepared_from(self, campaign: Campaign, output: PopulationOutput) -> Campaign:
        """Return the campaign, prepared from the output of the first unit of `preparing`."""

    def describe(self, campaign: Campaign) -> list[str]:
        """Say what the campaign computes, in a few lines for people."""

    def preparation(self, campaign: Campaign) -> list[str]:
        """Say what `prepare` has found, in a few lines for people."""

    def is_prepared(self, campaign: Campaign) -> bool:
        """Whether `prepare` has been done."""

    def plan(self, campaign: Campaign, progress: Progress) -> list[Unit]:
        """Return the units of the next generation; the same arguments give the same digests."""

    def extend(
        self,
        campaign: Campaign,
        edited: Campaign,
        path: Path,
        progress: Callable[[int, int], None] | None,
        store: InputStore,
    ) -> Extension:
        """Plan further units for what an issued campaign's file has more than the campaign.

        Only of `boinc_project.campaign.EXTENDABLE_APPS`.
        """

    def cost(self, campaign: Campaign, unit: Unit) -> Cost:
        """Return what a unit costs, in counts that do not depend on a machine."""

    def seconds_per_call(self, campaign: Campaign) -> float:
        """Measure one of the calls that `cost` counts on this machine, CPU seconds."""

    def fitting(self, campaign: Campaign, reference_seconds_per_call: float) -> str:
        """Return what to write into the campaign file for units of the target's length.

        Empty if nothing makes them so long.
        """


def names() -> list[str]:
    """Return the names of all apps, sorted."""
    return sorted(_MODULES)


def get(app: str) -> AppPlanner:
    """Return the planner of an app.

    Raises
    ------
    ConfigError
        If there is no such app.
    """
    if app not in _MODULES:
        raise ConfigError(f'There is no app "{app}"; there are {", ".join(names())}.', app=app)
    return cast(AppPlanner, import_module(_MODULES[app]))
