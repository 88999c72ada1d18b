"""Judges outputs of images: check, compare, recompute tiles."""

from __future__ import annotations
