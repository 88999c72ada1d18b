"""From canonical outputs to one image, its maps and its catalogue."""

from __future__ import annotations
