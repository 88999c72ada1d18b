"""Keys from before reports: the documented form, and anything else without inventing numbers."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.blueprints.api import science_keys
from tests.factories import nested_summary, product_summary, product_verdict, verdict_row

DOCUMENT = Path(__file__).parents[5] / "docs" / "scientist" / "products.md"


def test_the_documented_summary() -> None:
    text = re.search(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert text is not None
    summary = json.loads(text[1])
    [mass] = [entry for entry in science_keys.parameters(summary) if entry["name"] == "b.mass"]
    assert (mass["label"], mass["unit"], mass["derived"]) == ("mass of b", "Earth masses", False)
    assert mass["median"] == 43.2
    assert mass["plus"] == pytest.approx(0.6)
    assert mass["minus"] == pytest.approx(0.6)
    assert mass["mcse"] == 0.03
    assert (mass["rhat"], mass["ess_bulk"], mass["ess_tail"]) == (1.08, 210.0, 300.0)
    assert mass["published"][0]["source"] == "Borsato et al. 2019"
    evidence = science_keys.evidence(summary)
    assert evidence is not None
    assert (evidence["logz"], evidence["logz_error"], evidence["modes"]) == (645.1, 0.01, [])
    verdict = science_keys.verdict(summary)
    assert verdict is not None
    assert verdict["rows"][0]["key"] == "rhat"
    assert science_keys.image(summary) is None


def test_rows_that_are_not_met_come_first_those_of_one_word_together() -> None:
    verdict = science_keys.verdict({"verdict": product_verdict()})
    assert verdict is not None
    assert [row["key"] for row in verdict["rows"]] == [
        "rhat", "second_opinion", "ess_bulk", "chi2", "worst_transits", "gain.b.mass",
    ]  # fmt: skip
    assert verdict["sentence"] == "The posterior is not sampled yet."


def test_only_true_is_yes() -> None:
    stored = product_verdict(sampled=1, described="yes", rows=[verdict_row("rhat", met="yes")])
    verdict = science_keys.verdict({"verdict": stored})
    assert verdict is not None
    assert (verdict["sampled"], verdict["described"]) == (False, False)
    assert verdict["rows"][0]["met"] is False


@pytest.mark.parametrize("stored", ["good", 7, [], True])
def test_what_is_no_verdict_is_three_times_no(stored: Any) -> None:
    verdict = science_keys.verdict({"verdict": stored})
    assert verdict is not None
    assert not any(verdict[word] for word in ("sampled", "described", "informative"))
    assert verdict["rows"] == []
    assert science_keys.verdict({"verdict": None}) is science_keys.verdict({}) is None


def test_the_list_has_no_rows() -> None:
    verdict = science_keys.verdict(product_summary(), rows=False)
    assert verdict is not None
    assert set(verdict) == {"sampled", "described", "informative", "sentence"}


def test_nested_runs_have_evidence_and_modes() -> None:
    evidence = science_keys.evidence(nested_summary())
    assert evidence is not None
    assert (evidence["logz"], evidence["logz_error"]) == (645.2, 0.25)
    assert [mode["share"] for mode in evidence["modes"]] == [0.8, 0.2]
    assert science_keys.evidence({"evidence": None, "modes": []}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "median", "q16", "value", "rhat", "published", "rows", "share", "nx"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KEYS = ["parameters", "missing", "verdict", "evidence", "modes", "grid", "frames", "zero_point"]


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_anything_is_read_without_an_error(summary: dict[str, object]) -> None:
    for entry in science_keys.parameters(summary):
        assert isinstance(entry["name"], str)
    science_keys.evidence(summary)
    verdict = science_keys.verdict(summary)
    assert verdict is None or not verdict["sampled"]
    image = science_keys.image(summary)
    assert image is None or isinstance(image["nx"], int)


def test_a_number_that_is_none_is_not_made_up() -> None:
    (bare,) = science_keys.parameters({"parameters": [{"name": "b.mass", "median": None}]})
    assert math.isnan(bare["median"])
    assert bare["rhat"] is None
