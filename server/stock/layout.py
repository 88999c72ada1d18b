"""Where things lie in an exported directory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from boinc_project.errors import UnitError
from boinc_project.unit import UNIT_FILE, Unit, parse_unit

CAMPAIGN_FILE = "campaign.json"

OUTPUT_NAME = re.compile(r"(?P<workunit>.+)_\d+_r[^_]*_\d+")
"""What ``process_result_template`` makes of ``<OUTFILE_i/>``: result, random part, index."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Layout:
    """An exported directory.

    Attributes
    ----------
    root : Path
        The directory.
    """

    root: Path

    @property
    def bin(self) -> Path:
        """Programs for the project's ``bin/``."""
        return self.root / "bin"

    @property
    def stage(self) -> Path:
        """Input files under their physical names, to be staged."""
        return self.root / "stage"

    @property
    def jobs(self) -> Path:
        """Lines for ``create_work --stdin``, one file a campaign."""
        return self.root / "jobs"

    @property
    def templates(self) -> Path:
        """Input and output templates."""
        return self.root / "templates"

    def unit_directory(self, workunit: str) -> Path:
        """Return the directory of a sealed unit."""
        return self.root / "openastro" / "units" / _plain(workunit)

    def campaign(self, name: str) -> Path:
        """Return the directory of a campaign: its definition, outputs and product."""
        return self.root / "openastro" / "campaigns" / _plain(name)

    def unit_of(self, output: Path) -> tuple[Unit, Mapping[str, Path]]:
        """Return the unit that an output file is of, by its name, and the unit's inputs.

        Raises
        ------
        UnitError
            If the name is none that a stock server gives, or the unit was not exported.
        """
        match = OUTPUT_NAME.fullmatch(output.name)
        if match is None:
            raise UnitError(f"{output.name} is not the name of an output file.")
        return self.unit(match["workunit"])

    def unit(self, workunit: str) -> tuple[Unit, Mapping[str, Path]]:
        """Return a unit by its workunit's name, and its inputs."""
        directory = self.unit_directory(workunit)
        try:
            unit = parse_unit((directory / UNIT_FILE).read_bytes())
        except OSError as error:
            raise UnitError(f"The workunit {workunit} was not exported here: {error}.") from error
        return unit, {name: directory / name for name in unit.inputs}


def _plain(name: str) -> str:
    if _PLAIN.fullmatch(name) is None:
        raise UnitError(f"{name!r} is not a plain name.")
    return name
