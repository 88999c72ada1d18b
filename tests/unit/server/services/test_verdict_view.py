"""Reading verdicts: what stands there is shown, and nothing that cannot be read counts as met."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.services.verdict_view import (
    MEANINGS,
    UNREADABLE,
    VerdictView,
    read_verdict,
)
from tests.factories import product_verdict, sampled_verdict, verdict_row

DOCUMENT = Path(__file__).parents[4] / "docs" / "scientist" / "results.md"


def read(stored: object) -> VerdictView:
    view = read_verdict({"verdict": stored})
    assert view is not None
    return view


def test_rows_that_are_not_met_come_first_and_keep_the_order_of_words() -> None:
    view = read(product_verdict())
    assert [row.key for row in view.rows] == [
        "rhat", "second_opinion", "ess_bulk", "chi2", "worst_transits", "gain.b.mass"
    ]  # fmt: skip
    assert [row.key for row in view.unmet] == ["rhat", "second_opinion"]
    assert view.unmet + view.met == view.rows
    rhat, second, *_ = view.rows
    assert (rhat.value, rhat.limit, rhat.relation) == (1.08, 1.01, "at most")
    assert rhat.text == "R-hat of b.mass is 1.08: about 12 more sub-chains are needed."
    assert second.value is None


def test_the_documented_verdict() -> None:
    text = re.search(r"```json\n(\{\n  \"sampled\".*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert text is not None
    view = read(json.loads(text[1]))
    assert view.phrase == "not sampled, described, informative"
    (row,) = view.unmet
    assert (row.title, row.value, row.limit) == ("Chains against each other", 1.08, 1.01)


def test_words_and_phrases() -> None:
    view = read(product_verdict())
    assert tuple(view.words) == tuple(MEANINGS)
    assert view.phrase == "not sampled, described, informative"
    assert view.shortfall == "not sampled"
    assert not view.holds
    whole = read(sampled_verdict())
    assert whole.phrase == "sampled, described, informative"
    assert whole.shortfall == ""
    assert whole.holds


def test_nothing_is_judged_a_second_time() -> None:
    # The number is far beyond its limit; the assimilator's word stands all the same, both ways.
    for met in (True, False):
        row = verdict_row("rhat", value=99.0, limit=1.01, met=met)
        assert read(sampled_verdict(rows=[row])).rows[0].met is met


@pytest.mark.parametrize("word", ["yes", 1, None, [True]])
def test_a_word_holds_only_if_it_is_true(word: object) -> None:
    view = read(product_verdict(sampled=word, rows=[verdict_row("rhat", met=word)]))
    assert not view.sampled
    assert not view.rows[0].met


@pytest.mark.parametrize("stored", ["good", 7, True, [], ["sampled"]])
def test_a_verdict_of_another_form_is_three_times_no(stored: object) -> None:
    assert read(stored) == VerdictView(False, False, False, UNREADABLE)


def test_a_product_without_one_has_none() -> None:
    assert read_verdict({}) is None
    assert read_verdict({"verdict": None}) is None


def test_numbers_that_are_none_are_not_known() -> None:
    values = [float("nan"), float("inf"), "1.0", True, None]
    rows = [verdict_row(str(place), value=value) for place, value in enumerate(values)]
    assert {row.value for row in read(product_verdict(rows=rows)).rows} == {None}


def test_texts_are_safe_to_print() -> None:
    row = verdict_row("rhat", title="red\x1b[31m", text="one\nline\x07")
    view = read(product_verdict(sentence="a\x1b]0;title\x07b", rows=[row]))
    assert view.sentence == "a]0;titleb"
    assert (view.rows[0].title, view.rows[0].text) == ("red[31m", "one line")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["key", "word", "title", "value", "limit", "relation", "met", "text"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*MEANINGS, "rows", "sentence"]), JSON))
def test_anything_is_read_without_an_error(stored: dict[str, object]) -> None:
    view = read(stored)
    assert view.holds is all(stored.get(word) is True for word in MEANINGS)
