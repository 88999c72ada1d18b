"""The section ``[light_curves]`` of a campaign file."""

from __future__ import annotations

from pathlib import Path

from boinc_project.errors import InputError
from boinc_project.toml_source import TomlTable
from openastro_period.curves import LightCurve
from openastro_period.plan.tables import Columns, ReadCurves, read_light_curves

CURVE_KEYS = (
    "files", "time", "magnitude", "flux", "error", "band", "target", "time_unit", "time_zero",
    "skip",
)  # fmt: skip
DAYS = {"d": 1.0, "h": 1 / 24, "min": 1 / 1440, "s": 1 / 86400}
MAX_TARGETS = 100_000


def read_columns(table: TomlTable, bands: tuple[str, ...]) -> Columns:
    """Return the columns of all tables."""
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
        table.fail(
            "time_unit", f'time_unit = "{unit}" is not known: write one of {", ".join(DAYS)}'
        )
    return Columns(
        time=table.text("time", example="time", default="time"),
        value=table.text(value, example="mag"),
        error=error,
        band=table.text("band", example="band", default=""),
        target=table.text("target", example="name", default=""),
        days=DAYS[unit],
        bands=bands,
        skip=table.boolean("skip", default=False),
    )


def read_curves(table: TomlTable, directory: Path, columns: Columns, *, least: int) -> ReadCurves:
    """Return all light curves, those of one sampling beside each other."""
    curves: dict[str, LightCurve] = {}
    left_out, skipped = 0, []
    for pattern in table.texts("files", example='["curves/*.csv"]'):
        try:
            paths = sorted(path for path in directory.glob(pattern) if path.is_file())
        except (ValueError, NotImplementedError):
            table.fail("files", f'"{pattern}" must be relative to this file')
        if not paths:
            table.fail("files", f'"{pattern}" names no file in {directory}')
        for path in paths:
            try:
                of_file = read_light_curves(path, columns, least)
            except InputError as error:
                table.fail("files", error.message.rstrip("."))
            left_out += of_file.left_out
            skipped += of_file.skipped
            for curve in of_file.curves:
                if curve.name in curves:
                    table.fail("files", f"{path}: there is another light curve of {curve.name}")
                curves[curve.name] = curve
        if len(curves) > MAX_TARGETS:
            table.fail("files", f"there are more than {MAX_TARGETS} targets: write several files")
    if not curves:
        table.fail("files", f"none of {len(skipped)} targets has {least} points")
    # Transforms of targets of one sampling are shared.
    alike = sorted(curves.values(), key=lambda each: (each.time[0], each.sampling, each.name))
    return ReadCurves(alike, left_out, skipped)
