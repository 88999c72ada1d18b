"""Plan a transit-timing campaign: which sub-chains, from which starting points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from work_generator.ttv_file import SECTIONS, read_sections

__all__ = ["SECTIONS", "published_names", "read_sections"]

DERIVED = ("eccentricity", "omega")
"""Quantities of a planet that follow from its parameters: pure number, and degrees."""


def published_names(settings: Mapping[str, Any]) -> list[str]:
    """Return the parameters and derived quantities that published values may be given for."""
    names = []
    for planet in settings["model"]["planets"]:
        own = ("mass", "period", "eccentricity", "omega", "ecosw", "esinw", "t0")
        names += [f"{planet['name']}.{key}" for key in (*own, "inclination", "node")]
    return names
