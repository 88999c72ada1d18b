"""Reports of products: written by applications, read from files that anybody may have edited."""

from __future__ import annotations

import json
from typing import Any

import pytest

from boinc_project.report import (
    REPORT,
    Criterion,
    Fact,
    Picture,
    Report,
    Table,
    read_report,
)

WHOLE = Report(
    outcome="All 3 targets are searched.",
    size="3 targets",
    criteria=(Criterion("Targets", met=True, value=3.0, wanted=3.0, relation="at least"),),
    facts=(Fact("Frequencies", 1000), Fact("Cadence", 0.02, "days", 0.001), Fact("Engine", "fast")),
    tables=(Table("Periods", ("Target", "Period, days"), (("a", 1.5), ("b", None))),),
    pictures=(Picture("a.png", "Target a, folded"),),
    remarks=("Target c has four points.",),
)


def test_what_is_written_is_read() -> None:
    assert read_report(json.loads(json.dumps({REPORT: WHOLE.to_plain()}))) == WHOLE


def test_numbers_that_are_none_are_no_values() -> None:
    report = Report("", "", facts=(Fact("Depth", float("nan"), "", float("inf")),))
    plain = json.dumps(report.to_plain(), allow_nan=False)
    read = read_report({REPORT: json.loads(plain)})
    assert read is not None
    assert read.facts == (Fact("Depth", None),)


def test_a_summary_without_a_report_has_none() -> None:
    assert read_report({}) is None
    assert read_report({REPORT: "text"}) is None


@pytest.mark.parametrize("met", [None, 1, "true", "yes"])
def test_a_criterion_is_met_only_if_it_says_so(met: Any) -> None:
    read = read_report({REPORT: {"criteria": [{"name": "Targets", "met": met}]}})
    assert read is not None
    assert read.criteria == (Criterion("Targets", met=False),)
    assert not read.met


@pytest.mark.parametrize("key", ["criteria", "facts", "tables", "pictures", "remarks"])
@pytest.mark.parametrize("value", [None, 3, "text", [None, 3, "", []], {"a": 1}])
def test_damaged_parts_are_left_out(key: str, value: Any) -> None:
    read = read_report({REPORT: {**WHOLE.to_plain(), key: value}})
    assert read is not None
    assert getattr(read, key) in ((), ("text",))
    assert read.outcome == WHOLE.outcome


def test_rows_that_do_not_fit_their_table_are_left_out() -> None:
    table = {"caption": "Periods", "columns": ["a", "b"], "rows": [[1, 2], [1], [1, [2]], "no"]}
    read = read_report({REPORT: {"tables": [table]}})
    assert read is not None
    assert read.tables[0].rows == ((1, 2), (1, None))
