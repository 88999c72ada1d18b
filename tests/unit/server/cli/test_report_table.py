"""A report on the terminal: nothing is cut off, nothing is made up, nothing steers it."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from rich.console import Console

from boinc_project.report import REPORT, Criterion, Fact, Measured, Report, Table, Word
from server.cli.report_table import interval, product_report
from server.services.judgement import EXTENDED, NO_REPORT

ROWS = tuple((f"target {number}", Measured(1.5 + number, 0.02, 0.01)) for number in range(4))
REPORT_OF_PERIODS = Report(
    outcome="One of 4 targets has no period.",
    size="4 targets",
    criteria=(
        Criterion("Targets", met=True, value=4.0, wanted=4.0, relation="at least"),
        Criterion("Periods", met=False, wanted=4.0, relation="at least", sentence="Search longer."),
    ),
    facts=(
        Fact("Frequencies", 1000), Fact("Zero point", 29.44439, "mag", 0.00061),
        Fact("Engine", "fast"), Fact("Depth", None, "ppm"),
    ),
    tables=(Table("Periods", ("Target", "Period, days"), ROWS, headlines=(2, 0)),),
    remarks=("Target c has four points.",),
)  # fmt: skip


def shown(report: Report, *, width: int = 110, converged: bool = False, **options: Any) -> str:
    out = io.StringIO()
    summary = {"title": "Stars", "converged": converged, REPORT: report.to_plain()}
    Console(file=out, width=width, highlight=False).print(product_report(summary, **options))
    return out.getvalue()


def test_all_of_a_report_is_shown() -> None:
    text = shown(REPORT_OF_PERIODS)
    for part in (
        "Stars", "4 targets.", "Frequencies: 1000", "Zero point: 29.44439 +0.00061 -0.00061 mag",
        "Engine: fast", "Depth: - ppm", "Target c has four points.",
        "One of 4 targets has no period.", "criteria not met", "Not met: Periods.",
        "at least 4", "not known", "Search longer.",
    ):  # fmt: skip
        assert part in text, part
    assert text.index("Periods   ") < text.rindex("Targets   "), "criteria not met come first"


def test_headlines_are_the_short_table() -> None:
    text = shown(REPORT_OF_PERIODS)
    assert text.index("3.500 +0.020 -0.010") < text.index("1.500 +0.020 -0.010")
    assert "target 1" not in text
    assert "and 2 more rows: see --all" in text
    whole = shown(REPORT_OF_PERIODS, every=True)
    assert all(f"target {number}" in whole for number in range(4))
    assert "more rows" not in whole


def test_sources_are_numbered() -> None:
    cells = (Measured(1.0, 0.1, 0.2, "Holman 2010"), Measured(2.0, source="Borsato 2019"))
    rows = (("b", cells), ("c", (Measured(3.0, source="Holman 2010"),)), ("d", ()))
    text = shown(Report("", "", tables=(Table("", ("Planet", "Published"), rows),)))
    for part in ("1.00 +0.10 -0.20 [1]", "2 [2]", "3 [1]", "[1] Holman 2010", "[2] Borsato 2019"):
        assert part in text, part


def test_words_stand_in_one_line() -> None:
    words = (Word("sampled", True), Word("described", False))
    criterion = Criterion("Residuals", met=False, group="described")
    text = shown(Report("It is odd.", "", (criterion,), words=words))
    assert "sampled: yes    described: no" in text
    assert "Not met: Residuals." in text


@pytest.mark.parametrize("converged", [True, False])
def test_nobody_is_told_that_a_report_converged(converged: bool) -> None:
    text = shown(Report("All is there.", "3 targets"), converged=converged)
    assert ("not done yet" in text) is not converged
    assert "converged" not in text


def test_a_campaign_that_was_extended_says_so() -> None:
    text = shown(Report("All is there.", "3 targets"), converged=True, meets_rule=False)
    assert EXTENDED in text


@pytest.mark.parametrize("width", [50, 80])
def test_a_narrow_terminal_folds_and_cuts_nothing(width: int) -> None:
    lines = shown(REPORT_OF_PERIODS, width=width).splitlines()
    assert max(len(line) for line in lines) <= width
    assert "…" not in "".join(lines)
    assert "longer." in " ".join(lines)


def test_markup_and_control_characters_are_plain_text() -> None:
    text = shown(Report("[link=x]\x1b[2J[/link]", "[bold]3[/bold]"))
    assert "[link=x][2J[/link]" in text
    assert "[bold]3[/bold]" in text
    assert "\x1b" not in text


def test_a_summary_without_a_report_is_a_sentence() -> None:
    out = io.StringIO()
    Console(file=out, width=200).print(product_report({"missing": ["R-hat is 1.08."]}))
    assert NO_REPORT in out.getvalue()
    assert "R-hat is 1.08." in out.getvalue()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((43.187, 0.6123, 0.5472), "43.19 +0.61 -0.55"),
        ((19.2288794, 0.0000371, 0.0000442), "19.228879 +0.000037 -0.000044"),
        ((1234.5, 120.0, 80.0), "1234 +120 -80"),
        ((0.5, 0.0, 0.0), "0.5"),
        ((0.5, math.nan, 0.01), "0.500 +? -0.010"),
        ((math.nan, 1.0, 1.0), "-"),
    ],
)
def test_intervals_have_two_figures_of_the_smaller_error(
    values: tuple[float, float, float], text: str
) -> None:
    assert interval(*values) == text
