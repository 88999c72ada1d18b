"""The audit of a nested run: honest ones are never refused, others never pass when looked at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from apps.nested.output import NestedOutput
from apps.nested.validate import check as nested
from apps.nested.validate.segments import Retrace
from boinc_project.verdict import Verdict, VerdictKind
from tests.unit.apps.nested.validate import nested_case, unlike
from tests.unit.apps.nested.validate.nested_case import NestedCase


@pytest.fixture(scope="module")
def case() -> NestedCase:
    return nested_case.case()


def audit(
    case: NestedCase,
    directory: Path,
    output: NestedOutput | None = None,
    *,
    seed: int = 0,
    share: float = 0.02,
) -> Verdict:
    path, inputs = case.write(directory, output), case.inputs(directory)
    return nested.audit(
        case.unit, path, inputs, rng=np.random.default_rng(seed), budget=60.0, share=share
    )


def test_an_honest_output_passes_whatever_is_drawn(case: NestedCase, tmp_path: Path) -> None:
    for seed in range(5):
        verdict = audit(case, tmp_path, seed=seed)
        assert verdict.is_valid, verdict.reason
    # A short run: one segment of some thirty is more than 2 %, and still one is looked at.
    assert verdict.statistics["segments"] == 1


def test_an_honest_output_of_an_unlike_platform_is_never_refused(
    case: NestedCase, tmp_path: Path
) -> None:
    elsewhere = unlike.nested_output(case.unit)
    kinds = Counter(audit(case, tmp_path, elsewhere, seed=seed).kind for seed in range(12))
    assert not kinds[VerdictKind.INVALID]
    assert kinds[VerdictKind.VALID] > kinds[VerdictKind.INCONCLUSIVE]


def test_a_run_with_a_proposal_is_audited_like_any_other(tmp_path: Path) -> None:
    proposed = nested_case.proposed_case()
    for seed in range(2):
        verdict = audit(proposed, tmp_path, seed=seed)
        assert verdict.is_valid, verdict.reason
    elsewhere = unlike.nested_output(proposed.unit)
    kinds = Counter(audit(proposed, tmp_path, elsewhere, seed=seed).kind for seed in range(2))
    assert not kinds[VerdictKind.INVALID]
    scales = proposed.output.scales.copy()
    scales[3:] *= 1.01
    forged = proposed.changed(scales=scales)
    assert not audit(proposed, tmp_path, forged, share=0.9).is_valid


def test_a_run_of_another_posterior_is_refused(case: NestedCase, tmp_path: Path) -> None:
    assert audit(case, tmp_path, nested_case.wrong_run()).is_invalid


def test_a_run_of_another_seed_never_passes(case: NestedCase, tmp_path: Path) -> None:
    """It samples the right posterior: nothing but following it tells."""
    assert not audit(case, tmp_path, nested_case.other_run(), seed=1).is_valid


def test_one_segment_that_departs_is_another_results_to_decide(
    case: NestedCase, tmp_path: Path
) -> None:
    """An honest host whose rounding led where no recomputation went must not be condemned."""
    scales = case.output.scales.copy()
    scales[7] *= 1.01
    # Steps of another length lead from mark 7 elsewhere, and segment 6 does not lead to them.
    verdict = audit(case, tmp_path, case.changed(scales=scales), share=0.5, seed=1)
    assert not verdict.is_valid


def test_forged_counts_are_refused(case: NestedCase, tmp_path: Path) -> None:
    calls = case.output.calls.copy()
    calls[1:] += np.arange(1, len(calls)) * 100
    forged = case.changed(calls=calls)
    assert nested.credit(case.unit, case.write(tmp_path, forged)) > nested.credit(
        case.unit, case.write(tmp_path)
    )
    verdict = audit(case, tmp_path, forged)
    assert verdict.is_invalid
    assert "likelihood calls" in verdict.reason


def test_a_dear_segment_is_drawn_as_often_as_any_other(
    case: NestedCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    honest = Retrace.segment

    def note(self: Retrace, number: int) -> object:
        drawn.append(number)
        return honest(self, number)

    monkeypatch.setattr(Retrace, "segment", note)
    calls = case.output.calls.copy()
    calls[6:] += 10**6
    for seed in range(4):
        audit(case, tmp_path, case.changed(calls=calls), seed=seed, share=0.3)
    assert 5 in drawn


def test_whatever_goes_wrong_is_inconclusive(
    case: NestedCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(Retrace, "segment", fail)
    assert audit(case, tmp_path).kind is VerdictKind.INCONCLUSIVE


@pytest.mark.parametrize("field", ["dead_u", "dead_logl", "live_u", "live_logl", "scales"])
def test_nan_is_never_a_pass(case: NestedCase, tmp_path: Path, field: str) -> None:
    array = getattr(case.output, field).copy()
    array[-1] = np.nan
    assert not audit(case, tmp_path, case.changed(**{field: array})).is_valid
