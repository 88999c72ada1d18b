"""The sections ``[light_curves]`` and ``[search]`` of a campaign file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boinc_project.toml_source import TomlTable
from openastro_period.curves import LightCurve, curves_bytes
from openastro_period.plan.curves_section import CURVE_KEYS, read_columns, read_curves
from openastro_period.plan.search_section import (
    SEARCH_KEYS,
    read_false_alarm,
    read_grid,
    read_transits,
)
from openastro_period.plan.units import operations_of_target
from openastro_period.settings import MAX_BOOTSTRAP, MAX_TERMS, Search

MAX_PER_UNIT = 200
POINTS_PER_TERM = 10
"""Of each band. Of 10 points drawn with replacement, 6 are different ones: enough for a mean and a
sinusoid, with something left that tells of the scatter."""
MAX_BYTES = 2**27
"""Of all light curves of a campaign: they are kept in its definition, and held in memory."""
UNIT_OPERATIONS = 45 * 60 * 4.0e9
"""Three quarters of an hour of a processor of 4 GFLOPS."""


def read_sections(root: TomlTable, directory: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the settings of a campaign, and the files of light curves of its units.

    Raises
    ------
    InputError
        If the file or a table cannot be understood.
    """
    table = root.table("light_curves", CURVE_KEYS, example="[light_curves] with files")
    search = root.table("search", SEARCH_KEYS, example="[search] with min_period and max_period")
    n_terms = search.integer("n_terms", low=1, high=MAX_TERMS, default=1)
    bands = tuple(search.texts("bands", example='["g", "r"]')) if "bands" in search else ()
    columns = read_columns(table, bands)
    of_files = read_curves(table, directory, columns, least=POINTS_PER_TERM * n_terms)
    curves = of_files.curves
    span = max(curve.span for curve in curves)
    grid = read_grid(search, span)
    transits = read_transits(search, span, fades="magnitude" in table)
    read = Search(
        grid, n_terms, search.integer("bootstrap", low=0, high=MAX_BOOTSTRAP, default=0), transits
    )
    chunks = _chunks(search, curves, read)
    digits = max(4, len(str(len(chunks) - 1)))
    inputs = {
        f"curves-{number:0{digits}d}.json": curves_bytes(chunk)
        for number, chunk in enumerate(chunks)
    }
    total = sum(map(len, inputs.values()))
    if total > MAX_BYTES:
        table.fail(
            "files",
            f"the light curves fill {total / 1e6:.0f} MB, and a campaign has at most "
            f"{MAX_BYTES / 1e6:.0f}: write several campaign files",
        )
    settings = {
        "search": read.plain(),
        "units": [
            {
                "table": name,
                "targets": [curve.name for curve in chunk],
                "n_point": sum(len(curve.time) for curve in chunk),
                "n_band": max(len(set(curve.band.tolist())) for curve in chunk),
            }
            for name, chunk in zip(inputs, chunks, strict=True)
        ],
        "value": "magnitude" if "magnitude" in table else "flux",
        "time_zero": table.number("time_zero") if "time_zero" in table else None,
        "false_alarm": read_false_alarm(search, read.bootstrap),
        "left_out": of_files.left_out,
        "skipped": of_files.skipped,
    }
    return settings, inputs


def _chunks(
    search: TomlTable, curves: Sequence[LightCurve], read: Search
) -> list[list[LightCurve]]:
    """Split targets, never frequencies, because a best peak is the best of all frequencies."""
    points = max(len(curve.time) for curve in curves)
    bands = max(len(set(curve.band.tolist())) for curve in curves)
    fit = int(UNIT_OPERATIONS / operations_of_target(read, points, bands))
    default = min(MAX_PER_UNIT, max(1, fit))
    size = search.integer("targets_per_unit", low=1, high=MAX_PER_UNIT, default=default)
    return [list(curves[start : start + size]) for start in range(0, len(curves), size)]
