"""The part of an application that volunteers' computers run, and the client that it runs under.

It is a module of its own because it is frozen with every app, and imports nothing that is not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:  # this would import numpy before the number of threads is set
    from boinc_project.unit import Unit

ENTRY_POINTS = "openastro.apps"
"""Group of entry points that applications are found by."""


class Runtime(Protocol):
    """The client that a computation runs under, or what stands for it on other machines."""

    slot: Path
    """Directory of the task; checkpoints belong here."""
    platform: str
    """Platform in BOINC's words, e.g. ``x86_64-pc-linux-gnu``."""
    app_digest: str
    """SHA-256 of the program's own files, in hexadecimal."""

    @property
    def result_name(self) -> str:
        """Name of the result as the server knows it; empty without a client."""

    def poll(self) -> None:
        """Obey the client: return at once, or wait while suspended, or raise to leave.

        To be called at least once a second, because volunteers expect that of a task.
        """

    def set_fraction_done(self, fraction: float) -> None:
        """Tell the client how much is done, 0 to 1."""

    def time_to_checkpoint(self) -> bool:
        """Tell whether the volunteer wants a checkpoint now."""

    def checkpoint_completed(self) -> None:
        """Tell the client that a checkpoint has been written."""

    def cpu_time(self) -> float:
        """Return the CPU seconds of the task so far, over all its episodes."""


class Computation(ABC):
    """The part of an application that is frozen, and runs on volunteers' computers.

    Attributes
    ----------
    name : str
        As campaign files, units and the database name it: lower-case letters, digits, underscores.
    version : int
        100 * major + minor. To be raised with every change of what is frozen.
    title : str
        For people.
    output_file : str
        Logical name of the output.
    requirements : str
        Lock file below ``requirements/``, without its suffix, that the app is frozen with; for an
        application of another package, the path of its own lock file, relative to the module.
    extensions : tuple of str
        Compiled modules that are imported by name, so that freezing does not find them.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    title: ClassVar[str] = ""
    output_file: ClassVar[str] = "output.h5"
    requirements: ClassVar[str] = "freeze"
    extensions: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def compute(
        self, unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime
    ) -> None:
        """Compute a unit, from its last checkpoint if there is one, and write its output.

        The same unit gives the same bytes, however often it is killed.

        Parameters
        ----------
        unit : Unit
            Checked against its digests.
        inputs : Mapping[str, Path]
            Where each of the unit's input files is, by logical name.
        output : Path
            Where the output belongs.
        runtime : Runtime
            Told of progress, asked whether to go on.

        Raises
        ------
        UnitError
            If the unit or an input cannot be understood.
        """
