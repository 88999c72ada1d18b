"""How far a product is: what its application has said, and never more."""

from __future__ import annotations

from typing import Any

import pytest

from boinc_project.report import REPORT, Criterion, Report, Word
from server.services.judgement import (
    DONE,
    EXTENDED,
    RULE_MET,
    UNFINISHED,
    UNJUDGED,
    UNMET,
    judgement,
)

SAMPLED = Word("sampled", True, "The numbers are the posterior's.")
DESCRIBED = Word("described", False, "The model does not describe the data.")
MET = Criterion("Periods", met=True)


def summary(report: Report, *, converged: object = True, missing: object = ()) -> dict[str, Any]:
    return {REPORT: report.to_plain(), "converged": converged, "missing": missing}


def test_a_product_whose_criteria_are_met_is_done() -> None:
    judged = judgement(summary(Report("All is there.", "3 targets", (MET,))))
    assert (judged.met, judged.phrase, judged.shortfall) == (True, DONE, "")


def test_units_that_are_missing_are_said_beside_the_report() -> None:
    report = Report("Two targets are searched.", "2 targets", (MET,))
    judged = judgement(summary(report, converged=False, missing=["1 of 3 units are missing."]))
    assert (judged.met, judged.phrase) == (False, UNFINISHED)
    assert judged.left == ("1 of 3 units are missing.",)


def test_what_the_report_says_is_not_said_again() -> None:
    unmet = Criterion("Periods", met=False, sentence="Target b has no period.")
    report = Report("1 unit is missing. Wait.", "", (unmet,))
    missing = ["1 unit is missing.", "Target b has no period."]
    judged = judgement(summary(report, converged=False, missing=missing))
    assert (judged.phrase, judged.left) == (UNMET, ())


def test_words_are_a_phrase_and_the_first_that_fails_is_the_shortfall() -> None:
    judged = judgement(summary(Report("", "", words=(SAMPLED, DESCRIBED)), converged=False))
    assert (judged.phrase, judged.shortfall) == ("sampled, not described", "not described")


def test_a_criterion_that_does_not_count_keeps_nothing_back() -> None:
    aside = Criterion("Worst transit", met=False, counts=False)
    assert judgement(summary(Report("", "", (MET, aside)))).met


@pytest.mark.parametrize(
    ("report", "converged"),
    [
        (Report("", "", (Criterion("Periods", met=False),)), True),
        (Report("", "", words=(DESCRIBED,)), True),
        (Report("", ""), False),
        (Report("", ""), None),
        (Report("", ""), "yes"),
    ],
)
def test_a_product_is_done_only_if_summary_and_report_both_say_so(
    report: Report, converged: object
) -> None:
    judged = judgement(summary(report, converged=converged))
    assert not judged.met
    assert judged.shortfall


@pytest.mark.parametrize("words", [(), (SAMPLED,)])
def test_a_campaign_that_was_extended_is_not_done(words: tuple[Word, ...]) -> None:
    report = Report("All is there.", "3 targets", (MET,), words=words)
    judged = judgement(summary(report), meets_rule=False)
    assert (judged.met, judged.phrase, judged.left) == (False, UNFINISHED, (EXTENDED,))
    assert judged.words == ()


@pytest.mark.parametrize(
    ("missing", "meets_rule", "left"),
    [
        (["R-hat is 1.08."], False, ("R-hat is 1.08.",)),
        ([], True, (RULE_MET,)),
        (7, False, ()),
    ],
)
def test_a_product_without_a_report_is_never_done(
    missing: object, meets_rule: bool, left: tuple[str, ...]
) -> None:
    judged = judgement({"converged": True, "missing": missing}, meets_rule=meets_rule)
    assert (judged.met, judged.phrase, judged.left) == (False, UNJUDGED, left)


def test_sentences_cannot_steer_a_terminal() -> None:
    assert judgement({"missing": ["\x1b[2Jgone\n"]}, meets_rule=False).left == ("[2Jgone",)
