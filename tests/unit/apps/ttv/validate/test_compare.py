"""The comparison of two TTV outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.ttv.output import TtvOutput
from apps.ttv.validate import check as ttv
from boinc_project.errors import OutputError
from boinc_project.verdict import Verdict
from tests.unit.apps.ttv.validate import ttv_case
from tests.unit.apps.ttv.validate.ensembles import ar1, gaussian_log_prob
from tests.unit.apps.ttv.validate.ttv_case import TtvCase


@pytest.fixture
def case() -> TtvCase:
    return ttv_case.case()


def long_run(case: TtvCase, seed: int, *, shift: float = 0.0, n_draw: int = 1500) -> TtvOutput:
    """Return an output that looks like a long, well-mixed chain."""
    n_dim = len(case.output.parameter_names)
    draws = ar1(np.random.default_rng(seed), n_draw, ttv_case.N_WALKER, n_dim, 0.5) + shift
    return replace(
        case.output,
        draws=draws,
        log_prob=gaussian_log_prob(draws),
        thin=1,
        n_step=n_draw,
    )


def both_ways(case: TtvCase, directory: Path, a: TtvOutput, b: TtvOutput) -> Verdict:
    first, second = case.write(directory, a, "a.h5"), case.write(directory, b, "b.h5")
    there, back = ttv.compare(case.unit, first, second), ttv.compare(case.unit, second, first)
    assert there == back
    return there


def test_equal_numbers_agree_at_once_whatever_computed_them(case: TtvCase, tmp_path: Path) -> None:
    elsewhere = case.changed(platform="windows_x86_64", app_version=101, app_digest="f" * 64)
    verdict = both_ways(case, tmp_path, case.output, elsewhere)
    assert verdict.is_valid
    assert "bit for bit" in verdict.reason


def test_rounding_is_followed_draw_by_draw(case: TtvCase, tmp_path: Path) -> None:
    rounded = case.changed(draws=case.output.draws * (1 + 1e-13))
    verdict = both_ways(case, tmp_path, case.output, rounded)
    assert verdict.is_valid
    assert "draw by draw" in verdict.reason


@pytest.mark.parametrize("field", ["accepted", "n_likelihood"])
def test_one_chain_has_one_count(case: TtvCase, tmp_path: Path, field: str) -> None:
    counted = case.changed(**{field: getattr(case.output, field) + 1})
    verdict = both_ways(case, tmp_path, case.output, counted)
    assert verdict.is_invalid
    assert "count" in verdict.reason


def test_one_draw_apart_is_not_the_same_chain(case: TtvCase, tmp_path: Path) -> None:
    draws = case.output.draws.copy()
    draws[10, 4] = draws[10, 5]
    verdict = both_ways(case, tmp_path, case.output, case.changed(draws=draws))
    assert not verdict.is_valid


def test_short_chains_that_differ_are_inconclusive(case: TtvCase, tmp_path: Path) -> None:
    other = replace(ttv_case.case(1).output, unit_digest=case.unit.digest)
    verdict = both_ways(case, tmp_path, case.output, other)
    assert not verdict.is_valid
    assert not verdict.is_invalid
    assert "Too little evidence" in verdict.reason


def test_long_honest_chains_agree(case: TtvCase, tmp_path: Path) -> None:
    verdict = both_ways(case, tmp_path, long_run(case, 1), long_run(case, 2))
    assert verdict.is_valid, verdict.reason
    assert verdict.statistics["effective"] > 50


def test_long_chains_of_two_posteriors_disagree(case: TtvCase, tmp_path: Path) -> None:
    verdict = both_ways(case, tmp_path, long_run(case, 1), long_run(case, 2, shift=0.5))
    assert verdict.is_invalid
    assert "standard errors" in verdict.reason


def test_another_unit_never_agrees(case: TtvCase, tmp_path: Path) -> None:
    other = ttv_case.case(1).output
    assert both_ways(case, tmp_path, case.output, other).is_invalid
    assert both_ways(case, tmp_path, other, other).is_invalid


def test_unlike_shapes_never_agree(case: TtvCase, tmp_path: Path) -> None:
    shorter = case.changed(draws=case.output.draws[1:], log_prob=case.output.log_prob[1:])
    assert both_ways(case, tmp_path, case.output, shorter).is_invalid
    renamed = case.changed(parameter_names=case.output.parameter_names[::-1])
    assert both_ways(case, tmp_path, case.output, renamed).is_invalid


@pytest.mark.parametrize("field", ["draws", "log_prob"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_agrees_with_nan(case: TtvCase, tmp_path: Path, field: str, value: float) -> None:
    array = getattr(case.output, field).copy()
    array[-1, -1] = value
    broken = case.changed(**{field: array})
    assert both_ways(case, tmp_path, case.output, broken).is_invalid
    everything = case.changed(**{field: np.full_like(array, value)})
    assert both_ways(case, tmp_path, broken, everything).is_invalid


def test_an_unreadable_output_is_not_compared(case: TtvCase, tmp_path: Path) -> None:
    path = tmp_path / "empty.h5"
    path.touch()
    with pytest.raises(OutputError):
        ttv.compare(case.unit, case.write(tmp_path), path)
