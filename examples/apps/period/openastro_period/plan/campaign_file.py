"""The sections ``[light_curves]`` and ``[search]`` of a campaign file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boinc_project.errors import InputError
from boinc_project.toml_source import TomlTable
from openastro_period.compute.transits import Transits
from openastro_period.curves import LightCurve, curves_bytes
from openastro_period.grid import MAX_FREQUENCIES, Grid, grid_between
from openastro_period.plan.tables import Columns, read_light_curves
from openastro_period.plan.units import operations_of_target
from openastro_period.settings import MAX_BOOTSTRAP, MAX_TERMS, Search

SECTIONS = ("light_curves", "search")
CURVE_KEYS = (
    "files", "time", "magnitude", "flux", "error", "band", "target", "time_unit", "time_zero",
)  # fmt: skip
SEARCH_KEYS = (
    "min_period", "max_period", "min_frequency", "max_frequency", "oversampling", "n_terms",
    "bands", "bootstrap", "false_alarm", "targets_per_unit", "bls",
)  # fmt: skip
BLS_KEYS = ("durations", "min_period", "max_period")
DAYS = {"d": 1.0, "h": 1 / 24, "min": 1 / 1440, "s": 1 / 86400}
MAX_TARGETS, MAX_PER_UNIT = 100_000, 200
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
    columns = _columns(table, bands)
    curves, left_out = _light_curves(table, directory, columns, least=POINTS_PER_TERM * n_terms)
    span = max(curve.span for curve in curves)
    grid = _grid(search, span)
    transits = _transits(search, span, fades="magnitude" in table)
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
        "false_alarm": _share(search, read.bootstrap),
        "left_out": left_out,
    }
    return settings, inputs


def _columns(table: TomlTable, bands: tuple[str, ...]) -> Columns:
    if ("magnitude" in table) == ("flux" in table):
        table.fail(None, 'write one of magnitude = "mag" and flux = "flux", the column of values')
    if bands and "band" not in table:
        table.fail(None, 'the search names bands: write their column, for example band = "filter"')
    value = "magnitude" if "magnitude" in table else "flux"
    stated = table.values.get("error")
    error: str | float
    if isinstance(stated, int | float) and not isinstance(stated, bool):
        error = table.positive("error")
    else:
        error = table.text("error", example="magerr")
    unit = table.text("time_unit", example="d", default="d")
    if unit not in DAYS:
        table.fail("time_unit", f'time_unit = "{unit}" is not known: write one of {_list(DAYS)}')
    return Columns(
        time=table.text("time", example="time", default="time"),
        value=table.text(value, example="mag"),
        error=error,
        band=table.text("band", example="band", default=""),
        target=table.text("target", example="name", default=""),
        days=DAYS[unit],
        bands=bands,
    )


def _light_curves(
    table: TomlTable, directory: Path, columns: Columns, *, least: int
) -> tuple[list[LightCurve], int]:
    curves: dict[str, LightCurve] = {}
    left_out = 0
    for pattern in table.texts("files", example='["curves/*.csv"]'):
        try:
            paths = sorted(path for path in directory.glob(pattern) if path.is_file())
        except (ValueError, NotImplementedError):
            table.fail("files", f'"{pattern}" must be relative to this file')
        if not paths:
            table.fail("files", f'"{pattern}" names no file in {directory}')
        for path in paths:
            try:
                of_file, n_bad = read_light_curves(path, columns, least)
            except InputError as error:
                table.fail("files", error.message.rstrip("."))
            left_out += n_bad
            for curve in of_file:
                if curve.name in curves:
                    table.fail("files", f"{path}: there is another light curve of {curve.name}")
                curves[curve.name] = curve
        if len(curves) > MAX_TARGETS:
            table.fail("files", f"there are more than {MAX_TARGETS} targets: write several files")
    # Targets of one sampling stand together, because their transforms are shared.
    return sorted(curves.values(), key=lambda each: (each.time[0], each.sampling, each.name)), (
        left_out
    )


def _grid(search: TomlTable, span: float) -> Grid:
    by_period, by_frequency = "max_frequency" not in search, "min_frequency" not in search
    for one_key, other in (("min_period", "max_frequency"), ("max_period", "min_frequency")):
        if (one_key in search) == (other in search):
            search.fail(None, f"write one of {one_key} and {other}, in days or 1/d")
    high = 1 / search.positive("min_period") if by_period else search.positive("max_frequency")
    low = 1 / search.positive("max_period") if by_frequency else search.positive("min_frequency")
    if low >= high:
        search.fail(None, "the shortest period has to be shorter than the longest one")
    oversampling = search.integer("oversampling", low=3, high=100, default=10)
    return _checked(search, grid_between(low, high, span, oversampling))


def _transits(search: TomlTable, span: float, *, fades: bool) -> Transits | None:
    if "bls" not in search:
        return None
    table = search.table("bls", BLS_KEYS, example="[search.bls] with durations = [0.1, 0.2]")
    durations = table.values.get("durations")
    if not isinstance(durations, list) or not durations or not all(map(_is_length, durations)):
        table.fail("durations", "durations must be days: write for example durations = [0.1, 0.2]")
    shortest = table.positive("min_period", example="0.5")
    longest = table.positive("max_period", example="20.0")
    if not max(durations) < shortest < longest <= span:
        table.fail(
            None,
            f"periods have to rise, from above the longest duration to at most {span:g} days",
        )
    # Between two neighbours the last transit moves by half of the shortest duration, at the
    # longest period: it moves by the step, times the light curve, times the period.
    step = 0.5 * min(durations) / (span * longest)
    low, high = 1 / longest, 1 / shortest
    n = math.ceil((high - low) / step) + 1
    return Transits(_checked(table, Grid(low, step, max(2, n), 1)), tuple(durations), fades)


def _checked(table: TomlTable, grid: Grid) -> Grid:
    if grid.n > MAX_FREQUENCIES:
        table.fail(None, f"{grid.n} frequencies are more than {MAX_FREQUENCIES}: write less range")
    return grid


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


def _share(search: TomlTable, bootstrap: int) -> float:
    value = search.positive("false_alarm", default=0.01)
    if value >= 1:
        search.fail("false_alarm", f"false_alarm = {value:g} is no probability: write 0.01")
    if bootstrap and value * bootstrap < 1 - 1e-9:
        search.fail(
            "bootstrap",
            f"{bootstrap} resampled light curves cannot show a false-alarm probability of "
            f"{value:g}: write bootstrap = {math.ceil(1 / value - 1e-9)} or more, or false_alarm = "
            f"{1 / bootstrap:.2g}",
        )
    return value


def _is_length(value: object) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and 0 < float(value) < math.inf  # type: ignore[arg-type]


def _list(names: Sequence[str] | dict[str, float]) -> str:
    return ", ".join(f'"{name}"' for name in names)
