"""From a campaign file to units of nested runs."""

from __future__ import annotations
