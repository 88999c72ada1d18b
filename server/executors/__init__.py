"""Executors: compute units without BOINC, on machines that are trusted."""

from __future__ import annotations
