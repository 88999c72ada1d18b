"""The head of every product's summary, as plain JSON values."""

from __future__ import annotations

import math
from typing import Any

from boinc_project.campaign import Campaign

FORMAT = 1


def number(value: float) -> float | None:
    """Return `value`, or None if it is not finite: JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


def head(campaign: Campaign) -> dict[str, Any]:
    """Return what a summary says of its campaign."""
    return {
        "format": FORMAT,
        "campaign": campaign.name,
        "title": campaign.title,
        "app": campaign.app,
        "stop_rule": campaign.stop.limits,
    }
