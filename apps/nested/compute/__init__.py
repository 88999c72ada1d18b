"""Nested runs are computed on volunteers' computers; nothing else is frozen."""

from __future__ import annotations
