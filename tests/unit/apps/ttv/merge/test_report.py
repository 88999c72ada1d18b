"""The report of a posterior: verdict, table and evidence, of chains and of nested runs."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from boinc_project.report import REPORT, Measured, Report, read_report
from server.cli.report_table import product_report
from tests.factories import (
    nested_summary,
    product_summary,
    product_verdict,
    sampled_verdict,
    verdict_row,
)


def report_of(summary: dict[str, Any]) -> Report:
    report = read_report(summary)
    assert report is not None
    return report


def shown(summary: dict[str, Any], *, width: int = 120, **options: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(product_report(summary, **options))
    return out.getvalue()


def test_the_words_are_those_of_the_verdict() -> None:
    report = report_of(product_summary())
    assert [(word.name, word.holds) for word in report.words] == [
        ("sampled", False), ("described", True), ("informative", True),
    ]  # fmt: skip
    assert "Do not use these numbers as a posterior." in report.words[0].meaning
    assert report.words[1].meaning == "The model describes the data."
    assert report.outcome == "The posterior is not sampled yet."
    assert not report.met
    assert report_of(product_summary(verdict=sampled_verdict())).met


@pytest.mark.parametrize("word", ["sampled", "described", "informative"])
def test_each_word_can_keep_it_back(word: str) -> None:
    assert not report_of(product_summary(verdict=sampled_verdict(**{word: False}))).met


def test_rows_are_criteria_those_not_met_first() -> None:
    report = report_of(product_summary())
    assert [entry.name for entry in report.unmet] == ["Chains against each other", "Second opinion"]
    rhat, second = report.unmet
    assert (rhat.value, rhat.wanted, rhat.relation, rhat.group) == (
        1.08,
        1.01,
        "at most",
        "sampled",
    )
    assert second.value is None
    assert len(report.fulfilled) == 4


def test_a_row_that_does_not_count_keeps_nothing_back() -> None:
    aside = verdict_row("prior_edges", word="informative", met=False, counts=False)
    rows = [*sampled_verdict()["rows"], aside]
    report = report_of(product_summary(verdict=sampled_verdict(rows=rows)))
    assert report.met
    assert [entry.name for entry in report.unmet] == ["Check prior_edges"]


def test_values_stand_beside_the_published_ones() -> None:
    free, derived = report_of(product_summary()).tables
    mass = dict(zip(free.columns, free.rows[0], strict=True))
    assert mass["Quantity"] == "mass of b (b.mass)"
    assert mass["Ours"] == Measured(43.2, pytest.approx(0.6), pytest.approx(0.6))
    assert mass["Published"] == (Measured(43.4, 1.6, 2.0, "Borsato et al. 2019"),)
    assert (mass["R-hat"], mass["Bulk ESS"], mass["Tail ESS"]) == (1.08, 210.0, 300.0)
    assert derived.caption.startswith("Derived quantities")
    assert "R-hat" not in derived.columns
    text = shown(product_summary())
    (row,) = [line for line in text.splitlines() if "mass of b" in line]
    for cell in ("43.20 +0.60 -0.60", "Earth masses", "43.4 +1.6 -2.0 [1]", "1.08", "210", "300"):
        assert cell in row
    assert "[1] Borsato et al. 2019" in text


def test_the_short_table_has_masses_periods_and_eccentricities() -> None:
    summary = product_summary()
    phase = {**summary["parameters"][0], "name": "b.t0", "label": "conjunction of b"}
    other = product_summary(parameters=[phase, *summary["parameters"]])
    assert "conjunction of b" not in shown(other)
    assert "conjunction of b" in shown(other, every=True)
    assert "eccentricity of b" in shown(other)


def test_missing_numbers_are_dashes() -> None:
    entry = product_summary()["parameters"][0]
    nothing = {"value": None, "mcse": None}
    bare = {**entry, **dict.fromkeys(("median", "q16", "q84"), nothing), "rhat": None}
    summary = product_summary(parameters=[bare])
    (table,) = report_of(summary).tables
    assert table.rows[0][1] == Measured(None)
    assert "nan" not in shown(summary).lower()


@pytest.mark.parametrize("verdict", [product_verdict(), sampled_verdict()])
def test_converged_is_no_word_for_people(verdict: dict[str, Any]) -> None:
    assert "converged" not in shown(product_summary(verdict=verdict))


@pytest.mark.parametrize("width", [72, 100])
def test_a_narrow_terminal_folds_and_cuts_nothing(width: int) -> None:
    text = shown(product_summary(), width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for cell in ("mass of b", "43.20", "+0.60", "-0.60", "+1.6", "[1]", "1.08", "210", "300"):
        assert cell in text, cell


def test_nested_runs_say_evidence_and_modes() -> None:
    summary = nested_summary()
    report = report_of(summary)
    facts = {fact.label: (fact.value, fact.error) for fact in report.facts}
    assert facts == {
        "Log evidence": (645.2, 0.25), "Information": (38.4, None),
        "Effective draws": (5120.0, None),
    }  # fmt: skip
    assert report.tables[0].rows[1][1] == Measured(20.0, 5.0, 5.0)
    text = shown(summary)
    assert "Log evidence: 645.20 +0.25 -0.25" in text
    assert "Bulk ESS" not in text
    assert "run.png" in [picture.file for picture in report.pictures]


def test_chains_say_the_evidence_that_was_measured_and_no_parts_of_it() -> None:
    summary = product_summary(
        evidence={"value": 645.1, "mcse": 0.01},
        modes=[{"mode": n, "sub_chains": 4, "log_evidence": -123.4 - n} for n in range(2)],
    )
    (fact,) = report_of(summary).facts
    assert (fact.label, fact.value, fact.error) == ("Log evidence", 645.1, 0.01)
    assert all("Modes" not in table.caption for table in report_of(summary).tables)
    assert report_of(product_summary(evidence=None)).facts == ()


def test_a_product_without_draws_has_no_pictures() -> None:
    summary = product_summary(n_draw=0, parameters=[])
    assert (report_of(summary).pictures, report_of(summary).tables) == ((), ())
    assert REPORT in summary
