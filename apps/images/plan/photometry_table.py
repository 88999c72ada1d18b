"""Stars of known magnitude that a campaign names: read, cropped to its images, and kept with it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.directions import angles, circles, unit_vectors
from apps.images.plan.sky.failure import reason_of
from apps.images.plan.sky.solution import Solution
from boinc_project.errors import InputError
from boinc_project.toml_source import TomlTable
from boinc_project.unit import canonical_json

SECTION = "photometry"
TABLE_FILE = "photometry.json"
"""The input of a campaign that `apps.images.merge.zero_point` reads; not sent to anybody."""
KEYS = ("table", "ra", "dec", "mag", "mag_error", "band", "radius_arcsec")
NAMES = {
    "ra": ("ra", "RA", "RAJ2000", "_RAJ2000", "RA_ICRS", "raMean"),
    "dec": ("dec", "DEC", "Dec", "DEJ2000", "_DEJ2000", "DE_ICRS", "decMean"),
    "mag": ("mag", "MAG", "phot_g_mean_mag", "Gmag"),
}
"""Names of columns that are tried, in this order, where the file names none."""
MOST_STARS = 100_000
"""The brightest on the images: more make no zero point better."""
_FORMATS = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits", ".fit": "fits"}

Doubles = NDArray[np.float64]


def read_photometry(
    root: TomlTable, directory: Path, solutions: Sequence[Solution]
) -> dict[str, bytes]:
    """Return the stars of ``[photometry]`` that lie around the images; nothing without it.

    Parameters
    ----------
    root : TomlTable
        The whole campaign file.
    directory : Path
        Its directory.
    solutions : Sequence[Solution]
        World coordinates of the images.

    Raises
    ------
    InputError
        If the table cannot be read, has no such column, or none of its stars is on the images.
    """
    if SECTION not in root:
        return {}
    table = root.table(SECTION, KEYS, example='[photometry] with table = "stars.csv"')
    path = directory / table.text("table", example="stars.csv")
    rows = _read(table, path)
    ra, dec, mag = (_column(table, rows, key, path) for key in ("ra", "dec", "mag"))
    error = np.zeros(len(mag))
    if "mag_error" in table:
        error = np.nan_to_num(_column(table, rows, "mag_error", path), nan=0.0)
        if (error < 0).any():
            table.fail("mag_error", f"{path} has errors of magnitudes below 0: name another column")
    good = np.isfinite(ra) & np.isfinite(dec) & np.isfinite(mag) & (np.abs(dec) <= 90)
    good &= _around(ra, dec, solutions)
    if not good.any():
        table.fail(
            "table",
            f"none of the {len(mag)} stars of {path} is on the images: name the table of this "
            "field, with right ascension and declination in degrees of the ICRS",
        )
    order = np.flatnonzero(good)
    order = order[np.argsort(mag[order], kind="stable")][:MOST_STARS]
    stars = {
        "ra": ra[order].tolist(),
        "dec": dec[order].tolist(),
        "mag": mag[order].tolist(),
        "error": error[order].tolist(),
        "band": table.text("band", example="r", default=""),
        "radius": table.positive("radius_arcsec") if "radius_arcsec" in table else None,
    }
    return {TABLE_FILE: canonical_json(stars)}


def _read(table: TomlTable, path: Path) -> Any:
    from astropy.table import Table

    if not path.is_file():
        table.fail("table", f"the file {path} does not exist: write its path relative to this")
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        known = ", ".join(_FORMATS)
        table.fail("table", f"{path} is none of {known}: convert it, for example with astropy")
    try:
        with warnings.catch_warnings(action="ignore"):
            return Table.read(path, format=form)
    except Exception as error:  # each reader of astropy has errors of its own
        raise InputError(
            f"{path} cannot be read as a table: {reason_of(error)}.", path=path
        ) from error


def _column(table: TomlTable, rows: Any, key: str, path: Path) -> Doubles:
    """Return a column as numbers, NaN where there is none."""
    names = list(rows.colnames)
    if key in table:
        name = table.text(key, example="phot_g_mean_mag")
    else:
        name = next((name for name in NAMES[key] if name in names), "")
    if name not in names:
        wanted = f'no column "{name}"' if name else f"no column that is known as {key}"
        table.fail(
            key if key in table else "table",
            f"{path} has {wanted}; it has {', '.join(names[:20])}: write {key} = ...",
        )
    column = rows[name]
    try:
        values = np.ma.asarray(column).astype(np.float64)
    except (ValueError, TypeError):
        table.fail(key if key in table else "table", f"the column {name} of {path} has no numbers")
    return np.asarray(np.ma.filled(values, np.nan), dtype=np.float64)


def _around(ra: Doubles, dec: Doubles, solutions: Sequence[Solution]) -> NDArray[np.bool_]:
    """Tell which stars are within the circle around any of the images."""
    stars = unit_vectors(ra, dec)
    near = np.zeros(len(ra), dtype=bool)
    for centre, radius in zip(*circles(solutions), strict=True):
        near |= angles(stars, centre) <= radius
    return near
