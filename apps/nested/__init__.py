"""Nested sampling in segments: what the app ``ttv_nested`` is made of."""

from __future__ import annotations
