"""How values are written on pages: times, durations, sizes, counts, measured values."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from flask import Flask
from markupsafe import Markup

NOTHING = "–"
SMALL = 1e-3
"""Below this, zeros behind the point hide the number."""


def install_text(app: Flask) -> None:
    """Give the filters to the templates."""
    for filter_ in (
        stamp,
        exact_stamp,
        cell_stamp,
        duration,
        size,
        count,
        credit,
        value_with_errors,
        short_number,
    ):
        app.add_template_filter(filter_)


def stamp(time: datetime | None, *, form: str = "%Y-%m-%d %H:%M UTC") -> str:
    """Write a time, by default to the minute, with a form that machines read."""
    if time is None:
        return NOTHING
    utc = time.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(  # escapes its arguments
        utc.isoformat(timespec="seconds"),
        utc.strftime(form),
    )


def exact_stamp(time: datetime | None) -> str:
    """Write a time to the second."""
    return stamp(time, form="%Y-%m-%d %H:%M:%S UTC")


def cell_stamp(time: datetime | None) -> str:
    """Write a time to the minute, for a column whose heading says UTC."""
    return stamp(time, form="%Y-%m-%d %H:%M")


def duration(seconds: float | None) -> str:
    """Write a duration with its two greatest units.

    Examples
    --------
    >>> duration(3725.0)
    '1 h 2 min'
    >>> duration(0.4)
    '0.4 s'
    """
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    parts = [
        (whole // 86400, "d"),
        (whole % 86400 // 3600, "h"),
        (whole % 3600 // 60, "min"),
        (whole % 60, "s"),
    ]
    first = next(index for index, (number, _) in enumerate(parts) if number)
    shown = parts[first : first + 2]
    return " ".join(f"{number} {unit}" for number, unit in shown if number)


def size(nbytes: float) -> str:
    """Write a number of bytes.

    Examples
    --------
    >>> size(12_340_000)
    '12.3 MB'
    """
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if nbytes >= factor:
            return f"{nbytes / factor:.3g} {unit}"
    return f"{nbytes:.0f} bytes"


def count(number: float) -> str:
    """Write a count with thin blanks between thousands."""
    return f"{number:,.0f}".replace(",", "\u202f")


def credit(cobblestones: float) -> str:
    """Write an amount of credit: one decimal below 1000."""
    return count(cobblestones) if cobblestones >= 1000 else f"{cobblestones:.1f}"


def short_number(value: float | None) -> str:
    """Write a diagnostic value with three or four digits; large ones as a count."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return count(value) if abs(value) >= 1000 else f"{value:.4g}"


def value_with_errors(value: float, plus: float, minus: float) -> str:
    """Write a measured value to two digits of its smaller error; small ones with a power of ten.

    Examples
    --------
    >>> str(value_with_errors(43.41, 1.62, 2.04))
    '43.4 <span class="errors">+1.6 −2.0</span>'
    >>> str(value_with_errors(1.271e-4, 1e-6, 1e-6))
    '1.271 <span class="errors">+0.010 −0.010</span> × 10<sup>−4</sup>'
    """
    if not all(map(math.isfinite, (value, plus, minus))):
        return NOTHING
    errors = [error for error in (plus, minus) if error > 0]
    largest = max(abs(value), *errors, 0.0) if errors else abs(value)
    exponent = math.floor(math.log10(largest)) if 0 < largest < SMALL else 0
    scale = 10.0**exponent
    power = Markup(" × 10<sup>−{}</sup>").format(-exponent) if exponent else ""
    if not errors:
        return Markup("{}{}").format(f"{value / scale:.7g}", power)
    # A double has 16 digits; more behind the point would be noise.
    digits = min(15, max(0, 1 - math.floor(math.log10(min(errors) / scale))))
    return Markup('{} <span class="errors">+{} −{}</span>{}').format(
        *(f"{number / scale:.{digits}f}" for number in (value, plus, minus)), power
    )
