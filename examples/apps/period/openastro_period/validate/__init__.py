"""Whether an output is right, and whether two outputs say the same."""

from __future__ import annotations
