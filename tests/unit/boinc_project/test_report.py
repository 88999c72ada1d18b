"""Reports of products: written by applications, read from files that anybody may have edited."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boinc_project.report import (
    REPORT,
    Criterion,
    Fact,
    Measured,
    Picture,
    Report,
    Table,
    Word,
    read_report,
)

WHOLE = Report(
    outcome="All 3 targets are searched.",
    size="3 targets",
    criteria=(
        Criterion("Targets", met=True, value=3.0, wanted=3.0, relation="at least"),
        Criterion("Odds", met=False, sentence="They are even.", group="certain", counts=False),
    ),
    facts=(Fact("Frequencies", 1000), Fact("Cadence", 0.02, "days", 0.001), Fact("Engine", "fast")),
    tables=(
        Table("Periods", ("Target", "Period, days"), (("a", 1.5), ("b", None)), headlines=(1,)),
        Table(
            "Masses",
            ("Target", "Mass", "Published"),
            (("a", Measured(1.5, 0.1, 0.2), (Measured(1.4, source="Smith"), Measured(None))),),
        ),
    ),
    pictures=(Picture("a.png", "Target a, folded"),),
    remarks=("Target c has four points.",),
    words=(Word("searched", True, "All is searched."), Word("certain", False)),
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


@pytest.mark.parametrize("key", ["criteria", "facts", "tables", "pictures", "remarks", "words"])
@pytest.mark.parametrize("value", [None, 3, "text", [None, 3, "", []], {"a": 1}])
def test_damaged_parts_are_left_out(key: str, value: Any) -> None:
    read = read_report({REPORT: {**WHOLE.to_plain(), key: value}})
    assert read is not None
    assert getattr(read, key) in ((), ("text",))
    assert read.outcome == WHOLE.outcome


def test_rows_that_do_not_fit_their_table_are_left_out() -> None:
    table = {"caption": "Periods", "columns": ["a", "b"], "rows": [[1, 2], [1], [1, [2]], "no"]}
    table |= {"headlines": [0]}
    read = read_report({REPORT: {"tables": [table]}})
    assert read is not None
    assert read.tables[0].rows == ((1, 2), (1, None))
    assert read.tables[0].headlines == ()


def test_criteria_stand_in_the_order_of_their_words() -> None:
    words = (Word("sampled", True), Word("described", False))
    rows = [("a", "described"), ("b", "sampled"), ("c", ""), ("d", "sampled")]
    criteria = tuple(Criterion(name, met=name > "b", group=group) for name, group in rows)
    report = Report("", "", criteria, words=words)
    assert [entry.name for entry in report.unmet] == ["b", "a"]
    assert [entry.name for entry in report.fulfilled] == ["d", "c"]


def test_what_does_not_count_keeps_nothing_back() -> None:
    aside = Criterion("Odds", met=False, counts=False)
    assert Report("", "", (aside,)).met
    assert not Report("", "", (aside, Criterion("Targets", met=False))).met
    assert not Report("", "", words=(Word("certain", False),)).met


def test_columns_of_numbers_are_known_as_such() -> None:
    rows = (("a", 1.0, None, "x"), ("b", Measured(2.0), None, 1))
    table = Table("", ("Target", "Period", "Nothing", "Mixed"), rows)
    assert [table.is_number(place) for place in range(4)] == [False, True, False, False]


def test_no_text_can_steer_a_terminal() -> None:
    read = read_report({REPORT: {"outcome": "\x1b[2J all\nis there", "remarks": ["\x07ring"]}})
    assert read is not None
    assert (read.outcome, read.remarks) == ("[2J all is there", ("ring",))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "value", "rows", "columns", "holds", "headlines", "source"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(WHOLE.to_plain())), _JSON))
def test_anything_is_read_without_an_error_and_can_be_told_again(plain: dict[str, Any]) -> None:
    read = read_report({REPORT: plain})
    assert read is not None
    told = json.loads(json.dumps(read.to_plain(), allow_nan=False))
    assert read_report({REPORT: told}) == read
