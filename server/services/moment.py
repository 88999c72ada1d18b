"""Epoch seconds of the tables as aware datetimes, for pages and the API."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import overload

CREDIT_HALF_LIFE = 7 * 86400.0
"""Half-life of the recent average credit, seconds (BOINC: ``CREDIT_HALF_LIFE``)."""


@overload
def moment(seconds: float) -> datetime: ...
@overload
def moment(seconds: None) -> None: ...
def moment(seconds: float | None) -> datetime | None:
    """Return epoch seconds as an aware UTC datetime; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def contact(seconds: float) -> datetime | None:
    """Return a time at which 0 stands for *never*."""
    return moment(seconds) if seconds > 0 else None


def recent_credit(expavg_credit: float, expavg_time: float, now: float) -> float:
    """Return the recent average credit (credit a day) as it is now.

    The stored value is of the time of the last credit and halves every week since.
    """
    elapsed = max(0.0, now - expavg_time)
    return expavg_credit * math.exp2(-elapsed / CREDIT_HALF_LIFE)
