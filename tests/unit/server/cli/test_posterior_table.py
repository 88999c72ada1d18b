from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from boinc_project.errors import InputError
from server.cli.posterior_table import interval, posterior_report, read_summary
from server.services.verdict_view import NO_VERDICT, OLD_RULE_MET
from tests.factories import nested_summary, product_summary, product_verdict, sampled_verdict


def number(value: float) -> dict[str, float]:
    return {"value": value, "mcse": 0.01}


def parameter(name: str, label: str, unit: str, *, derived: bool = False, **more: Any) -> dict:
    return {
        "name": name,
        "label": label,
        "unit": unit,
        "derived": derived,
        "q16": number(42.6),
        "median": number(43.2),
        "q84": number(43.9),
        "rhat": 1.0042,
        "ess_bulk": 812.4,
        "ess_tail": 903.0,
        "published": [],
        **more,
    }


SUMMARY: dict[str, Any] = {
    "campaign": "kepler-9",
    "title": "Masses of Kepler-9",
    "converged": True,
    "missing": [],
    "stop_rule": {"rhat": 1.01, "ess_bulk": 400.0, "ess_tail": 400.0, "max_units": 64},
    "rhat_max": {"value": 1.0042, "parameter": "b.mass"},
    "ess_bulk_min": {"value": 812.4, "parameter": "b.mass"},
    "ess_tail_min": {"value": 903.0, "parameter": "b.mass"},
    "parameters": [
        parameter(
            "b.mass",
            "mass of b",
            "Earth masses",
            published=[{"value": 43.4, "plus": 1.6, "minus": 2.0, "source": "Borsato 2019"}],
        ),
        parameter("b.t0", "conjunction of b", "BKJD days"),
        parameter("b.eccentricity", "eccentricity of b", "", derived=True),
    ],
}


def shown(summary: dict[str, Any], *, width: int = 120, **options: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(posterior_report(summary, **options))
    return out.getvalue()


def test_values_stand_beside_the_published_ones() -> None:
    text = shown(SUMMARY)
    (row,) = [line for line in text.splitlines() if "mass of b" in line]
    for cell in ("43.20 +0.70 -0.60 Mearth", "43.4 +1.6 -2.0 [1]", "1.004", "812", "903"):
        assert cell in row
    assert "[1] Borsato 2019" in text


def test_the_verdict_stands_below_the_table() -> None:
    text = shown({**SUMMARY, "verdict": product_verdict()})
    assert text.index("mass of b") < text.index("sampled: no    described: yes")
    assert NO_VERDICT[:40] not in text


def test_a_product_from_before_verdicts_shows_what_there_is() -> None:
    sentence = "R-hat of b.mass is 1.08; the stop rule asks for at most 1.01."
    text = " ".join(shown({**SUMMARY, "converged": False, "missing": [sentence]}).split())
    assert NO_VERDICT in text
    assert sentence in text
    assert OLD_RULE_MET not in text
    assert "1.004" in text, "its diagnostics are still shown"
    met = " ".join(shown(SUMMARY).split())
    assert NO_VERDICT in met
    assert OLD_RULE_MET in met
    assert "sampled: yes" not in met


@pytest.mark.parametrize("verdict", [None, product_verdict(), sampled_verdict()])
def test_converged_is_no_word_for_people(verdict: object) -> None:
    assert "converged" not in shown({**SUMMARY, "verdict": verdict})


def test_the_short_table_leaves_phases_out() -> None:
    assert "conjunction of b" not in shown(SUMMARY)
    assert "conjunction of b" in shown(SUMMARY, every=True)
    assert "eccentricity of b" in shown(SUMMARY)


def test_a_narrow_terminal_folds_and_cuts_nothing() -> None:
    text = shown(SUMMARY, width=72)
    for cell in ("43.20", "+0.70", "-0.60", "Mearth", "+1.6", "[1]", "1.004", "812", "903"):
        assert cell in text


def test_missing_numbers_are_dashes() -> None:
    bare = {**SUMMARY["parameters"][0], "rhat": None, "median": None, "ess_bulk": math.nan}
    text = shown({**SUMMARY, "parameters": [bare], "rhat_max": None})
    assert re.search(r"mass of b +- Mearth", text)
    assert "nan" not in text


def test_an_empty_summary_is_no_crash() -> None:
    assert "made before verdicts" in shown({})


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


def test_reading_a_summary(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    with pytest.raises(InputError, match="cannot be read"):
        read_summary(path)
    path.write_text("[1]")
    with pytest.raises(InputError, match="not a product's summary"):
        read_summary(path)
    path.write_text('{"campaign": "x"}')
    assert read_summary(path) == {"campaign": "x"}


def test_nested_runs_say_their_evidence() -> None:
    stream = io.StringIO()
    summary = nested_summary(stop_rule={"logz_error": 0.1, "ess": 2000.0, "rhat": 1.01})
    Console(file=stream, width=100).print(posterior_report(summary))
    text = stream.getvalue()
    assert "log Z = 645.20 ± 0.25, information 38.4 nats" in text
    assert "mode 2: 20 ± 5 % of the evidence" in text
    assert "sampled: no" in text
    assert "Bulk ESS" not in text


def test_chains_say_the_evidence_that_was_measured_and_no_parts_of_it() -> None:
    summary = product_summary(
        evidence={"value": 645.1, "mcse": 0.01},
        modes=[{"mode": n, "sub_chains": 4, "log_evidence": -123.4 - n} for n in range(2)],
    )
    stream = io.StringIO()
    Console(file=stream, width=100).print(posterior_report(summary))
    text = stream.getvalue()
    assert re.search(r"log Z = 645\.10 ± 0\.01\s*\n", text)
    assert "% of the evidence" not in text
    assert "nan" not in text
