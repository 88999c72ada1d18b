"""The validator of nested runs: honest outputs pass, and every way to cheat has its sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.nested.output import NestedOutput, write_nested_output
from apps.nested.validate import check as nested
from apps.nested.validate import compare as nested_comparison
from apps.ttv.compute.operations import CREDIT_FLOP_PER_PLANET_STEP
from boinc_project.errors import UnitError
from boinc_project.verdict import Verdict
from tests.unit.apps.nested.validate import nested_case
from tests.unit.apps.nested.validate.nested_case import NestedCase, case
from tests.unit.apps.ttv.validate import ttv_case
from validator.credit import cobblestones


def check(
    directory: Path, output: NestedOutput | None = None, of: NestedCase | None = None
) -> Verdict:
    of = of or case()
    return nested.check(of.unit, of.write(directory, output), of.inputs(directory))


def test_an_honest_output_passes(tmp_path: Path) -> None:
    verdict = check(tmp_path)
    assert verdict.is_valid, verdict.reason
    assert verdict.statistics["n_likelihood"] == case().output.n_likelihood


def test_an_honest_output_with_a_proposal_passes(tmp_path: Path) -> None:
    """TTVFast computes likelihoods; the output has those over the density of the points."""
    verdict = check(tmp_path, of=nested_case.proposed_case())
    assert verdict.is_valid, verdict.reason
    assert verdict.statistics["second_opinions"] == 8


def test_an_output_of_the_priors_cube_is_none_of_a_proposals(tmp_path: Path) -> None:
    plain = replace(case().output, unit_digest=nested_case.proposed_case().unit.digest)
    verdict = check(tmp_path, plain, nested_case.proposed_case())
    assert verdict.is_invalid
    assert "other parameters" in verdict.reason


def test_likelihoods_without_the_proposal_are_refused(tmp_path: Path) -> None:
    """Of the right points, but not over their density: the order of deaths kept."""
    of = nested_case.proposed_case()
    verdict = check(tmp_path, _better(of.output), of)
    assert "not those of its points" in verdict.reason


def _swapped(values: np.ndarray, a: int, b: int) -> np.ndarray:
    found = values.copy()
    found[[a, b]] = found[[b, a]]
    return found


def _moved(output: NestedOutput) -> NestedOutput:
    """Every point is somewhere else, with the log-likelihood that it had."""
    return replace(output, dead_u=np.clip(output.dead_u + 1e-4, 1e-9, 1 - 1e-9))


def _other_start(output: NestedOutput) -> NestedOutput:
    """An honest run of another seed."""
    return replace(nested_case.other_run(), unit_digest=output.unit_digest)


def _later_start(output: NestedOutput) -> NestedOutput:
    """The worst points of the prior are left out: a run that seems to know more."""
    return replace(output, n_drawn=output.n_drawn + 1)


def _cut(output: NestedOutput) -> NestedOutput:
    """A run that ends long before little is left."""
    n = (output.n_segment // 2) * output.segment
    u, logl = output.live_at(n)
    k = n // output.segment + 1
    return replace(
        output,
        dead_u=output.dead_u[:n],
        dead_logl=output.dead_logl[:n],
        dead_slot=output.dead_slot[:n],
        live_u=u,
        live_logl=logl,
        scales=output.scales[:k],
        calls=output.calls[:k],
    )


def _padded(output: NestedOutput) -> NestedOutput:
    """A run that goes on after its end with copies of the best points."""
    n = output.segment
    order = np.argsort(output.live_logl)[:n]
    best = int(output.live_logl.argmax())
    live_u, live_logl = output.live_u.copy(), output.live_logl.copy()
    live_u[order] = output.live_u[best]
    live_logl[order] = output.live_logl[best]
    return replace(
        output,
        dead_u=np.concatenate([output.dead_u, output.live_u[order]]),
        dead_logl=np.concatenate([output.dead_logl, output.live_logl[order]]),
        dead_slot=np.concatenate([output.dead_slot, order]),
        live_u=live_u,
        live_logl=live_logl,
        scales=np.append(output.scales, output.scales[-1]),
        calls=np.append(output.calls, output.calls[-1] + 1000),
    )


def _copies(output: NestedOutput) -> NestedOutput:
    """One place for two thirds of the points."""
    u = output.dead_u.copy()
    u[len(u) // 3 :] = u[-1]
    return replace(output, dead_u=u)


def _better(output: NestedOutput) -> NestedOutput:
    """All likelihoods are larger, for a larger evidence."""
    return replace(output, dead_logl=output.dead_logl + 1, live_logl=output.live_logl + 1)


def _first_replaced(output: NestedOutput) -> NestedOutput:
    """One early point of the first segment is another one, consistent with all others."""
    later = np.flatnonzero(np.isfinite(output.dead_birth))[0]
    u = output.dead_u.copy()
    u[later, 0] = 1.0 - u[later, 0]
    return replace(output, dead_u=u)


CHEATS: list[tuple[Callable[[NestedOutput], NestedOutput], str]] = [
    (lambda o: replace(o, unit_digest="0" * 64), "belongs to another unit"),
    (lambda o: replace(o, app_version=99), "older than the unit allows"),
    (lambda o: replace(o, parameter_names=o.parameter_names[::-1]), "other parameters"),
    (lambda o: replace(o, dead_logl=o.dead_logl * np.nan), "not finite"),
    (lambda o: replace(o, scales=o.scales * np.inf), "not finite"),
    (lambda o: replace(o, scales=o.scales * 0), "walks of no length"),
    (lambda o: replace(o, dead_u=o.dead_u + 1.0), "outside the prior"),
    (lambda o: replace(o, live_u=-o.live_u), "outside the prior"),
    (lambda o: replace(o, dead_logl=_swapped(o.dead_logl, 3, 90)), "order of their likelihoods"),
    (lambda o: replace(o, live_logl=o.live_logl - 1e3), "order of their likelihoods"),
    (lambda o: replace(o, calls=o.calls + 1), "count of likelihood calls"),
    (lambda o: replace(o, calls=o.calls[0] + np.arange(len(o.calls))), "count of likelihood calls"),
    (lambda o: replace(o, failures={"x": 10**9}), "more failures"),
    (_copies, "too many copies"),
    (_cut, "ended too early"),
    (_padded, "below the contour|ended too late"),
    (_better, "log-likelihoods are not those"),
    (_moved, "log-likelihoods are not those"),
    (_other_start, "first points are not those"),
]


@pytest.mark.parametrize(("cheat", "sentence"), CHEATS)
def test_a_cheat_is_refused(
    tmp_path: Path, cheat: Callable[[NestedOutput], NestedOutput], sentence: str
) -> None:
    verdict = check(tmp_path, cheat(case().output))
    assert verdict.is_invalid
    assert any(part in verdict.reason for part in sentence.split("|")), verdict.reason


def test_a_first_segment_that_does_not_come_out_again_never_passes(tmp_path: Path) -> None:
    """Inconclusive where it has branches that were met once; here it has."""
    assert not check(tmp_path, _first_replaced(case().output)).is_valid


def test_more_points_of_the_prior_than_were_drawn_are_refused(tmp_path: Path) -> None:
    verdict = check(tmp_path, _later_start(case().output))
    assert verdict.is_invalid


def test_points_of_the_prior_with_a_model_may_not_be_left_out(tmp_path: Path) -> None:
    """The first point is dropped, and the next one that was drawn takes its place."""
    unit = case().unit
    output = case().output
    drawn = nested._prior_points(unit, output.n_drawn + 20, output.live_u.shape)
    honest = {point.tobytes() for point in output.live_at(0)[0]}
    after = next(k for k in range(output.n_drawn, output.n_drawn + 20))
    first = np.flatnonzero(output.dead_slot == 0)[0]
    u = output.dead_u.copy()
    # Slot 0 begins with the point after the last one, and slots are then in no order any more.
    u[first] = drawn[after]
    assert drawn[after].tobytes() not in honest
    verdict = check(tmp_path, replace(output, dead_u=u, n_drawn=after + 1))
    assert verdict.is_invalid


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = case().write(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    assert nested.check(case().unit, path, case().inputs(tmp_path)).is_invalid


def test_an_output_of_chains_is_refused(tmp_path: Path) -> None:
    path = ttv_case.case().write(tmp_path)
    assert nested.check(case().unit, path, case().inputs(tmp_path)).is_invalid


def test_without_its_table_nothing_is_judged(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match=r"transits\.csv is missing"):
        nested.check(case().unit, case().write(tmp_path), {})
    (tmp_path / "t.csv").write_bytes(b"planet,epoch,bkjd,sigma_days\n")
    with pytest.raises(UnitError, match="does not match"):
        nested.check(case().unit, case().write(tmp_path), {"transits.csv": tmp_path / "t.csv"})


def compare(directory: Path, a: NestedOutput, b: NestedOutput) -> Verdict:
    paths = [directory / "a.h5", directory / "b.h5"]
    for path, output in zip(paths, (a, b), strict=True):
        write_nested_output(path, output)
    forth = nested.compare(case().unit, *paths)
    back = nested.compare(case().unit, *reversed(paths))
    assert (forth.kind, forth.statistics) == (back.kind, back.statistics)
    return forth


def test_equal_outputs_agree(tmp_path: Path) -> None:
    verdict = compare(tmp_path, case().output, case().changed(platform="arm"))
    assert verdict.is_valid
    assert "bit for bit" in verdict.reason


def test_outputs_that_differ_by_rounding_agree(tmp_path: Path) -> None:
    output = case().output
    rng = np.random.default_rng(1)
    other = replace(
        output,
        dead_u=output.dead_u + 1e-13 * rng.standard_normal(output.dead_u.shape),
        dead_logl=output.dead_logl + 1e-8 * rng.standard_normal(output.dead_logl.shape),
    )
    verdict = compare(tmp_path, output, other)
    assert verdict.is_valid
    assert "point by point" in verdict.reason


@pytest.mark.parametrize("key", ["dead_logl", "live_logl"])
def test_other_likelihoods_do_not_follow_point_by_point(tmp_path: Path, key: str) -> None:
    output = case().output
    verdict = compare(tmp_path, output, replace(output, **{key: getattr(output, key) + 0.01}))
    assert "point by point" not in verdict.reason


def test_honest_runs_that_have_parted_agree(tmp_path: Path) -> None:
    verdict = compare(tmp_path, case().output, nested_case.other_run())
    assert verdict.is_valid, verdict.reason
    assert "evidence and moments" in verdict.reason


def test_a_wrong_posterior_disagrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # On some processors the run branches so that its number of calls tells already.
    monkeypatch.setattr(nested_comparison, "MAX_CALL_RATIO", math.inf)
    verdict = compare(tmp_path, case().output, nested_case.wrong_run())
    assert verdict.is_invalid
    assert "standard errors" in verdict.reason


def test_a_shifted_posterior_disagrees(tmp_path: Path) -> None:
    other = nested_case.other_run()
    shift = 0.8 * other.live_u.std(axis=0)
    verdict = compare(tmp_path, case().output, replace(other, dead_u=other.dead_u + shift))
    assert verdict.is_invalid
    assert "mean of" in verdict.reason


def test_too_few_effective_draws_leave_it_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nested_comparison, "MIN_ESS", 1e6)
    verdict = compare(tmp_path, case().output, nested_case.other_run())
    assert not verdict.is_valid
    assert not verdict.is_invalid


def test_inflated_counts_of_calls_disagree(tmp_path: Path) -> None:
    other = nested_case.other_run()
    verdict = compare(tmp_path, case().output, replace(other, calls=other.calls * 2))
    assert verdict.is_invalid
    assert "likelihood calls" in verdict.reason


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"unit_digest": "0" * 64}, "not both of this unit"),
        ({"dead_logl": np.nan}, "not finite"),
        ({"parameter_names": tuple("abcd")}, "different shapes"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    if "dead_logl" in change:
        change = {"dead_logl": np.full_like(case().output.dead_logl, np.nan)}
    verdict = compare(tmp_path, case().output, case().changed(**change))
    assert verdict.is_invalid
    assert sentence in verdict.reason


def test_credit_is_for_the_calls_that_were_counted(tmp_path: Path) -> None:
    one = cobblestones(2 * 420 * CREDIT_FLOP_PER_PLANET_STEP)  # planets, steps
    credit = nested.credit(case().unit, case().write(tmp_path))
    assert credit == pytest.approx(case().output.n_likelihood * one)


def test_credit_has_the_units_limit(tmp_path: Path) -> None:
    output = case().output
    boast = replace(output, calls=np.append(output.calls[:-1], 2**62))
    credit = nested.credit(case().unit, case().write(tmp_path, boast))
    one = cobblestones(2 * 420 * CREDIT_FLOP_PER_PLANET_STEP)  # planets, steps
    assert credit < 1e9 * one
