"""Chains and populations are computed on volunteers' computers; nothing else is frozen."""

from __future__ import annotations
