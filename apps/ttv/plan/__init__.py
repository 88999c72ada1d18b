"""From a campaign file and a transit-time table to units."""

from __future__ import annotations
