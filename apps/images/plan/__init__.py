"""From a campaign file and FITS files to units."""

from __future__ import annotations
