"""Frames are resampled onto the grid on volunteers' computers; nothing else is frozen."""

from __future__ import annotations
