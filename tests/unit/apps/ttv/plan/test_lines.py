"""Lines for people about a prepared campaign."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from apps.ttv.compute.search.modes import LeftOut
from apps.ttv.plan.lines import artefact_lines


def test_all_that_was_left_out_is_told_with_its_reason() -> None:
    lines = artefact_lines({"left_out": asdict(LeftOut(artefact=1, above=5, ridge=2))})
    assert lines == [
        "Left out: 1 candidate for a mode, gone with a step that is fine enough there.",
        "Left out: 5 candidates for a mode, more than 50 above the best one's -2 log(posterior).",
        "Left out: 2 candidates for a mode, without a barrier to a better one: "
        "the two are ends of one ridge.",
    ]


@pytest.mark.parametrize("settings", [{}, {"left_out": asdict(LeftOut())}, {"n_artefact": 0}])
def test_nothing_is_told_if_nothing_was_left_out(settings) -> None:
    assert artefact_lines(settings) == []


def test_campaigns_of_old_have_artefacts_only() -> None:
    (line,) = artefact_lines({"n_artefact": 3})
    assert line.startswith("Left out: 3 candidates for a mode, gone with a step")
