"""Images of the sky: reading frames, their world coordinates, and the pixel maps of units."""

from __future__ import annotations
