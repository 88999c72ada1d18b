"""Rows, words and the contract of what is written into a summary."""

from __future__ import annotations

import json
import math

import pytest

from apps.ttv.merge.verdict.row import Relation, Row, Verdict, Word, no_output


def row(word: Word, value: float | None, *, counts: bool = True, key: str = "key") -> Row:
    return Row(key, word, "Title", value, 1.0, Relation.AT_LEAST, f"It is {value}.", counts)


@pytest.mark.parametrize(
    ("value", "relation", "met"),
    [
        (1.0, Relation.AT_LEAST, True),
        (1.0, Relation.AT_MOST, True),
        (0.9, Relation.AT_LEAST, False),
        (1.1, Relation.AT_MOST, False),
        (None, Relation.AT_MOST, False),
        (math.nan, Relation.AT_MOST, False),
        (-math.inf, Relation.AT_MOST, False),
        (math.inf, Relation.AT_LEAST, False),
    ],
)
def test_a_number_that_cannot_be_had_meets_no_limit(
    value: float | None, relation: Relation, met: bool
) -> None:
    assert Row("key", Word.SAMPLED, "Title", value, 1.0, relation, "Text.").met is met


def test_the_summary_is_what_its_readers_expect() -> None:
    verdict = Verdict((row(Word.SAMPLED, 2.0, key="rhat"), row(Word.DESCRIBED, math.nan)))
    written = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert set(written) == {"sampled", "described", "informative", "sentence", "rows"}
    assert written["rows"][0] == {
        "key": "rhat",
        "word": "sampled",
        "title": "Title",
        "value": 2.0,
        "limit": 1.0,
        "relation": "at least",
        "met": True,
        "counts": True,
        "text": "It is 2.0.",
    }
    assert (written["rows"][1]["value"], written["rows"][1]["met"]) == (None, False)
    assert (written["sampled"], written["described"]) == (True, False)


def test_a_word_without_rows_does_not_hold() -> None:
    verdict = Verdict((row(Word.SAMPLED, 1.0), row(Word.DESCRIBED, 1.0)))
    assert (verdict.sampled, verdict.described, verdict.informative) == (True, True, False)
    assert not verdict.converged
    assert not Verdict(()).sampled


def test_a_row_that_does_not_count_is_shown_and_changes_nothing() -> None:
    told = row(Word.INFORMATIVE, 0.0, counts=False)
    rows = (*(row(word, 1.0) for word in Word), told)
    verdict = Verdict(rows)
    assert verdict.converged
    assert verdict.missing == ()
    last = verdict.to_json()["rows"][-1]
    assert (last["met"], last["counts"]) == (False, False)


def test_only_rows_that_do_not_count_are_no_evidence() -> None:
    assert not Verdict((row(Word.SAMPLED, 1.0, counts=False),)).sampled


def test_what_is_missing_is_said_in_the_order_of_the_rows() -> None:
    verdict = Verdict((row(Word.SAMPLED, 0.5), row(Word.DESCRIBED, 1.0), row(Word.SAMPLED, 0.25)))
    assert verdict.missing == ("It is 0.5.", "It is 0.25.")


def test_the_sentence_has_the_three_words() -> None:
    good = Verdict(tuple(row(word, 1.0) for word in Word)).sentence
    bad = Verdict(tuple(row(word, 0.0) for word in Word)).sentence
    assert good == (
        "The posterior is sampled, the model describes the data, and the data say more than the "
        "prior."
    )
    assert bad == (
        "The posterior is not sampled yet, the model does not describe the data, and the data say "
        "hardly more than the prior."
    )


def test_nothing_merged_is_no_verdict() -> None:
    verdict = no_output()
    assert not any((verdict.sampled, verdict.described, verdict.informative))
    assert verdict.missing == ("No output has been merged yet.",)
    assert verdict.sentence == "There is no posterior to judge yet."
