"""Reading summaries: the documented form, and anything else without inventing numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.services.posterior_view import EvidenceView, read_posterior
from tests.factories import nested_summary, product_summary

DOCUMENT = Path(__file__).parents[4] / "docs" / "scientist" / "products.md"


def test_the_documented_summary() -> None:
    text = re.search(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert text is not None
    view = read_posterior(json.loads(text[1]))
    [mass] = [one for one in view.parameters if one.name == "b.mass"]
    assert (mass.label, mass.unit, mass.derived) == ("mass of b", "Earth masses", False)
    assert mass.median == 43.2
    assert mass.plus == pytest.approx(0.6)
    assert mass.minus == pytest.approx(0.6)
    assert mass.mcse == 0.03
    assert (mass.rhat, mass.ess_bulk, mass.ess_tail) == (1.08, 210.0, 300.0)
    assert mass.published[0].source == "Borsato et al. 2019"
    assert view.missing
    assert view.evidence == EvidenceView(645.1, 0.01)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "median", "q16", "q84", "value", "rhat", "published", "parameter", "unit"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KEYS = ["parameters", "missing", "rhat_max", "ess_bulk_min", "ess_tail_min"]


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_anything_else_is_read_without_an_error(summary: dict[str, object]) -> None:
    view = read_posterior(summary)
    assert view.verdict is None
    assert all(isinstance(one.name, str) for one in view.parameters)


def test_nested_runs_show_evidence_and_modes() -> None:
    view = read_posterior(nested_summary())
    assert view.evidence is not None
    assert (view.evidence.logz, view.evidence.logz_error) == (645.2, 0.25)
    assert [mode.share for mode in view.evidence.modes] == [0.8, 0.2]
    assert not view.has_chains


def test_nested_runs_without_a_posterior_show_nothing() -> None:
    view = read_posterior({"evidence": None, "modes": []})
    assert view.evidence is None
    assert view.verdict is None
    assert not view.has_chains


def test_chains_whose_evidence_was_not_measured_have_none() -> None:
    view = read_posterior(product_summary(evidence=None))
    assert view.evidence is None
    assert view.has_chains
