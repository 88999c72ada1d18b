"""Units of populations: what one output must be, and when two of them agree."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.ttv.population_output import PopulationOutput
from apps.ttv.validate import population
from boinc_project.errors import OutputError
from boinc_project.verdict import Verdict, VerdictKind
from tests.unit.apps.ttv.validate import population_case
from tests.unit.apps.ttv.validate.population_case import PopulationCase


@pytest.fixture(scope="module")
def case() -> PopulationCase:
    return population_case.case()


def judged(case: PopulationCase, directory: Path, output: PopulationOutput) -> Verdict:
    return population.check(case.unit, case.write(directory, output), case.inputs(directory))


def both_ways(
    case: PopulationCase, directory: Path, a: PopulationOutput, b: PopulationOutput
) -> Verdict:
    first, second = case.write(directory, a, "a.h5"), case.write(directory, b, "b.h5")
    there = population.compare(case.unit, first, second)
    assert there == population.compare(case.unit, second, first)
    return there


def at(values: np.ndarray, place: tuple[int, ...], value: float) -> np.ndarray:
    """Return a copy of an array with one other number in it."""
    changed = values.copy()
    changed[place] = value
    return changed


def a_weighted_place(output: PopulationOutput) -> tuple[int, int]:
    part, point = np.argwhere(np.isfinite(output.log_weight))[0]
    return int(part), int(point)


def test_an_honest_output_passes(case: PopulationCase, tmp_path: Path) -> None:
    verdict = judged(case, tmp_path, case.output)
    assert verdict.is_valid, verdict.reason
    assert verdict.statistics["effective"] >= 100.0


def test_an_output_of_another_unit_fails(case: PopulationCase, tmp_path: Path) -> None:
    verdict = judged(case, tmp_path, case.changed(unit_digest=population_case.make_unit(1).digest))
    assert verdict.is_invalid
    assert "another unit" in verdict.reason


def test_an_older_app_fails(case: PopulationCase, tmp_path: Path) -> None:
    verdict = judged(case, tmp_path, case.changed(app_version=population_case.VERSION - 1))
    assert verdict.is_invalid
    assert "older" in verdict.reason


def test_other_parameters_fail(case: PopulationCase, tmp_path: Path) -> None:
    names = case.output.parameter_names[::-1]
    verdict = judged(case, tmp_path, case.changed(parameter_names=names))
    assert verdict.is_invalid
    assert "other parameters" in verdict.reason


@pytest.mark.parametrize("evidences", [[], [0.0, 0.0]])
def test_another_number_of_populations_fails(
    case: PopulationCase, tmp_path: Path, evidences: list[float]
) -> None:
    wide = np.repeat(case.output.wide, len(evidences), axis=0)
    output = case.changed(island_log_z=np.array(evidences), wide=wide)
    assert judged(case, tmp_path, output).is_invalid


def test_wrong_densities_fail(case: PopulationCase, tmp_path: Path) -> None:
    """All of them, by a hundredth of a nat."""
    verdict = judged(case, tmp_path, case.changed(log_density=case.output.log_density + 0.01))
    assert verdict.is_invalid
    assert "densities" in verdict.reason


def test_other_points_under_the_same_densities_fail(case: PopulationCase, tmp_path: Path) -> None:
    points = case.output.points[:, ::-1].copy()
    verdict = judged(case, tmp_path, case.changed(points=points))
    assert verdict.is_invalid


def test_draws_outside_the_prior_fail(case: PopulationCase, tmp_path: Path) -> None:
    """One of them, wherever it is: all are looked at."""
    mass = case.output.parameter_names.index("c.mass")
    points = at(case.output.points, (3, 7, mass), 1e6)
    verdict = judged(case, tmp_path, case.changed(points=points))
    assert verdict.is_invalid
    assert "outside the prior" in verdict.reason


@pytest.mark.parametrize("field", ["log_weight", "log_density"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_and_densities_that_are_no_numbers_fail(
    case: PopulationCase, tmp_path: Path, field: str, value: float
) -> None:
    values = getattr(case.output, field)
    changed = at(values, a_weighted_place(case.output), value)
    assert judged(case, tmp_path, case.changed(**{field: changed})).is_invalid


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_points_and_evidences_that_are_no_numbers_fail(
    case: PopulationCase, tmp_path: Path, value: float
) -> None:
    points = at(case.output.points, (0, 0, 0), value)
    assert judged(case, tmp_path, case.changed(points=points)).is_invalid
    evidences = case.changed(island_log_z=np.array([value]))
    assert judged(case, tmp_path, evidences).is_invalid


def test_an_output_without_any_weight_fails(case: PopulationCase, tmp_path: Path) -> None:
    nothing = np.full_like(case.output.log_weight, -math.inf)
    verdict = judged(case, tmp_path, case.changed(log_weight=nothing, log_density=nothing))
    assert verdict.is_invalid


def test_a_weight_without_a_density_fails(case: PopulationCase, tmp_path: Path) -> None:
    place = a_weighted_place(case.output)
    changed = at(case.output.log_density, place, -math.inf)
    verdict = judged(case, tmp_path, case.changed(log_density=changed))
    assert verdict.is_invalid


def test_a_file_that_is_no_output_fails(case: PopulationCase, tmp_path: Path) -> None:
    path = tmp_path / "o.h5"
    path.write_bytes(b"nothing")
    assert population.check(case.unit, path, case.inputs(tmp_path)).is_invalid
    with pytest.raises(OutputError):
        population.compare(case.unit, path, case.write(tmp_path, name="b.h5"))


def test_equal_numbers_agree_at_once(case: PopulationCase, tmp_path: Path) -> None:
    elsewhere = case.changed(platform="windows_x86_64", app_version=population_case.VERSION + 1)
    verdict = both_ways(case, tmp_path, case.output, elsewhere)
    assert verdict.is_valid
    assert "bit for bit" in verdict.reason


def test_two_honest_outputs_agree(case: PopulationCase, tmp_path: Path) -> None:
    """With other random numbers, as on another processor; false-alarm rate below one in 1000."""
    other = population_case.other_seed()
    assert not np.array_equal(other.points, case.output.points)
    verdict = both_ways(case, tmp_path, case.output, other)
    assert verdict.is_valid, verdict.reason
    assert verdict.statistics["errors"] > 0.0


def narrowed(output: PopulationOutput, factor: float) -> PopulationOutput:
    """Return an output whose draws are nearer to their mean."""
    points = output.points
    return replace(output, points=points.mean(axis=(0, 1)) * (1 - factor) + factor * points)


def test_a_narrowed_output_is_refused(case: PopulationCase, tmp_path: Path) -> None:
    other = narrowed(population_case.other_seed(), 0.7)
    verdict = both_ways(case, tmp_path, case.output, other)
    assert verdict.is_invalid
    assert "width of" in verdict.reason


def test_another_evidence_is_refused(case: PopulationCase, tmp_path: Path) -> None:
    """By a nat, everywhere: weights tell the same of the draws."""
    other = population_case.other_seed()
    shifted = replace(other, log_weight=other.log_weight + 1.0)
    verdict = both_ways(case, tmp_path, case.output, shifted)
    assert verdict.is_invalid
    assert "log Z" in verdict.reason


def test_weights_that_are_worth_little_decide_nothing(case: PopulationCase, tmp_path: Path) -> None:
    """As if one draw held most of the posterior."""
    other = population_case.other_seed()
    place = a_weighted_place(other)
    poor = replace(other, log_weight=at(other.log_weight, place, other.log_weight.max() + 20.0))
    verdict = both_ways(case, tmp_path, case.output, poor)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert "Too little evidence" in verdict.reason


def test_numbers_that_are_none_do_not_agree(case: PopulationCase, tmp_path: Path) -> None:
    other = population_case.other_seed()
    points = at(other.points, (0, 0, 0), math.nan)
    assert both_ways(case, tmp_path, case.output, replace(other, points=points)).is_invalid


def test_an_audit_finds_wrong_densities(case: PopulationCase, tmp_path: Path) -> None:
    inputs, rng = case.inputs(tmp_path), np.random.default_rng(1)
    honest = case.write(tmp_path)
    assert population.audit(case.unit, honest, inputs, rng=rng).is_valid
    wrong = case.write(tmp_path, case.changed(log_density=case.output.log_density - 0.01), "b.h5")
    assert population.audit(case.unit, wrong, inputs, rng=rng).is_invalid


def test_credit_is_of_the_calls_that_are_counted_and_allowed(
    case: PopulationCase, tmp_path: Path
) -> None:
    def credit(counted: int) -> float:
        path = case.write(tmp_path, case.changed(n_likelihood=counted))
        return population.credit(case.unit, path)

    assert credit(10_000) > 0.0
    assert credit(20_000) == pytest.approx(2.0 * credit(10_000))
    most = population_case.POPULATION["calls"]
    assert credit(3 * most) == credit(most)


def test_peaks_and_step_are_told(case: PopulationCase) -> None:
    output = case.output
    assert len(output.peaks) >= 1
    assert output.step[0] == case.unit.settings["model"]["dt"]
    assert output.corrections == 1
    assert output.wide.shape == (1, population_case.N_POINT, 4)


def wrong_search(output: PopulationOutput) -> dict[str, PopulationOutput]:
    """Return outputs whose search is false in one thing each."""
    mass = output.parameter_names.index("c.mass")
    return {
        "chi2": replace(output, peak_chi2=output.peak_chi2 - 1.0),
        "peak": replace(output, peaks=at(output.peaks, (0, mass), output.peaks[0, mass] * 1.5)),
        "outside": replace(output, peaks=at(output.peaks, (0, mass), 1e6)),
        "no number": replace(output, peaks=at(output.peaks, (0, mass), math.nan)),
        "covariance": replace(output, peak_covariances=-output.peak_covariances),
        "count": replace(output, peak_counts=np.zeros_like(output.peak_counts)),
        "another step": replace(output, step=at(output.step, (0,), 0.9 * output.step[0])),
        "a better step": replace(output, step=at(output.step, (2,), 0.1 * output.step[2])),
        "no step": replace(output, step=at(output.step, (0,), math.nan)),
        "kick": replace(output, modified_kick=2),
        "corrections": replace(output, corrections=2),
        "wide": replace(output, wide=at(output.wide, (0, 3, mass), 1e6)),
        "few wide": replace(output, wide=output.wide[:, :-1]),
    }


@pytest.mark.parametrize("name", list(wrong_search(population_case.blank())))
def test_a_false_search_fails(case: PopulationCase, tmp_path: Path, name: str) -> None:
    """Chains would begin with it."""
    verdict = judged(case, tmp_path, wrong_search(case.output)[name])
    assert verdict.is_invalid, verdict.reason


def test_a_step_that_the_unit_leaves_open_is_chosen_and_checked(tmp_path: Path) -> None:
    unit = population_case.make_unit(model={"dt": None, "modified_kick": None})
    case = PopulationCase(unit, population_case.compute(unit))
    assert judged(case, tmp_path, case.output).is_valid
    for factor in (3.0, 1e-9):
        changed = at(case.output.step, (0,), factor * case.output.step[0])
        assert judged(case, tmp_path, case.changed(step=changed)).is_invalid
