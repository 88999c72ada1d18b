"""From outputs to periods, pictures and a report."""

from __future__ import annotations
