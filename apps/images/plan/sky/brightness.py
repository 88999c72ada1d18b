"""Whether the unit of a pixel is one of surface brightness, or of flux.

A flux belongs to a pixel: a pixel of twice the area has twice of it. A surface brightness does not,
and is wrong by the ratio of areas if it is resampled like a flux.
"""

from __future__ import annotations

import re
import warnings

from astropy import units

BEAM = "beam"
_ROUND = ("beam", "arcsec", "arcmin", "deg", "sr", "mas", "rad")
"""What a unit is divided by if it is one of brightness, where astropy cannot read it."""
_PER = re.compile(
    r"(/\s*\(?\s*[\w*^.]*|[\s*.])(" + "|".join(_ROUND) + r")(s|ond|onds)?\s*(\^|\*\*)?\s*-?2?"
)


def is_brightness(unit: str) -> bool | None:
    """Tell what a ``BUNIT`` is; None if it is empty or unknown.

    Fluxes for each solid angle or beam, brightness temperatures and Rayleighs are surface
    brightness; counts, electrons, janskys and watts for each square metre are flux.

    Parameters
    ----------
    unit : str
        As the header writes it.
    """
    text = unit.strip()
    if not text:
        return None
    read = _read(text)
    if read is None:
        return True if _PER.search(text.lower()) else None
    bases = dict(zip(read.decompose().bases, read.decompose().powers, strict=True))
    if bases.get(units.K) == 1 and set(bases) <= {units.K, units.m, units.s}:
        return True  # a temperature, also one that was added up over velocities
    if any("beam" in base.name for base in read.bases):
        return True
    # Steradians decompose into radians, whose power is that of the angle.
    return float(bases.get(units.rad, 0)) == -2.0


def _read(text: str) -> units.UnitBase | None:
    """Return a unit in any of the ways in which headers write it; None if none reads it."""
    for form in ("fits", "ogip", "cds", None):
        try:
            with warnings.catch_warnings(action="ignore"):
                unit = units.Unit(text, format=form)
        except (ValueError, TypeError, KeyError):
            continue
        if isinstance(unit, units.UnitBase):
            return unit
    return None
