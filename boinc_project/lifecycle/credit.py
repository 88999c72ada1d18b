"""Credit accounts: a total, and an exponentially weighted average in credit a day.

The average follows BOINC's ``lib/util.cpp`` (``update_average``), so that statistics sites, which
let it decay by the same law, agree with us.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

HALF_LIFE = 7 * 86400.0
"""Seconds in which the average of an idle account halves."""

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Account:
    """Credit of a host, a user or a team.

    Attributes
    ----------
    total : float
        Cobblestones.
    average : float
        Cobblestones a day, as of `average_time`.
    average_time : float
        Epoch seconds; 0 if there was no credit yet.
    """

    total: float = 0.0
    average: float = 0.0
    average_time: float = 0.0


def grant(account: Account, credit: float, *, now: float, work_start: float) -> Account:
    """Return the account after a grant.

    Parameters
    ----------
    credit : float
        Cobblestones.
    now, work_start : float
        Epoch seconds of the grant, and of the sending of the result; the first grant's average is
        the credit a day over this span.
    """
    if account.average_time <= 0.0:
        days = max(now - work_start, 1.0) / _DAY
        return Account(account.total + credit, credit / days, now)
    elapsed = max(0.0, now - account.average_time)
    weight = math.exp2(-elapsed / HALF_LIFE)
    # (1 - weight) / elapsed tends to ln 2 / half-life; below 1e-6 it is lost in rounding.
    if 1.0 - weight > 1e-6:
        rate = (1.0 - weight) * credit / (elapsed / _DAY)
    else:
        rate = math.log(2.0) * credit * _DAY / HALF_LIFE
    return Account(
        account.total + credit,
        account.average * weight + rate,
        max(now, account.average_time),
    )


def revoke(account: Account, credit: float, *, granted: float) -> Account:
    """Return the account after a grant is taken back.

    Parameters
    ----------
    credit : float
        Cobblestones.
    granted : float
        Epoch seconds of the grant. The average loses what is left in it of a grant to
        an old account, ``ln 2 / half-life`` of it at first.
    """
    rate = math.log(2.0) * credit * _DAY / HALF_LIFE
    rest = rate * math.exp2(-max(0.0, account.average_time - granted) / HALF_LIFE)
    total = account.total - credit
    # The sum of many grants is not exact: a rest of rounding is nothing.
    total = 0.0 if total < 1e-9 * max(credit, 1.0) else total
    return Account(total, max(0.0, account.average - rest), account.average_time)
