"""The audit of a chain: honest ones pass anywhere; a faked part is caught as often as stated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.settings import TtvSettings
from apps.ttv.compute.table import parse_table
from apps.ttv.output import TtvOutput
from apps.ttv.validate import audit as ttv_audit
from apps.ttv.validate import check as ttv
from apps.ttv.validate.segments import Retrace
from boinc_project.errors import TransientError
from boinc_project.verdict import Verdict, VerdictKind
from tests.unit.apps.nested.validate import unlike
from tests.unit.apps.ttv.validate import ttv_case
from tests.unit.apps.ttv.validate.ttv_case import TtvCase
from validator.segments import AUDIT_SHARE, TOLERANCE

N_STEP = 600
FALSE_ALARM = 1e-6


@pytest.fixture(scope="module")
def case() -> TtvCase:
    return ttv_case.case(0, 0, N_STEP, engine="batch")


def audit(
    case: TtvCase,
    directory: Path,
    output: TtvOutput | None = None,
    *,
    seed: int = 0,
    share: float = AUDIT_SHARE,
) -> Verdict:
    path, inputs = case.write(directory, output), case.inputs(directory)
    return ttv.audit(
        case.unit, path, inputs, rng=np.random.default_rng(seed), budget=60.0, share=share
    )


def log_densities(case: TtvCase, draws: np.ndarray) -> np.ndarray:
    settings = TtvSettings.from_mapping(case.unit.settings)
    posterior = Posterior(settings.problem, parse_table(case.table))
    return posterior.log_densities(draws.reshape(-1, draws.shape[-1])).reshape(draws.shape[:-1])


def faked(case: TtvCase) -> TtvOutput:
    """Return the output with one walker off in one draw, by a thousandth of a standard deviation.

    Log-probabilities and counts are right, because it moves there and moves on. Two segments do not
    follow: the one that leads to the draw, and the one that begins with it.
    """
    draws = case.output.draws.copy()
    moved = (draws[1:] != draws[:-1]).any(axis=2)
    number, walker = np.argwhere(moved[:-1] & moved[1:])[0] + (1, 0)
    draws[number, walker] += 1e-3 * draws.std(axis=(0, 1))
    return case.changed(draws=draws, log_prob=log_densities(case, draws))


def test_an_honest_output_passes_whatever_is_drawn(case: TtvCase, tmp_path: Path) -> None:
    for seed in range(5):
        verdict = audit(case, tmp_path, seed=seed)
        assert verdict.is_valid, verdict.reason
    assert verdict.statistics["segments"] >= 2
    assert verdict.statistics["distance"] == 0.0


def test_an_honest_output_of_an_unlike_platform_passes(case: TtvCase, tmp_path: Path) -> None:
    elsewhere = unlike.ttv_output(case.unit)
    assert (elsewhere.draws != case.output.draws).any()
    verdict = audit(case, tmp_path, elsewhere, share=0.3)
    assert verdict.is_valid, verdict.reason
    assert verdict.statistics["distance"] > 0.0


def test_rounding_that_grows_along_a_long_segment_condemns_nobody(tmp_path: Path) -> None:
    """Steps along differences only: after 720, platforms are further apart than 1e-6."""
    n_step = 720
    unit = ttv_case.make_unit(engine="batch", n_step=n_step)
    sampler = {**unit.settings["sampler"], "thin": n_step, "moves": [["de", 1.0]]}
    unit = replace(unit, settings={**unit.settings, "sampler": sampler})
    elsewhere = TtvCase(unit, ttv_case.table(), unlike.ttv_output(unit, 1))
    verdict = audit(elsewhere, tmp_path)
    assert verdict.is_valid, verdict.reason
    assert verdict.statistics["distance"] > TOLERANCE
    # And still it is no licence: what is further away than rounding leads does not pass.
    draws = elsewhere.output.draws + 1e-2 * elsewhere.output.draws.std(axis=(0, 1))
    forged = elsewhere.changed(draws=draws, log_prob=log_densities(elsewhere, draws))
    assert not audit(elsewhere, tmp_path, forged).is_valid


def test_a_unit_of_the_reference_engine_passes(tmp_path: Path) -> None:
    verdict = audit(ttv_case.case(), tmp_path)
    assert verdict.is_valid, verdict.reason


def test_a_faked_part_is_caught_as_often_as_stated(case: TtvCase, tmp_path: Path) -> None:
    output = faked(case)
    n_mark, n, share = len(case.output.draws), 80, 0.2
    settings = TtvSettings.from_mapping(case.unit.settings)
    k = ttv_audit.plan(settings, share, with_start=False).n_segment
    verdicts = [audit(case, tmp_path, output, seed=seed, share=share) for seed in range(n)]
    caught = [one for one in verdicts if not one.is_valid]
    stated = 1.0 - (1.0 - 2.0 / n_mark) ** k
    assert binom.ppf(FALSE_ALARM, n, stated) <= len(caught) <= binom.isf(FALSE_ALARM, n, stated)
    assert all(one.is_invalid and "does not follow" in one.reason for one in caught)


def test_a_shifted_chain_is_invalid(case: TtvCase, tmp_path: Path) -> None:
    """Differences of walkers do not see a shift, but acceptances do: a few in each segment."""
    draws = case.output.draws + 0.1 * case.output.draws.std(axis=(0, 1))
    output = case.changed(draws=draws, log_prob=log_densities(case, draws))
    verdict = audit(case, tmp_path, output, share=0.1)
    assert verdict.is_invalid
    assert "does not follow" in verdict.reason


def test_forged_log_probabilities_are_invalid(case: TtvCase, tmp_path: Path) -> None:
    verdict = audit(case, tmp_path, case.changed(log_prob=case.output.log_prob + 0.01))
    assert verdict.is_invalid
    assert "log-probabilities" in verdict.reason


def test_counts_of_acceptances_are_held_against_the_segments(case: TtvCase, tmp_path: Path) -> None:
    path = np.concatenate([np.array(case.unit.settings["start"])[None], case.output.draws])
    moves = (path[1:] != path[:-1]).any(axis=2).sum(axis=0)
    assert (case.output.accepted >= moves).all()
    assert case.output.accepted.sum() > moves.sum()
    verdict = audit(case, tmp_path, case.changed(accepted=moves), share=1.0)
    assert verdict.is_invalid
    assert "accepted proposals" in verdict.reason


def test_the_start_is_audited_where_the_check_leaves_it_out(
    case: TtvCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ttv_case.compute(replace(case.unit, campaign_seed=12))
    begun = other.draws[0], other.log_prob[0]
    draws, log_prob = case.output.draws.copy(), case.output.log_prob.copy()
    draws[0], log_prob[0] = begun
    output = case.changed(draws=draws, log_prob=log_prob)
    monkeypatch.setitem(ttv.START_BUDGET, "batch", 0)
    assert ttv.check(case.unit, case.write(tmp_path, output), case.inputs(tmp_path)).is_valid
    for seed in range(5):
        assert audit(case, tmp_path, output, seed=seed).is_invalid


def test_it_costs_no_more_than_its_budget(case: TtvCase) -> None:
    settings = TtvSettings.from_mapping(case.unit.settings)
    for share in (0.02, 0.05, 0.5):
        for with_start in (False, True):
            assert ttv_audit.plan(settings, share, with_start=with_start).share <= share
    assert ttv_audit.plan(settings, 0.0, with_start=False).n_segment == 1


def test_it_ends_when_its_seconds_are_spent(case: TtvCase, tmp_path: Path) -> None:
    seconds = iter(range(100))
    verdict = ttv.audit(
        case.unit,
        case.write(tmp_path),
        case.inputs(tmp_path),
        rng=np.random.default_rng(0),
        budget=4.5,
        share=0.3,
        cpu=lambda: float(next(seconds)),
    )
    # One second for all that comes before the segments, and one for each: a fourth would make 5.
    assert verdict.statistics["segments"] == 3


def test_units_of_the_planners_size_get_what_the_documentation_says() -> None:
    """45 minutes of 64 walkers on the reference host, with outputs below 8 MB."""
    unit = ttv_case.make_unit(engine="batch")
    sampler = unit.settings["sampler"] | {"n_step": 51_000, "thin": 510, "n_walker": 12}
    settings = TtvSettings.from_mapping({**unit.settings, "sampler": sampler})
    todo = ttv_audit.plan(settings, AUDIT_SHARE, with_start=False)
    assert (todo.n_segment, todo.n_reference) == (1, 8)


def test_whatever_goes_wrong_is_inconclusive(
    case: TtvCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise FloatingPointError("overflow")

    def wait(*arguments: object) -> None:
        raise TransientError("The disk is away.")

    monkeypatch.setattr(Retrace, "segment", fail)
    verdict = audit(case, tmp_path)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert "FloatingPointError" in verdict.reason
    # But for what a later attempt can cure.
    monkeypatch.setattr(Retrace, "segment", wait)
    with pytest.raises(TransientError):
        audit(case, tmp_path)


@pytest.mark.parametrize("field", ["draws", "log_prob"])
def test_nan_is_never_a_pass(case: TtvCase, tmp_path: Path, field: str) -> None:
    array = getattr(case.output, field).copy()
    array[-1, -1] = np.nan
    assert not audit(case, tmp_path, case.changed(**{field: array})).is_valid
