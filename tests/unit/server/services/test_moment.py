"""Times and decaying credit."""

from __future__ import annotations

import pytest

from server.services.moment import CREDIT_HALF_LIFE, contact, moment, recent_credit


def test_moments_are_aware() -> None:
    assert moment(0.0).isoformat() == "1970-01-01T00:00:00+00:00"
    assert moment(None) is None
    assert contact(0.0) is None
    assert contact(1.0) == moment(1.0)


@pytest.mark.parametrize(("weeks", "left"), [(0.0, 100.0), (1.0, 50.0), (3.0, 12.5)])
def test_credit_halves_every_week(weeks: float, left: float) -> None:
    now = 1e9 + weeks * CREDIT_HALF_LIFE
    assert recent_credit(100.0, 1e9, now) == pytest.approx(left)


def test_credit_never_grows_by_itself() -> None:
    """The time of the last credit can be ahead of a page's clock by a moment."""
    assert recent_credit(100.0, 1e9, 1e9 - 5.0) == 100.0
