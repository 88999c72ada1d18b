"""The files with numbers: periods, spectra and ephemerides."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from openastro_period.merge.target import Target
from openastro_period.settings import Search

BKJD = 2454833.0
"""BJD of the zero point of transit-timing campaigns."""
UNITS = {
    "period": "d", "period_error": "d", "frequency": "1/d", "frequency_error": "1/d",
    "t_max": "d", "t_min": "d", "transit_period": "d", "transit_t0": "d", "transit_duration": "d",
}  # fmt: skip
NO_NUMBER = {
    "target",
    "fap_is_bound",
    "aliases",
    "window",
    "remark",
    "n_point",
    "n_bootstrap",
    "exceeding",
}


def period_row(target: Target, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a target; None where there is no value."""
    fit, alarm, transits = target.fit, target.false_alarm, target.result.transits
    bright, faint = fit.t_high, fit.t_low
    if settings["value"] == "magnitude":
        bright, faint = faint, bright
    return {
        "target": target.name,
        "n_point": len(target.curve.time),
        "period": fit.period,
        "period_error": fit.period_error,
        "frequency": fit.frequency,
        "frequency_error": fit.frequency_error,
        "power": target.power,
        "fap": alarm.counted,
        "fap_is_bound": alarm.is_bound,
        "exceeding": alarm.exceeding,
        "n_bootstrap": alarm.n,
        "fap_baluev": alarm.baluev,
        "amplitude": fit.amplitude,
        "reduced_chi2": fit.reduced_chi2,
        "t_max": bright,
        "t_min": faint,
        "transit_period": transits[1] if transits else None,
        "transit_t0": float(target.curve.time[0]) + transits[2] if transits else None,
        "transit_duration": transits[3] if transits else None,
        "transit_depth": transits[4] if transits else None,
        "transit_depth_error": transits[5] if transits else None,
        "aliases": target.alias_text,
        "window": target.window_text,
        "remark": target.remark,
    }


def periods_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return ``periods.csv``."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else ["target"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def periods_ecsv(rows: Sequence[Mapping[str, Any]], comments: Sequence[str]) -> bytes:
    """Return ``periods.ecsv``, which says the units."""
    from astropy.table import Table

    table = Table()
    table.meta["comments"] = list(comments)
    for name in rows[0] if rows else ():
        column = [row[name] for row in rows]
        values = column if name in NO_NUMBER else [np.nan if v is None else v for v in column]
        table[name] = values
        if name in UNITS:
            table[name].unit = UNITS[name]
    stream = io.StringIO()
    table.write(stream, format="ascii.ecsv")
    return stream.getvalue().encode()


def spectra_csv(targets: Sequence[Target], search: Search) -> bytes:
    """Return ``spectra.csv``: the highest power of each even part of the grid, by target."""
    number = len(targets[0].result.outline) if targets else 0
    starts = np.arange(number) * search.grid.n // max(1, number)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["frequency_from", *(target.name for target in targets)])
    for row, start in enumerate(starts.tolist()):
        powers = (f"{target.result.outline[row]:.6f}" for target in targets)
        writer.writerow([f"{search.grid.at(start):.9g}", *powers])
    return stream.getvalue().encode()


def ephemeris_toml(rows: Sequence[Mapping[str, Any]], zero: float | None) -> bytes:
    """Return ``ephemeris.toml``: t0 and period of each target, as a timing campaign begins.

    Transits come first if they were searched; else t0 is a time of least light. Priors span five
    standard errors of the period, and a tenth of it about t0.
    """
    lines = [
        "# One [[planets]] for each target: copy it into a campaign of transit times, and edit it.",
        "# BKJD is BJD - 2454833. See docs/scientist/campaign-files.md of OpenAstro@home.",
    ]
    if zero is None:
        lines.append("# The campaign states no time_zero: t0 is a time of the light curve itself.")
    shift = 0.0 if zero is None else zero - BKJD
    for row in rows:
        has_transits = row["transit_period"] is not None
        period = row["transit_period"] if has_transits else row["period"]
        t0 = (row["transit_t0"] if has_transits else row["t_min"]) + shift
        error = row["period_error"] if not has_transits else None
        wide = 5.0 * error if error else 1e-3 * period
        near = 0.1 * period
        lines += [
            "",
            f"# {json.dumps(row['target'])}: {'transit' if has_transits else 'least light'}",
            "[[planets]]",
            'name = "b"',
            'mass = { prior = "log_uniform", low = 1.0, high = 300.0, unit = "Mearth" }',
            f'period = {{ prior = "uniform", low = {period - wide!r}, high = {period + wide!r}, '
            'unit = "days" }',
            'eccentricity = { prior = "uniform", low = 0.0, high = 0.3 }',
            f't0 = {{ prior = "uniform", low = {t0 - near!r}, high = {t0 + near!r}, '
            'unit = "BKJD" }',
        ]
    return ("\n".join(lines) + "\n").encode()
