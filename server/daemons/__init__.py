"""Daemons: one module each, with ``one_pass(project) -> int``; they may be killed anywhere."""

from __future__ import annotations
