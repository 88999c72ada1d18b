"""Judges outputs of chains and populations: check, compare, audit."""

from __future__ import annotations
