from __future__ import annotations

import pytest

from apps.ttv.merge.evidence import importance_evidence


def test_an_evidence_has_its_error_and_the_likelihoods_constant() -> None:
    found = importance_evidence({"importance": {"log_z": -163.7, "error": 0.02}}, 800.0)
    assert found is not None
    assert found.value == pytest.approx(636.3)
    assert found.mcse == 0.02


@pytest.mark.parametrize("settings", [{}, {"importance": {"log_z": -163.7, "error": None}}])
def test_what_was_not_measured_is_not_told(settings: dict) -> None:
    assert importance_evidence(settings, 0.0) is None
