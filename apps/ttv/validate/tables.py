"""The table of transit times that a unit names: what every judge of timing outputs reads first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from apps.ttv.compute.table import TABLE_FILE, TransitTable, parse_table
from boinc_project.errors import UnitError
from boinc_project.unit import Unit, file_digest


def transit_table(unit: Unit, inputs: Mapping[str, Path]) -> TransitTable:
    """Read a unit's table of transit times.

    Parameters
    ----------
    unit : Unit
        Names the table's digest.
    inputs : Mapping[str, Path]
        Where the unit's input files are, by logical name.

    Raises
    ------
    UnitError
        If the table is missing, or not the one that the unit names.
    """
    if TABLE_FILE not in inputs:
        raise UnitError(f"The input file {TABLE_FILE} is missing.", name=TABLE_FILE)
    path = inputs[TABLE_FILE]
    if file_digest(path) != unit.inputs.get(TABLE_FILE):
        raise UnitError(f"The input file {TABLE_FILE} does not match its digest.", name=TABLE_FILE)
    return parse_table(path.read_bytes())
