"""Totals and averages as BOINC's ``update_average`` has them."""

from __future__ import annotations

import math

import pytest

from boinc_project.lifecycle.credit import HALF_LIFE, Account, grant

DAY = 86400.0
START = 1.7e9


def test_first_grant_is_credit_a_day_since_the_work_began() -> None:
    account = grant(Account(), 50.0, now=START + DAY / 2, work_start=START)
    assert account == Account(50.0, 100.0, START + DAY / 2)


def test_steady_work_tends_to_its_rate() -> None:
    """Ten cobblestones a day for a year are an average of ten a day."""
    account = Account(average=500.0, average_time=START)
    for day in range(1, 366):
        account = grant(account, 10.0, now=START + day * DAY, work_start=START)
    assert account.total == 3650.0
    assert account.average == pytest.approx(10.0, rel=1e-12)


def test_idle_account_halves_in_a_week() -> None:
    account = grant(Account(100.0, 64.0, START), 0.0, now=START + HALF_LIFE, work_start=START)
    assert account.average == 32.0


def test_grants_at_one_moment_add_up() -> None:
    """The limit of short spans, and no division by zero."""
    base = Account(0.0, 7.0, START)
    at_once = grant(base, 10.0, now=START, work_start=START)
    assert at_once.average == pytest.approx(7.0 + math.log(2.0) / 7.0 * 10.0)
    soon = grant(base, 10.0, now=START + 10.0, work_start=START)
    assert soon.average == pytest.approx(at_once.average, rel=1e-4)


def test_clock_that_goes_back_does_no_harm() -> None:
    account = grant(Account(1.0, 7.0, START), 10.0, now=START - DAY, work_start=START - 2 * DAY)
    assert account.average_time == START
    assert math.isfinite(account.average)
    assert account.total == 11.0


def test_first_grant_with_no_time_between_is_finite() -> None:
    assert grant(Account(), 1.0, now=START, work_start=START).average == DAY
