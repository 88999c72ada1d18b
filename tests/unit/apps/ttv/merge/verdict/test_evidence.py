"""The evidence by two methods."""

from __future__ import annotations

import math

import pytest

from apps.ttv.merge.diagnostics import Estimate
from apps.ttv.merge.verdict.evidence import evidence_rows
from apps.ttv.merge.verdict.row import Row

WELL = Estimate(-20.0, 0.02)


def rows(first: Estimate | None, second: Estimate | None, freedom: float = 9.0) -> dict[str, Row]:
    return {row.key: row for row in evidence_rows(first, "Importance sampling", second, freedom)}


def test_two_that_agree_are_met() -> None:
    by_key = rows(WELL, Estimate(-20.2, 0.1))
    assert all(row.met for row in by_key.values())
    assert "Importance sampling says log Z = -20.00 +- 0.02" in by_key["evidence"].text


@pytest.mark.parametrize(("first", "second"), [(None, WELL), (WELL, None), (None, None)])
def test_one_alone_is_no_evidence(first: Estimate | None, second: Estimate | None) -> None:
    (row,) = rows(first, second).values()
    assert (row.value, row.met) == (None, False)
    assert "not confirmed" in row.text


def test_two_that_disagree_are_not_met() -> None:
    row = rows(WELL, Estimate(-18.3, 0.1))["evidence"]
    assert not row.met
    assert "misses a part" in row.text


def test_few_populations_count_for_less() -> None:
    """Six errors of three degrees of freedom happen once in a hundred."""
    far = Estimate(-19.4, 0.1)
    assert not rows(WELL, far, math.inf)["evidence"].met
    assert rows(WELL, far, 3.0)["evidence"].met
    assert not rows(WELL, far, 0.0)["evidence"].met


def test_errors_that_allow_everything_are_not_met() -> None:
    by_key = rows(WELL, Estimate(-15.0, 2.0))
    assert by_key["evidence"].met
    assert not by_key["evidence_error"].met


@pytest.mark.parametrize("bad", [Estimate(math.nan, 0.1), Estimate(-20.0, math.nan)])
def test_what_is_not_a_number_is_not_met(bad: Estimate) -> None:
    assert not rows(WELL, bad)["evidence"].met
    assert not rows(bad, WELL)["evidence"].met
