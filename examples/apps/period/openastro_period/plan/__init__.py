"""From a campaign file and its light curves to units."""

from __future__ import annotations
