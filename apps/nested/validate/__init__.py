"""Judges outputs of nested runs: check, compare, audit."""

from __future__ import annotations
