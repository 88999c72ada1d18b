"""The check of a TTV output against everything that is not an honest sub-chain of its unit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import parse_table
from apps.ttv.output import TtvOutput
from apps.ttv.validate import check as ttv
from apps.ttv.validate.segments import Retrace
from boinc_project.errors import UnitError
from boinc_project.verdict import VerdictKind
from tests.unit.apps.ttv.validate import ttv_case
from tests.unit.apps.ttv.validate.ttv_case import TtvCase
from validator.credit import cobblestones


@pytest.fixture
def case() -> TtvCase:
    return ttv_case.case()


def check(case: TtvCase, directory: Path, output: TtvOutput | None = None) -> ttv.Verdict:
    return ttv.check(case.unit, case.write(directory, output), case.inputs(directory))


def test_an_honest_output_passes(case: TtvCase, tmp_path: Path) -> None:
    verdict = check(case, tmp_path)
    assert verdict.kind is VerdictKind.VALID, verdict.reason
    assert 0.05 < verdict.statistics["acceptance"] < 0.9


@pytest.mark.parametrize(
    "data", [b"", b"\x89HDF\r\n\x1a\n", b"garbage" * 1000, b"\x00" * 4096], ids=len
)
def test_garbage_is_invalid(case: TtvCase, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "garbage.h5"
    path.write_bytes(data)
    assert ttv.check(case.unit, path, case.inputs(tmp_path)).is_invalid


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_output_is_invalid(case: TtvCase, tmp_path: Path, share: float) -> None:
    path = case.write(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert ttv.check(case.unit, path, case.inputs(tmp_path)).is_invalid


def nan_in_draws(one: TtvOutput) -> dict[str, Any]:
    draws = one.draws.copy()
    draws[5, 3, 1] = np.nan
    return {"draws": draws}


def nan_in_log_prob(one: TtvOutput) -> dict[str, Any]:
    log_prob = one.log_prob.copy()
    log_prob[7, 2] = np.nan
    return {"log_prob": log_prob}


def minus_infinity(one: TtvOutput) -> dict[str, Any]:
    log_prob = one.log_prob.copy()
    log_prob[0, 0] = -np.inf
    return {"log_prob": log_prob}


def all_frozen(one: TtvOutput) -> dict[str, Any]:
    start = np.array(ttv_case.case().unit.settings["start"])
    draws = np.repeat(start[None], len(one.draws), axis=0)
    return {"draws": draws, "log_prob": np.repeat(one.log_prob[:1], len(draws), axis=0)}


def frozen_and_says_so(one: TtvOutput) -> dict[str, Any]:
    return {**all_frozen(one), "accepted": np.zeros_like(one.accepted)}


def invented_draws(one: TtvOutput) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    mean, sd = one.draws.mean(axis=(0, 1)), one.draws.std(axis=(0, 1))
    return {"draws": mean + sd * rng.standard_normal(one.draws.shape)}


def outside_the_prior(one: TtvOutput) -> dict[str, Any]:
    draws = one.draws.copy()
    column = one.parameter_names.index("c.mass")
    walker = np.flatnonzero((draws[-1] != draws[-2]).any(axis=1))[0]
    draws[-1, walker, column] = 1e4
    return {"draws": draws}


def shifted_log_prob(one: TtvOutput) -> dict[str, Any]:
    return {"log_prob": one.log_prob + 0.01}


def two_log_probs_for_one_point(one: TtvOutput) -> dict[str, Any]:
    stayed = (one.draws[1:] == one.draws[:-1]).all(axis=2)
    draw, walker = np.argwhere(stayed)[0]
    log_prob = one.log_prob.copy()
    log_prob[draw + 1, walker] += 1e-9
    return {"log_prob": log_prob}


def wrong_names(one: TtvOutput) -> dict[str, Any]:
    return {"parameter_names": one.parameter_names[::-1]}


def fewer_steps(one: TtvOutput) -> dict[str, Any]:
    return {"n_step": one.n_step // 2}


def fewer_draws(one: TtvOutput) -> dict[str, Any]:
    return {"draws": one.draws[:-1], "log_prob": one.log_prob[:-1]}


def fewer_walkers(one: TtvOutput) -> dict[str, Any]:
    return {
        "draws": one.draws[:, :-1],
        "log_prob": one.log_prob[:, :-1],
        "accepted": one.accepted[:-1],
    }


def too_much_accepted(one: TtvOutput) -> dict[str, Any]:
    return {"accepted": one.accepted + one.n_step}


def too_little_accepted(one: TtvOutput) -> dict[str, Any]:
    return {"accepted": one.accepted // 4}


def everything_accepted(one: TtvOutput) -> dict[str, Any]:
    return {"accepted": np.full_like(one.accepted, one.n_step)}


def too_few_calls(one: TtvOutput) -> dict[str, Any]:
    return {"n_likelihood": one.n_likelihood - 1}


def old_version(one: TtvOutput) -> dict[str, Any]:
    return {"app_version": 99}


def other_unit(one: TtvOutput) -> dict[str, Any]:
    return {"unit_digest": "0" * 64}


FORGERIES: dict[Callable[[TtvOutput], dict[str, Any]], str] = {
    nan_in_draws: "not finite",
    nan_in_log_prob: "not finite",
    minus_infinity: "not finite",
    all_frozen: "accepted proposals",
    frozen_and_says_so: "No walker ever moved",
    invented_draws: "accepted proposals|prior|log-probabilities",
    outside_the_prior: "outside the prior",
    shifted_log_prob: "log-probabilities",
    two_log_probs_for_one_point: "two log-probabilities",
    wrong_names: "other parameters",
    fewer_steps: "number of steps",
    fewer_draws: "shape",
    fewer_walkers: "shape",
    too_much_accepted: "than there were steps",
    too_little_accepted: "accepted proposals",
    everything_accepted: "accepted proposals",
    too_few_calls: "likelihood calls",
    old_version: "older than the unit allows",
    other_unit: "another unit",
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_a_forgery_is_invalid_for_its_own_reason(
    case: TtvCase, tmp_path: Path, forge: Callable[[TtvOutput], dict[str, Any]]
) -> None:
    verdict = check(case, tmp_path, case.changed(**forge(case.output)))
    assert verdict.is_invalid
    assert re.search(FORGERIES[forge], verdict.reason)


def test_a_chain_padded_from_the_middle_is_invalid(tmp_path: Path) -> None:
    case = ttv_case.case(0, 0, 240)
    middle = len(case.output.draws) // 2
    draws, log_prob = case.output.draws.copy(), case.output.log_prob.copy()
    draws[middle:], log_prob[middle:] = draws[middle], log_prob[middle]
    # What was accepted until then: consistent with all that is left.
    half = ttv_case.compute(ttv_case.make_unit(n_step=(middle + 1) * ttv_case.THIN))
    assert (half.draws[-1] == draws[-1]).all()
    padded = case.changed(draws=draws, log_prob=log_prob, accepted=half.accepted)
    verdict = check(case, tmp_path, padded)
    assert verdict.is_invalid
    assert "stood still" in verdict.reason
    assert check(case, tmp_path).is_valid


def test_another_units_output_under_this_units_name_is_invalid(
    case: TtvCase, tmp_path: Path
) -> None:
    """All its numbers are honest, only not this unit's: the start gives it away."""
    other = ttv_case.case(1)
    verdict = check(case, tmp_path, other.changed(unit_digest=case.unit.digest))
    assert verdict.is_invalid


def test_a_chain_from_the_right_start_with_another_seed_is_invalid(
    case: TtvCase, tmp_path: Path
) -> None:
    """Counts, prior and log-probabilities fit; only following the chain can tell."""
    stolen = ttv_case.compute(replace(case.unit, campaign_seed=12))
    verdict = check(case, tmp_path, replace(stolen, unit_digest=case.unit.digest))
    assert verdict.is_invalid
    assert "start" in verdict.reason


@pytest.mark.parametrize("factor", [0.9, 1.5, 10.0])
def test_a_posterior_with_scaled_errors_is_invalid(
    case: TtvCase, tmp_path: Path, factor: float
) -> None:
    sigma = ttv_case.SIGMA
    scaled = ttv_case.table().replace(f",{sigma}\n".encode(), f",{factor * sigma}\n".encode())
    assert scaled != ttv_case.table()
    verdict = check(case, tmp_path, ttv_case.compute(case.unit, scaled))
    assert verdict.is_invalid
    assert "log-probabilities" in verdict.reason


def test_a_wrong_posterior_with_the_right_log_probabilities_is_invalid(
    case: TtvCase, tmp_path: Path
) -> None:
    """Somebody samples another posterior and then fills in the log-probabilities asked for."""
    sigma = ttv_case.SIGMA
    wide = ttv_case.table().replace(f",{sigma}\n".encode(), f",{2 * sigma}\n".encode())
    wrong = ttv_case.compute(case.unit, wide)
    right = Posterior(Problem.from_mapping(case.unit.settings), parse_table(ttv_case.table()))
    points = wrong.draws.reshape(-1, wrong.draws.shape[2]).tolist()
    log_prob = np.array([right(point) for point in points]).reshape(wrong.log_prob.shape)
    output = TtvOutput(**{**_fields(wrong), "log_prob": log_prob})
    assert check(case, tmp_path, output).is_invalid


def test_one_wrong_log_probability_in_twenty_is_found(case: TtvCase, tmp_path: Path) -> None:
    """The sample is 64 of 240: one in twenty wrong is 12, missed with probability below 2 %."""
    log_prob = case.output.log_prob.copy()
    moved = np.argwhere((case.output.draws[1:] != case.output.draws[:-1]).any(axis=2))
    alone = [
        (draw + 1, walker)
        for draw, walker in moved
        if draw + 2 == len(log_prob)
        or (case.output.draws[draw + 2, walker] != case.output.draws[draw + 1, walker]).any()
    ]
    for draw, walker in alone[:: max(1, len(alone) // 12)]:
        log_prob[draw, walker] += 0.5
    assert check(case, tmp_path, case.changed(log_prob=log_prob)).is_invalid


def test_starting_points_that_coincide_do_not_condemn_an_honest_chain(tmp_path: Path) -> None:
    """The difference of two equal walkers moves nobody: accepted, and not to be seen."""
    unit = ttv_case.make_unit(3)
    start = unit.settings["start"]
    doubled = [start[k // 2] for k in range(len(start))]
    unit = replace(unit, settings={**unit.settings, "start": doubled})
    case = TtvCase(unit, ttv_case.table(), ttv_case.compute(unit))
    verdict = check(case, tmp_path)
    assert verdict.is_valid, verdict.reason


def test_a_late_first_draw_is_left_to_the_audit(
    case: TtvCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError("the chain was followed")

    budget = ttv_case.N_WALKER * ttv_case.THIN
    monkeypatch.setattr(Retrace, "segment", never)
    monkeypatch.setitem(ttv.START_BUDGET, "ttvfast", budget - 1)
    assert check(case, tmp_path).is_valid
    # No earlier than that: the chain is followed, and what cannot be followed does not pass.
    monkeypatch.setitem(ttv.START_BUDGET, "ttvfast", budget)
    with pytest.raises(AssertionError, match="the chain was followed"):
        check(case, tmp_path)


@pytest.mark.parametrize("thin", [284, 510])
def test_units_of_the_planners_size_are_followed_from_their_start(thin: int) -> None:
    """Thinning of units that take 45 minutes: Kepler-9's, and Kepler-51's with 64 walkers."""
    assert thin * 64 <= ttv.START_BUDGET["batch"]


def test_without_its_table_the_validator_says_nothing(case: TtvCase, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    with pytest.raises(UnitError, match=r"transits\.csv is missing"):
        ttv.check(case.unit, path, {})
    table = tmp_path / "transits.csv"
    table.write_bytes(case.table + b"# changed\n")
    with pytest.raises(UnitError, match="does not match its digest"):
        ttv.check(case.unit, path, {"transits.csv": table})


def test_credit_follows_from_the_unit_alone(case: TtvCase) -> None:
    longer = ttv_case.make_unit(0, n_step=2 * ttv_case.N_STEP + 1 * ttv_case.THIN)
    calls, more = ttv_case.N_STEP + 1, 2 * ttv_case.N_STEP + ttv_case.THIN + 1
    assert ttv.credit(longer, Path()) / ttv.credit(case.unit, Path()) == pytest.approx(more / calls)


def test_a_cobblestone_is_a_two_hundredth_of_a_gigaflops_day() -> None:
    assert cobblestones(1e9 * 86400) == pytest.approx(200.0)


def _fields(output: TtvOutput) -> dict[str, Any]:
    return {name: getattr(output, name) for name in output.__dataclass_fields__}
