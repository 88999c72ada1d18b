"""A verdict on the terminal: three words, then every row with its number, limit and sentence."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, Group

from server.cli.verdict_table import verdict_report
from server.services.verdict_view import read_verdict
from tests.factories import product_verdict, sampled_verdict, verdict_row


def shown(verdict: object, *, width: int = 120) -> str:
    out = io.StringIO()
    parts = verdict_report(read_verdict({"verdict": verdict}))
    Console(file=out, width=width, highlight=False).print(Group(*parts))
    return out.getvalue()


def test_three_words_then_the_sentence_then_all_rows() -> None:
    words, sentence, unmet, *table = shown(product_verdict()).splitlines()
    assert words.rstrip() == "sampled: no    described: yes    informative: yes"
    assert sentence.rstrip() == "The posterior is not sampled yet."
    assert unmet.rstrip() == "Not met: Chains against each other; Second opinion."
    text = "\n".join(table)
    places = [
        text.index(row["title"])
        for row in sorted(product_verdict()["rows"], key=lambda r: r["met"])
    ]
    assert places == sorted(places), "rows that are not met come first"
    (rhat,) = [line for line in table if "Chains against" in line]
    for cell in ("1.08", "at most 1.01", " no ", "about 12 more sub-chains"):
        assert cell in rhat
    (second,) = [line for line in table if "Second opinion" in line]
    for cell in ("not known", "at most 4", " no ", "has not come back"):
        assert cell in second
    (worst,) = [line for line in table if "Worst transits" in line]
    for cell in ("2.4", " - ", " yes "):
        assert cell in worst


def test_nothing_is_not_met_if_all_is_met() -> None:
    text = shown(sampled_verdict())
    assert text.startswith("sampled: yes    described: yes    informative: yes")
    assert "Not met" not in text
    assert " no " not in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_terminal_folds_and_cuts_nothing(width: int) -> None:
    lines = shown(product_verdict(), width=width).splitlines()
    assert max(len(line) for line in lines) <= width
    text = " ".join(lines)
    for row in product_verdict()["rows"]:
        for word in f"{row['title']} {row['text']}".split():
            assert word in text, word
    assert "…" not in text


def test_brackets_are_no_markup() -> None:
    row = verdict_row("rhat", title="[bold]mass[/bold]", text="[link=x]y[/link]")
    text = shown(product_verdict(rows=[row]))
    assert "[bold]mass[/bold]" in text
    assert "[link=x]y[/link]" in text
