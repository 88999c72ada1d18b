"""The rows of nested runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from apps.nested.merge.errors import resample
from apps.nested.merge.product import Evidence, SubRun
from apps.nested.merge.verdict import run_rows, weighted_shape
from apps.nested.weights import merge_points, weigh
from apps.ttv.merge.diagnostics import Estimate
from apps.ttv.merge.verdict.row import Row
from boinc_project.campaign import StopRule
from tests import nested_targets
from tests.nested_targets import Likely

AGREES = Estimate(-20.1, 0.02)
EVIDENCE = Evidence(Estimate(-20.0, 0.1), 12.0, 1000.0, 400, 10_000, 0.5, 0.5, AGREES)
RUN = SubRun((0, 0, "a"), Estimate(-20.0, 0.2), 100, 80, 1000, 0.5)
RULE = StopRule(logz_error=0.2, ess=500.0)


def unmet(evidence: Evidence, runs: Sequence[SubRun] = (RUN,) * 4) -> list[Row]:
    return [row for row in run_rows(evidence, runs, RULE) if not row.met]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scatter_p": 1e-6}, "scatter more than their errors"),
        ({"scatter_p": math.nan}, "scatter more than their errors"),
        ({"insertion_p": 1e-6}, "not spread evenly"),
        ({"logz": Estimate(-20.0, 0.4)}, "12 more runs like these 4"),
        ({"ess": 250.0}, "4 more runs like these 4"),
        ({"importance": Estimate(-19.0, 0.05)}, "importance sampling says -19.00 +- 0.05"),
        ({"importance": Estimate(-19.0, math.nan)}, "importance sampling says"),
    ],
)
def test_every_part_of_the_rule_counts(change: dict[str, object], sentence: str) -> None:
    assert not unmet(EVIDENCE)
    (row,) = unmet(replace(EVIDENCE, **change))  # type: ignore[arg-type]
    assert sentence in row.text


def test_an_evidence_without_an_error_is_not_met() -> None:
    rows = unmet(replace(EVIDENCE, logz=Estimate(-20.0, math.nan)))
    assert [row.key for row in rows] == ["importance", "logz_error"]


def test_two_methods_that_agree_are_no_complaint() -> None:
    """1.5 sigma apart: probability 0.13."""
    near = replace(EVIDENCE, importance=Estimate(-20.15, 0.0))
    assert near.importance_p == pytest.approx(0.1336, abs=1e-4)
    assert not unmet(near)


def test_runs_that_were_cut_short_are_no_evidence() -> None:
    (row,) = unmet(EVIDENCE, [RUN, RUN, RUN, replace(RUN, remark="cut")])
    assert "1 runs reached the limit" in row.text


def test_one_method_alone_is_no_evidence() -> None:
    alone = replace(EVIDENCE, importance=None)
    assert math.isnan(alone.importance_p)
    (row,) = unmet(alone)
    assert (row.key, row.value) == ("importance", None)
    assert "too few effective draws" in row.text


def test_few_runs_are_not_met() -> None:
    (row,) = unmet(EVIDENCE, [RUN] * 3)
    assert row.text == "Only 3 runs are merged: agreement needs at least 4, 1 more."


def test_errors_of_weighted_points_are_what_runs_scatter_by() -> None:
    """Five nested runs of a normal posterior: means and widths lie within five of their errors."""
    chosen = nested_targets.settings(n_live=50, segment=50, batch=10)
    target = Likely(2, lambda cube: -0.5 * np.square((cube - 0.5) / 0.02).sum(axis=1))
    points = merge_points([nested_targets.run(target, chosen, k) for k in range(5)])
    shape = weighted_shape(points.cube, weigh(points), resample(points))
    expected = np.array([0.5, math.log(0.02), 0.5 - 1.645 * 0.02, 0.5 + 1.645 * 0.02])
    assert (np.abs(shape.values - expected[:, None]) < 5 * shape.errors).all()
    # 250 live points know a mean to some 5 per cent of the width.
    assert (shape.errors[0] < 0.3 * 0.02).all()
    assert shape.freedom == math.inf
