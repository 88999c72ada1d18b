"""The application under test: a small campaign of it, planned, and slots with its units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from boinc_project.application import Application
from boinc_project.campaign import Campaign, Progress
from boinc_project.input_store import InputStore
from boinc_project.unit import Unit, seal
from server.contract_kit.finding import KitError
from server.executors.local import LocalPool
from server.executors.preparing import Preparing

MAX_UNITS = 4
"""Units that are computed: enough for orders to differ, and few enough to wait for."""
INPUTS, KEPT, SLOTS = "inputs", "kept", "slots"


@dataclass(frozen=True, slots=True)
class Whole:
    """A unit that was computed without disturbance.

    Attributes
    ----------
    path : Path
        Its output.
    data : bytes
        The output's bytes.
    start, cpu : float
        CPU seconds of the process when the computation began, and when it was done.
    """

    path: Path
    data: bytes
    start: float
    cpu: float

    @property
    def work(self) -> float:
        """CPU seconds of the computation itself."""
        return self.cpu - self.start


@dataclass(slots=True)
class Subject:
    """An application, and what of it is tested.

    Attributes
    ----------
    app : Application
        The application.
    campaign : Campaign
        Prepared.
    units : Sequence of Unit
        Of the first generation, `MAX_UNITS` at most.
    directory : Path
        Where everything lies.
    """

    app: Application
    campaign: Campaign
    units: Sequence[Unit]
    directory: Path
    _n_slot: int = field(default=0)

    @property
    def longest(self) -> Unit:
        """The unit that costs most: it is the one that is disturbed."""
        return max(self.units, key=lambda unit: self.app.cost(self.campaign, unit).fpops)

    @property
    def output_file(self) -> str:
        """Name of an output in its slot."""
        return self.app.output_file

    def slot(self, unit: Unit) -> Path:
        """Return a new slot with a sealed unit."""
        self._n_slot += 1
        slot = self.directory / SLOTS / str(self._n_slot)
        seal(unit, self.files(unit), slot)
        return slot.resolve()

    def files(self, unit: Unit) -> dict[str, bytes | Path]:
        """Return the inputs of a unit, or where they lie."""
        store = InputStore(self.directory / INPUTS)
        small = self.campaign.inputs
        return {
            name: small[name] if name in small else store.find(digest)
            for name, digest in unit.inputs.items()
        }


class Silent:
    """Is told how a preparation goes on, and says nothing."""

    def preparing(self, done: int, total: int) -> None:
        """See `server.executors.preparing.Listener`."""

    def says(self, sentence: str) -> None:
        """See `server.executors.preparing.Listener`."""

    def prepared(self, campaign: Campaign, seconds: float | None) -> None:
        """See `server.executors.preparing.Listener`."""


def planned(
    app: Application, campaign: Campaign, directory: Path, clock: Callable[[], float]
) -> Subject:
    """Prepare a campaign and plan its first generation.

    Parameters
    ----------
    app : Application
        The application.
    campaign : Campaign
        As read from its file.
    directory : Path
        Where to.
    clock : Callable
        Seconds that pass.

    Raises
    ------
    KitError
        If there are fewer than two units, because outputs of one unit are no foreign outputs.
    """
    preparing = Preparing(directory / KEPT, LocalPool(1), clock, Silent())
    campaign = preparing.prepare(campaign, InputStore(directory / INPUTS))
    units = app.plan(campaign, Progress())[:MAX_UNITS]
    if len(units) < 2:
        raise KitError(
            f"{campaign.name} has {len(units)} units in its first generation; the kit needs two, "
            "to put the output of one before the judge of the other."
        )
    return Subject(app, campaign, units, directory)
