"""Outputs of populations on their way to a second opinion."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from apps.ttv.compute.population.importance import log_mean, relative_error
from apps.ttv.merge import populations
from apps.ttv.population_output import content_digest
from boinc_project.errors import OutputError
from boinc_project.outputs import Canonical
from tests.unit.apps.ttv.validate import population_case, ttv_case
from tests.unit.apps.ttv.validate.population_case import PopulationCase


@pytest.fixture(scope="module")
def case() -> PopulationCase:
    return population_case.case()


def canonical(case: PopulationCase, path: Path) -> Canonical:
    return Canonical(case.unit, path, case.unit.name)


def test_populations_are_told_from_chains(case: PopulationCase, tmp_path: Path) -> None:
    chains = [ttv_case.make_unit(index) for index in (1, 0)]
    units = [case.unit, *chains]
    found = populations.sort([Canonical(unit, tmp_path / "o.h5", unit.name) for unit in units])
    assert [output.unit for output in found.posterior] == chains[::-1]
    assert [output.unit for output in found.populations] == [case.unit]


def test_no_output_is_no_opinion() -> None:
    assert populations.second_opinion([], 0.0) is None


def test_draws_have_equal_weights_afterwards(case: PopulationCase, tmp_path: Path) -> None:
    """Means and widths are the weighted ones of all draws, to five standard errors.

    Independent parts have as many draws as is their weight, to within one.
    """
    opinion = populations.second_opinion([canonical(case, case.write(tmp_path))], 0.0)
    assert opinion is not None
    logs = case.output.log_weight
    n_part = len(logs)
    assert opinion.n_part == n_part
    assert len(opinion.draws) == len(opinion.groups) == populations.N_DRAW
    shares = np.exp(logs - logs.max())
    shares /= shares.sum()
    counts = np.bincount(opinion.groups, minlength=n_part)
    assert counts == pytest.approx(populations.N_DRAW * shares.sum(axis=1), abs=1.5)
    points = case.output.points.reshape(-1, case.output.points.shape[2])
    mean = shares.ravel() @ points
    spread = np.sqrt(shares.ravel() @ (points - mean) ** 2)
    error = 5.0 / math.sqrt(populations.N_DRAW)
    assert (np.abs(opinion.draws.mean(axis=0) - mean) < error * spread).all()
    np.testing.assert_allclose(opinion.draws.std(axis=0), spread, rtol=error)


def test_a_heavy_draw_has_its_weight_among_all(case: PopulationCase, tmp_path: Path) -> None:
    """A quarter of all weight in one draw is a quarter of the draws, and no part's alone."""
    logs = case.output.log_weight.copy()
    logs[0, 0] = -math.inf
    logs[0, 0] = np.logaddexp.reduce(logs.ravel()) - math.log(3.0)
    opinion = populations.second_opinion(
        [canonical(case, case.write(tmp_path, case.changed(log_weight=logs)))], 0.0
    )
    assert opinion is not None
    same = (opinion.draws == case.output.points[0, 0]).all(axis=1)
    assert same.sum() == pytest.approx(populations.N_DRAW / 4, abs=1.5)


def test_the_evidence_has_the_constant_and_an_error(case: PopulationCase, tmp_path: Path) -> None:
    opinion = populations.second_opinion([canonical(case, case.write(tmp_path))], 7.0)
    assert opinion is not None
    assert opinion.log_z is not None
    logs = case.output.log_weight.ravel()
    assert opinion.log_z.value == pytest.approx(log_mean(logs) + 7.0)
    assert opinion.log_z.mcse == pytest.approx(relative_error(logs))


def test_weights_worth_little_have_no_evidence(case: PopulationCase, tmp_path: Path) -> None:
    logs = case.output.log_weight.copy()
    logs[0, 0] = logs.max() + 30.0
    path = case.write(tmp_path, case.changed(log_weight=logs))
    opinion = populations.second_opinion([canonical(case, path)], 0.0)
    assert opinion is not None
    assert opinion.log_z is None


def test_parts_without_weights_are_left_out(case: PopulationCase, tmp_path: Path) -> None:
    logs = case.output.log_weight.copy()
    logs[2] = -math.inf
    path = case.write(tmp_path, case.changed(log_weight=logs))
    opinion = populations.second_opinion([canonical(case, path)], 0.0)
    assert opinion is not None
    assert opinion.n_part == len(logs) - 1
    nothing = case.changed(log_weight=np.full_like(logs, -math.inf))
    path = case.write(tmp_path, nothing, "none.h5")
    assert populations.second_opinion([canonical(case, path)], 0.0) is None


def test_an_output_of_another_unit_is_refused(case: PopulationCase, tmp_path: Path) -> None:
    path = case.write(tmp_path, case.changed(unit_digest="ab" * 32))
    for judge in (
        populations.entries,
        lambda outputs: populations.second_opinion(outputs, 0.0),
    ):
        with pytest.raises(OutputError, match="is not of"):
            judge([canonical(case, path)])


def test_provenance_names_unit_and_numbers(case: PopulationCase, tmp_path: Path) -> None:
    (entry,) = populations.entries([canonical(case, case.write(tmp_path))])
    told = str(entry)
    assert case.unit.digest in told
    assert content_digest(case.output) in told
