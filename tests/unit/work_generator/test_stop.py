from __future__ import annotations

import numpy as np
import pytest

from boinc_project.campaign import Progress, StopRule
from work_generator.stop import Complete, StopReason, TopUp, Wait, decide, rule_text

RULE = StopRule(rhat=1.01, ess_bulk=400.0, ess_tail=300.0, max_units=20)
DRAWS = np.zeros((4, 2))


def test_a_new_campaign_gets_its_first_generation() -> None:
    assert decide(Progress(), RULE, 8) == TopUp(generation=0, n_unit=8)


@pytest.mark.parametrize("issued", [(8,), (8, 8)])
def test_open_units_are_waited_for(issued: tuple[int, ...]) -> None:
    progress = Progress(issued=issued, open_units=1, draws=DRAWS)
    assert decide(progress, RULE, 8) == Wait(1)


def test_the_next_generation_follows_when_all_verdicts_are_in() -> None:
    assert decide(Progress(issued=(8,), draws=DRAWS), RULE, 8) == TopUp(1, 8)


def test_the_last_generation_ends_at_the_budget() -> None:
    assert decide(Progress(issued=(8, 8), draws=DRAWS), RULE, 8) == TopUp(2, 4)


def test_the_budget_ends_a_campaign_and_says_what_was_asked() -> None:
    decision = decide(Progress(issued=(8, 8, 4), draws=DRAWS), RULE, 8)
    assert isinstance(decision, Complete)
    assert decision.reason is StopReason.BUDGET
    assert "20 units" in decision.text
    assert "the posterior is not sampled" in decision.text
    assert "R-hat at most 1.01, bulk ESS at least 400, tail ESS at least 300" in decision.text


def test_a_sampled_posterior_ends_a_campaign_even_while_units_are_open() -> None:
    progress = Progress(issued=(8,), open_units=3, sampled=True, draws=DRAWS)
    decision = decide(progress, RULE, 8)
    assert isinstance(decision, Complete)
    assert decision.reason is StopReason.SAMPLED
    assert decision.text.startswith("The posterior is sampled: R-hat at most 1.01, bulk ESS")
    assert "converged" not in decision.text


def test_a_posterior_sampled_by_the_last_unit_is_not_called_a_spent_budget() -> None:
    decision = decide(Progress(issued=(8, 8, 4), sampled=True, draws=DRAWS), RULE, 8)
    assert isinstance(decision, Complete)
    assert decision.reason is StopReason.SAMPLED


def test_nothing_is_issued_on_top_of_units_that_all_failed() -> None:
    decision = decide(Progress(issued=(8,), draws=None), RULE, 8)
    assert isinstance(decision, Complete)
    assert decision.reason is StopReason.FAILED


def test_a_budget_smaller_than_a_generation() -> None:
    assert decide(Progress(), StopRule(max_units=3), 8) == TopUp(0, 3)


ALL = StopRule(max_units=5, all_units=True)


def test_a_fixed_number_of_units_is_done_when_all_are_merged() -> None:
    assert decide(Progress(), ALL, 5) == TopUp(0, 5)
    assert decide(Progress(issued=(5,), open_units=1, merged=4, sampled=True), ALL, 5) == Wait(1)
    done = decide(Progress(issued=(5,), merged=5, sampled=True), ALL, 5)
    assert isinstance(done, Complete)
    assert (done.reason, done.text) == (StopReason.DONE, "All 5 units are done and merged.")


def test_a_fixed_number_of_units_says_what_is_missing_and_when_nothing_came() -> None:
    lacking = decide(Progress(issued=(5,), merged=3), ALL, 5)
    assert isinstance(lacking, Complete)
    assert lacking.reason is StopReason.BUDGET
    assert "3 of them are merged" in lacking.text
    failed = decide(Progress(issued=(5,)), ALL, 5)
    assert isinstance(failed, Complete)
    assert failed.reason is StopReason.FAILED
    assert ALL.limits == {"max_units": 5}
    assert rule_text(ALL) == "all 5 units"
