"""The contract of an application: all that the project asks of a science, in one class.

An application is a subclass of `Application`. It answers five questions: `read` its part of a
campaign file, `plan` units, `compute` one, `check` an output, `merge` all of them. Everything else
is a capability with a default that is safe: without one of their own, two outputs agree if they are
the same bytes, a unit earns what its operations are worth, and a campaign ends when all its units
are done.

Applications are found by entry points of the group ``openastro.apps``, the project's own among
them, so that an installed package is all that a new one needs::

    [project.entry-points."openastro.apps"]
    period = "openastro_period:Period"

`boinc_project.computation.Computation` is the part that is frozen and runs on volunteers'
computers. An application that is one small module is its own computation. One that plans and
merges with large libraries has its computation in a module of its own, which imports nothing of
the rest.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from boinc_project.campaign import StopRule
from boinc_project.computation import ENTRY_POINTS, Computation
from boinc_project.errors import ConfigError
from boinc_project.judge import Audit, Check, Compare, Referee
from boinc_project.unit import Unit, file_digest
from boinc_project.verdict import Verdict, inconclusive, invalid, valid

if TYPE_CHECKING:  # whoever looks an application up need not import what its answers are made of
    import numpy as np

    from boinc_project.campaign import Campaign, Progress
    from boinc_project.cost import Cost
    from boinc_project.extension import Extension
    from boinc_project.input_store import InputStore
    from boinc_project.outputs import Canonical, Rejected
    from boinc_project.product import Product
    from boinc_project.toml_source import TomlTable

Told = Callable[[int, int], None]
"""Is told how much is done, and out of what."""


@dataclass(frozen=True, slots=True)
class Sections:
    """An application's part of a campaign file, read.

    Attributes
    ----------
    settings : Mapping[str, Any]
        `Campaign.settings`: plain JSON values.
    inputs : Mapping[str, bytes]
        Small files that units share, by logical name.
    """

    settings: Mapping[str, Any]
    inputs: Mapping[str, bytes] = field(default_factory=dict)


class Application(Computation):
    """An application: five answers, and capabilities with defaults.

    Attributes
    ----------
    sections : tuple of str
        Sections of a campaign file that are the application's own.
    preparing_words, call_words : str
        The work of `prepare`, and the calls that `cost` counts, for people.
    extendable : bool
        Whether campaigns may get more units after they are issued; see `extend`.
    merge_growth : float
        How many times as many canonical outputs as the newest product is of make the next one worth
        its merge, while more are coming: 1 if a merge takes no longer the more there are.
    computation : str
        ``module:Class`` of the part that is frozen; empty if it is the application's own class.
    """

    sections: ClassVar[tuple[str, ...]] = ()
    preparing_words: ClassVar[str] = "Preparing"
    call_words: ClassVar[str] = "Operations"
    extendable: ClassVar[bool] = False
    merge_growth: ClassVar[float] = 1.0
    computation: ClassVar[str] = ""

    # The five answers; the fifth is `compute`.

    @abstractmethod
    def read(self, root: TomlTable, directory: Path) -> Sections:
        """Read the application's sections of a campaign file.

        Parameters
        ----------
        root : TomlTable
            The whole file.
        directory : Path
            Of the file: paths are relative to it.

        Raises
        ------
        InputError
            If a section cannot be understood; `TomlTable.fail` says where.
        """

    @abstractmethod
    def plan(self, campaign: Campaign, progress: Progress) -> Sequence[Unit]:
        """Return the units of the next generation, none if there are no more.

        The same arguments give the same digests.
        """

    @abstractmethod
    def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
        """Tell whether an output is well formed and self-consistent. See `judge.Check`."""

    @abstractmethod
    def merge(
        self,
        campaign: Campaign,
        outputs: Sequence[Canonical],
        *,
        created_at: datetime,
        rejected: Sequence[Rejected] = (),
        jobs: int = 1,
    ) -> Product:
        """Merge the canonical outputs of a campaign, whose order does not matter.

        Parameters
        ----------
        campaign : Campaign
            As it was issued.
        outputs : Sequence of Canonical
            One of each workunit that has a canonical output.
        created_at : datetime
            Time stamp of the product.
        rejected : Sequence of Rejected
            Results that were not believed, for its provenance.
        jobs : int
            Processors to use at most.
        """

    # Planning.

    def read_stop(self, root: TomlTable, max_units: int) -> StopRule:  # noqa: ARG002
        """Read the section ``[stop]``. By default a campaign ends when all its units are done."""
        return StopRule(max_units=max_units, all_units=True)

    def published_names(self, settings: Mapping[str, Any]) -> Collection[str]:  # noqa: ARG002
        """Return the quantities that published values may be given for."""
        return ()

    def published_shifts(self, settings: Mapping[str, Any]) -> Mapping[str, float]:  # noqa: ARG002
        """Return what is added to published values, by quantity, because `read` has moved it."""
        return {}

    def units(self, settings: Mapping[str, Any]) -> int | None:  # noqa: ARG002
        """Return how many units there are if the data say so; None if the file chooses."""
        return None

    def not_for_volunteers(self, settings: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Return why volunteers cannot compute this, without a stop; empty if they can."""
        return ""

    def is_prepared(self, campaign: Campaign) -> bool:  # noqa: ARG002
        """Tell whether `prepare` has been done."""
        return True

    def prepare(
        self,
        campaign: Campaign,
        progress: Told | None = None,  # noqa: ARG002
        store: InputStore | None = None,  # noqa: ARG002
        jobs: int = 1,  # noqa: ARG002
    ) -> Campaign:
        """Complete what is measured rather than stated; does nothing to a prepared campaign.

        Large inputs are put into `store`. Without one, an application that has such prepares as
        much as is needed to plan its first unit and to say what it costs.
        """
        return campaign

    def preparing(self, campaign: Campaign) -> tuple[Unit, ...]:  # noqa: ARG002
        """Return the units to compute before the campaign can be planned, the preparation first.

        Those after it are of generation 0, and need no preparation. Empty if the campaign is
        prepared, or if `prepare` computes no unit.
        """
        return ()

    def prepared_from(self, campaign: Campaign, output: Path) -> Campaign:  # noqa: ARG002
        """Return the campaign, prepared from the output of the first unit of `preparing`."""
        return campaign

    def extend(
        self,
        campaign: Campaign,  # noqa: ARG002
        edited: Campaign,  # noqa: ARG002
        path: Path,  # noqa: ARG002
        progress: Told | None,  # noqa: ARG002
        store: InputStore,  # noqa: ARG002
    ) -> Extension:
        """Plan further units for what an issued campaign's file has more than the campaign.

        Asked of applications that are `extendable`.
        """
        raise ConfigError(f"Campaigns of {self.name} cannot be extended.", app=self.name)

    def describe(self, campaign: Campaign) -> list[str]:
        """Say what the campaign computes, in a few lines for people."""
        return [f"{self.title or self.name}: at most {campaign.stop.max_units} units."]

    def preparation(self, campaign: Campaign) -> list[str]:  # noqa: ARG002
        """Say what `prepare` has found, in a few lines for people."""
        return []

    def example(self, directory: Path) -> Path:  # noqa: ARG002
        """Write a small campaign into a directory; return its file.

        ``openastro app test`` computes it. Its units take some seconds each, and are two at least.

        Raises
        ------
        ConfigError
            If the application has none.
        """
        raise ConfigError(
            f"The app {self.name} has no example: name a small campaign file with --campaign.",
            app=self.name,
        )

    # Costs.

    def operations(self, unit: Unit) -> float:  # noqa: ARG002
        """Return the floating-point operations of a unit; by default an hour of one processor."""
        return DEFAULT_OPERATIONS

    def cost(self, campaign: Campaign, unit: Unit) -> Cost:
        """Return what a unit costs, in counts that do not depend on a machine."""
        from boinc_project.cost import Cost

        return Cost(
            n_call=max(1, round(self.operations(unit))),
            fpops=self.operations(unit),
            bytes_down=len(unit.to_bytes()),
            bytes_shared=sum(len(data) for data in campaign.inputs.values()),
            bytes_up=DEFAULT_OUTPUT_BYTES,
            memory=DEFAULT_MEMORY,
            disk=DEFAULT_DISK,
        )

    def seconds_per_call(self, campaign: Campaign) -> float:  # noqa: ARG002
        """Measure one of the calls that `cost` counts on this machine, CPU seconds."""
        return 1.0 / DEFAULT_FLOPS

    def fitting(self, campaign: Campaign, reference_seconds_per_call: float) -> str:  # noqa: ARG002
        """Return what to write into the campaign file for units of the target's length.

        Empty if nothing makes them so long.
        """
        return ""

    # Judging.

    def compare(self, unit: Unit, path_a: Path, path_b: Path) -> Verdict:  # noqa: ARG002
        """Tell whether two outputs say the same: by default, whether they are the same bytes."""
        if file_digest(path_a) == file_digest(path_b):
            return valid("The two outputs are the same bytes.")
        return invalid("The two outputs are not the same bytes.")

    def audit(
        self,
        unit: Unit,  # noqa: ARG002
        path: Path,  # noqa: ARG002
        inputs: Mapping[str, Path],  # noqa: ARG002
        *,
        rng: np.random.Generator,  # noqa: ARG002
        budget: float,  # noqa: ARG002
    ) -> Verdict:
        """Compute a random part of an output again. See `judge.Audit`."""
        return inconclusive(f"{self.name} has no audit.")

    def referee(
        self,
        unit: Unit,  # noqa: ARG002
        path_a: Path,  # noqa: ARG002
        path_b: Path,  # noqa: ARG002
        inputs: Mapping[str, Path],  # noqa: ARG002
    ) -> tuple[Verdict, Verdict]:
        """Tell which of two outputs that disagree is wrong. See `judge.Referee`."""
        verdict = inconclusive(f"{self.name} has no referee.")
        return verdict, verdict

    def length_is_known(self, unit: Unit) -> bool:  # noqa: ARG002
        """Tell whether a unit's operations are known beforehand, or counted in its output."""
        return True

    def one_word_is_enough(self, unit: Unit) -> bool:  # noqa: ARG002
        """Tell whether a host with a record may compute a unit alone; only audits allow it."""
        return False

    def can_be_canonical(self, output: Path) -> bool:  # noqa: ARG002
        """Tell whether an output holds all that a canonical one must."""
        return True

    def credit(self, unit: Unit, output: Path) -> float:  # noqa: ARG002
        """Return the cobblestones that a valid result earns: by default, for its operations."""
        return self.operations(unit) / OPERATIONS_PER_COBBLESTONE

    def judging(self) -> Judging:
        """Return the answers that a quorum asks for; None for what the application does not do."""
        kind = type(self)
        return Judging(
            check=self.check,
            compare=self.compare,
            audit=self.audit if kind.audit is not Application.audit else None,
            referee=self.referee if kind.referee is not Application.referee else None,
            length_is_known=self.length_is_known,
            one_word_is_enough=self.one_word_is_enough,
            can_be_canonical=self.can_be_canonical,
            credit=self.credit,
        )

    @classmethod
    def computed_by(cls) -> str:
        """Return ``module:Class`` of the part that is frozen."""
        return cls.computation or f"{cls.__module__}:{cls.__qualname__}"


@dataclass(frozen=True, slots=True)
class Judging:
    """The judging part of an application; see `boinc_project.judge.Judge`."""

    check: Check
    compare: Compare
    audit: Audit | None
    referee: Referee | None
    length_is_known: Callable[[Unit], bool]
    one_word_is_enough: Callable[[Unit], bool]
    can_be_canonical: Callable[[Path], bool]
    credit: Callable[[Unit, Path], float]


OPERATIONS_PER_COBBLESTONE = 86_400e9 / 200
"""BOINC's definition: a host of 1 GFLOPS earns 200 cobblestones a day."""
DEFAULT_FLOPS = 4.0e9
"""Operations a second of the processor that a default unit is an hour of."""
DEFAULT_OPERATIONS = 3600 * DEFAULT_FLOPS
DEFAULT_OUTPUT_BYTES = 2**20
DEFAULT_MEMORY, DEFAULT_DISK = 3.0e8, 5.0e8
"""Bytes: Python with numpy, and a frozen app unpacked."""


def names() -> list[str]:
    """Return the names of all installed applications, sorted."""
    return sorted(_entries())


@functools.cache
def get(name: str) -> Application:
    """Return an installed application.

    Raises
    ------
    ConfigError
        If there is no such application, or what is installed under its name is none.
    """
    entries = _entries()
    if name not in entries:
        raise ConfigError(f'There is no app "{name}"; there are {", ".join(names())}.', app=name)
    made = entries[name].load()
    if not (isinstance(made, type) and issubclass(made, Application)):
        raise ConfigError(f"{entries[name].value} is no application.", app=name)
    application = made()
    if application.name != name:
        raise ConfigError(
            f'The entry point "{name}" leads to an application that calls itself '
            f'"{application.name}": give both one name.',
            app=name,
        )
    return application


def _entries() -> dict[str, Any]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
