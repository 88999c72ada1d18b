"""What the assimilator is given: canonical outputs, and the results that were not believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boinc_project.unit import Unit


@dataclass(frozen=True, slots=True)
class Canonical:
    """The canonical output of one workunit.

    Attributes
    ----------
    unit : Unit
        What was computed.
    path : Path
        The output file.
    workunit : str
        The workunit's name.
    app_version : int
        The version that was sent to the host: 100 * major + minor; 0 if it is not known.
    platform : str
        The platform of that version, in BOINC's words.
    result : str
        The result's name.
    quorum : str
        How it came to be believed, in plain words.
    n_agreeing : int
        Valid results of the workunit, this one included.
    """

    unit: Unit
    path: Path
    workunit: str
    app_version: int = 0
    platform: str = ""
    result: str = ""
    quorum: str = ""
    n_agreeing: int = 1


@dataclass(frozen=True, slots=True)
class Rejected:
    """A result that is not in the product, and why.

    Attributes
    ----------
    workunit, result : str
        Names.
    verdict : str
        ``invalid``, ``inconclusive``, ``error``, ...
    reason : str
        In plain words.
    app_version, platform
        As for `Canonical`.
    """

    workunit: str
    result: str
    verdict: str
    reason: str
    app_version: int = 0
    platform: str = ""
