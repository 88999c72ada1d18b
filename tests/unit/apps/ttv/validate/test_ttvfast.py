"""TTVFast's second opinion on outputs of the compiled engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.ttv.compute.engine import BatchEngine, TtvfastEngine, levels
from apps.ttv.compute.failures import CODES, FailureKind
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.noise import Noise
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import parse_table
from apps.ttv.validate import check as ttv
from apps.ttv.validate import ttvfast as ttv_reference
from apps.ttv.validate.ttvfast import AGREEMENT, Opinion, second_opinion, tolerance
from boinc_project.verdict import VerdictKind
from tests.unit.apps.ttv.validate import ttv_case
from tests.unit.apps.ttv.validate.ttv_case import TtvCase

pytestmark = pytest.mark.skipif(not levels(), reason="the kernel was not built")


@pytest.fixture(params=[False, True], ids=["kick", "modified kick"])
def case(request: pytest.FixtureRequest) -> TtvCase:
    return ttv_case.case(engine="batch", modified_kick=request.param)


def check(case: TtvCase, directory: Path) -> ttv.Verdict:
    return ttv.check(case.unit, case.write(directory), case.inputs(directory))


def test_an_honest_output_of_the_compiled_engine_passes(case: TtvCase, tmp_path: Path) -> None:
    verdict = check(case, tmp_path)
    assert verdict.kind is VerdictKind.VALID, verdict.reason
    assert verdict.statistics["second_opinions"] == ttv.N_REFERENCE


def test_a_unit_of_ttvfast_needs_no_second_opinion(tmp_path: Path) -> None:
    verdict = check(ttv_case.case(), tmp_path)
    assert verdict.is_valid
    assert verdict.statistics["second_opinions"] == 0.0


def off_by(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Make the compiled engine wrong, on the host as in the check: every second transit late."""
    right = BatchEngine.observed_times

    def wrong(self: BatchEngine, points: np.ndarray) -> Any:
        times, failures = right(self, points)
        times[:, ::2] += days
        return times, failures

    monkeypatch.setattr(BatchEngine, "observed_times", wrong)


def test_a_wrong_engine_is_found_although_host_and_check_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two minutes are 0.7 sigma here. Nobody's fault, so not invalid, but never valid."""
    off_by(monkeypatch, 2.0 / 1440.0)
    unit = ttv_case.make_unit(engine="batch")
    case = TtvCase(unit, ttv_case.table(), ttv_case.compute(unit))
    verdict = check(case, tmp_path)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert "TTVFast gives other log-probabilities" in verdict.reason


def test_without_enough_second_opinions_nothing_is_said(
    case: TtvCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = ttv_reference.Posterior.__init__

    def without(self: Posterior, *arguments: Any, **options: Any) -> None:
        right(self, *arguments, **options)
        found = self.engine.observed_times

        def lost(points: np.ndarray) -> Any:
            times, codes = found(points)
            codes[: len(points) // 2 + 1] = CODES[FailureKind.MISSING_TRANSIT]
            return times, codes

        if options.get("engine") == "ttvfast":
            monkeypatch.setattr(self.engine, "observed_times", lost)

    monkeypatch.setattr(ttv_reference.Posterior, "__init__", without)
    verdict = check(case, tmp_path)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert "TTVFast could compute only 3 of 8 draws" in verdict.reason


def test_an_opinion_integrates_each_draw_once_with_each_step(
    case: TtvCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a quarter of what an audit may cost, and priced so (`cost_in_calls`)."""
    problem = Problem.from_mapping(case.unit.settings)
    asked = 0
    right = TtvfastEngine.observed_times

    def counted(self: TtvfastEngine, points: np.ndarray) -> Any:
        nonlocal asked
        asked += len(points)
        return right(self, points)

    monkeypatch.setattr(TtvfastEngine, "observed_times", counted)
    points, stated = case.output.draws[-1, :5], case.output.log_prob[-1, :5]
    opinion = second_opinion(problem, parse_table(case.table), points, stated)
    assert (opinion.compared, opinion.doubt) == (5, "")
    assert asked == (10 if problem.model.modified_kick else 5)


def test_nan_is_a_doubt() -> None:
    assert Opinion(8, float("nan"), True, 8).doubt
    assert Opinion(8, 1.001, True, 8).doubt
    assert Opinion(0, float("nan"), True, 8).doubt
    assert not Opinion(8, 1.0, True, 8).doubt
    assert not Opinion(0, float("nan"), False, 8).doubt


def test_a_system_too_large_for_ttvfast_is_left_to_the_quorum(case: TtvCase) -> None:
    """Its wrapper has room for 5000 transits; the compiled engine has room for all."""
    settings = {**case.unit.settings, "model": {**case.unit.settings["model"], "end": 60000.0}}
    problem = Problem.from_mapping(settings)
    opinion = second_opinion(
        problem, parse_table(case.table), case.output.draws[-1, :2], case.output.log_prob[-1, :2]
    )
    assert (opinion.compared, opinion.has_room, opinion.doubt) == (0, False, "")


@pytest.mark.parametrize("noise", [Noise(), Noise("student_t", 4.0), Noise("student_t", 1.0)])
@pytest.mark.parametrize("jitter", [0.0, 2.0])
def test_the_tolerance_bounds_the_likelihoods_change(
    case: TtvCase, noise: Noise, jitter: float
) -> None:
    """Times moved by up to the agreement, at random and as badly as possible."""
    problem = replace(Problem.from_mapping(case.unit.settings), noise=noise)
    posterior = Posterior(problem, parse_table(case.table), engine="ttvfast")
    seen = posterior.observations
    times, _ = posterior.engine.observed_times(case.output.draws[-1])
    rng = np.random.default_rng(2)
    jitters = np.full(len(times), jitter)
    before = noise.log_likelihoods(times, seen.times, seen.sigmas, jitters)
    for apart in (AGREEMENT, 1e-3, 0.1):
        allowed = tolerance(problem, posterior, times, np.full(len(times), apart))
        for signs in (rng.uniform(-1, 1, times.shape), np.sign(times - seen.times)):
            moved = noise.log_likelihoods(times + apart * signs, seen.times, seen.sigmas, jitters)
            assert (np.abs(moved - before) <= allowed * (1.0 + 1e-7)).all()
        if noise.kind == "gaussian" and jitter == 0.0:
            np.testing.assert_allclose(before - moved, allowed, rtol=1e-7)
