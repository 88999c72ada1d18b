"""How values are written on pages."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from server.blueprints.web.text import (
    cell_stamp,
    count,
    credit,
    duration,
    exact_stamp,
    short_number,
    size,
    stamp,
    value_with_errors,
)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61.0, "1 min 1 s"),
        (3600.0, "1 h"),
        (3725.0, "1 h 2 min"),
        (86400.0 * 3 + 3600.0 * 5 + 59.0, "3 d 5 h"),
        (86400.0 + 59.0, "1 d"),
        (-1.0, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (None, "–"),
    ],
)
def test_durations(seconds: float | None, written: str) -> None:
    assert duration(seconds) == written


@pytest.mark.parametrize(
    ("nbytes", "written"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (24_000, "24 kB"),
        (41_234_567, "41.2 MB"),
        (5e11, "500 GB"),
    ],
)
def test_sizes(nbytes: float, written: str) -> None:
    assert size(nbytes) == written


def test_counts_and_credit() -> None:
    assert count(1234567) == "1\u202f234\u202f567"
    assert credit(12.34) == "12.3"
    assert credit(12345.6) == "12\u202f346"


@pytest.mark.parametrize(
    ("value", "written"),
    [(1.0834, "1.083"), (1260.4, "1\u202f260"), (None, "–"), (math.nan, "–"), (math.inf, "–")],
)
def test_diagnostics(value: float | None, written: str) -> None:
    assert short_number(value) == written


@pytest.mark.parametrize(
    ("value", "plus", "minus", "written"),
    [
        (43.41, 1.62, 2.04, "43.4 +1.6 −2.0"),
        (19.23883, 0.00021, 0.00019, "19.23883 +0.00021 −0.00019"),
        (4312.0, 120.0, 130.0, "4312 +120 −130"),
        (19.238756, 0.0, 0.0, "19.23876"),
        (1.0, 0.5, 0.0, "1.00 +0.50 −0.00"),
        (math.nan, 1.0, 1.0, "–"),
        (1.0, math.nan, 1.0, "–"),
        (1.0, 1e-30, 1e-30, "1.000000000000000 +0.000000000000000 −0.000000000000000"),
        (1.271e-4, 1e-6, 1.1e-6, "1.271 +0.010 −0.011 × 10<sup>−4</sup>"),
        (-2e-5, 3e-4, 3e-4, "-0.2 +3.0 −3.0 × 10<sup>−4</sup>"),
        (5e-5, 0.0, 0.0, "5 × 10<sup>−5</sup>"),
        (0.0, 0.0, 0.0, "0"),
    ],
)
def test_measured_values(value: float, plus: float, minus: float, written: str) -> None:
    text = str(value_with_errors(value, plus, minus))
    assert text.replace('<span class="errors">', "").replace("</span>", "") == written


def test_times_are_utc_wherever_they_come_from() -> None:
    summer = datetime(2026, 7, 1, 1, 30, 5, tzinfo=timezone(timedelta(hours=2)))
    assert "2026-06-30 23:30 UTC" in stamp(summer)
    assert 'datetime="2026-06-30T23:30:05+00:00"' in stamp(summer)
    assert "23:30:05 UTC" in exact_stamp(summer)
    assert cell_stamp(datetime(2026, 7, 1, tzinfo=UTC)).endswith(">2026-07-01 00:00</time>")
    assert stamp(None) == "–"
