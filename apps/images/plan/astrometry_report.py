"""Plain values that say how far a frame's stars are from where its header puts them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from apps.images.plan.sky.directions import offsets
from apps.images.plan.sky.displacement import ORDERS, Displacement, highest_order, places
from apps.images.plan.sky.refined import Refined, Seen, is_lost
from apps.images.plan.sky.solution import Solution
from apps.images.plan.sky.star_places import SEARCHED_ARCSEC

_NO_CATALOGUE = (
    "Its stars are not matched with those of the table of [photometry]: coordinates are brought "
    "together among the images alone."
)


def report_of(seen: Seen, refined: Refined, reference: str) -> dict[str, Any]:
    """Return a frame's ``astrometry`` in the campaign's settings; lengths in arcseconds.

    Parameters
    ----------
    seen : Seen
        The frame.
    refined : Refined
        What was measured of it.
    reference : str
        Name of the frame whose stars it was measured against.
    """
    measured, applied, scale = refined.measured, refined.displacement, seen.solution.scale
    report: dict[str, Any] = {
        "reference": reference,
        "n_star": len(seen.stars) if refined.is_reference else 0,
        "fitted": ORDERS[0],
        "applied": ORDERS[0 if applied is None else applied.order + 1],
        "correction": 0.0,
        "shift_ra": None,
        "shift_dec": None,
        "shift_error": None,
        "rms_before": None,
        "rms_after": None,
        "remark": _why_not(seen, refined),
    }
    if applied is not None:
        report["correction"] = _rounded(applied.rms(*places(applied.nx, applied.ny)) * scale)
        report["shift_ra"], report["shift_dec"] = _shift(seen.solution, applied)
    if measured is not None:
        report["n_star"] = len(measured.pairs)
        report["fitted"] = ORDERS[highest_order(len(measured.pairs)) + 1]
        shown = measured.shown.displacement
        report["shift_ra"], report["shift_dec"] = _shift(seen.solution, shown)
        report["shift_error"] = _rounded(measured.error * scale)
        report["rms_before"] = _rounded(measured.rms(-1) * scale)
        report["rms_after"] = _rounded(measured.rms(measured.order) * scale)
    return report


def _shift(header: Solution, displacement: Displacement) -> tuple[float, float]:
    """Return how far a frame is moved on average, arcseconds to the east and north."""
    mean = replace(displacement, order=0, x=displacement.x[:1], y=displacement.y[:1])
    middle = np.array([(header.nx - 1) / 2.0]), np.array([(header.ny - 1) / 2.0])
    ra, dec = header.sky(*middle)
    there = header.sky(*header.refined(mean).pixel(ra, dec))
    east, north = -offsets(ra, dec, *there)[0]
    return _rounded(float(east)), _rounded(float(north))


def _rounded(arcseconds: float) -> float:
    return round(arcseconds, 5)


def _why_not(seen: Seen, refined: Refined) -> str:
    """Return why a frame was not measured, one sentence; empty if it was, or is the reference."""
    if refined.measured is not None:
        return ""
    if refined.is_reference:
        return "" if refined.n_known is None else _NO_CATALOGUE
    if is_lost(seen, refined):
        return (
            f"Its stars are not within {SEARCHED_ARCSEC:.0f} arcseconds of where its header puts "
            "them: its coordinates cannot be believed; solve it again, or leave it out."
        )
    return (
        "It has too few stars in common with the other images to check its coordinates: they are "
        "those of its header."
    )
