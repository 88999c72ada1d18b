"""The product of a small nested campaign: numbers, words, modes, files."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm, t

from apps.nested.merge import canonical as nested
from apps.nested.merge.errors import resample
from apps.nested.merge.modes import find_modes, mode_labels
from apps.nested.merge.product import NestedProduct
from apps.nested.weights import merge_points, weigh
from apps.ttv.compute.likelihood import Posterior as TimingPosterior
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import parse_table
from apps.ttv.merge.evidence import log_constant
from apps.ttv.merge.resampling import systematic
from boinc_project.campaign import StopRule
from boinc_project.errors import OutputError
from boinc_project.outputs import Canonical
from boinc_project.report import read_report
from tests import nested_targets
from tests.nested_targets import Likely
from tests.unit.apps.nested.validate import nested_case
from tests.unit.apps.ttv.validate import ttv_case

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FILES = {
    "posterior.h5",
    "posterior.nc",
    "summary.json",
    "provenance.json",
    "oc.png",
    "corner.png",
    "run.png",
}


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[Canonical]:
    directory = tmp_path_factory.mktemp("nested")
    return [
        Canonical(case.unit, case.write(directory, name=f"{k}.h5"), case.unit.name)
        for k, case in enumerate(nested_case.case(k) for k in range(4))
    ]


@pytest.fixture(scope="session")
def product(outputs: list[Canonical]) -> NestedProduct:
    return nested.merge(nested_case.campaign(), outputs, created_at=NOW)


def merge(outputs: Sequence[Canonical], **stop: float) -> NestedProduct:
    rule = StopRule(**({"logz_error": 0.6, "ess": 500.0} | stop))  # type: ignore[arg-type]
    return nested.merge(nested_case.campaign(stop=rule), outputs, created_at=NOW)


def test_runs_agree_and_merge(product: NestedProduct) -> None:
    """Each run's evidence lies within 5 of its errors of the merged one's."""
    assert product.posterior is not None
    evidence = product.posterior.evidence
    for run in product.runs:
        assert abs(run.logz.value - evidence.logz.value) < 5 * run.logz.mcse
    assert evidence.n_live == 320
    # The larger of two errors: four runs know their own scatter to 40 % only.
    assert evidence.logz.mcse < max(run.logz.mcse for run in product.runs)
    unmet = {row.key for row in product.verdict.rows if row.counts and not row.met}
    # Nothing was measured before the first unit, and no second opinion came.
    assert unmet == {"importance", "step", "second_opinion", "evidence"}
    assert (product.sampled, product.described, product.informative) == (False, True, True)


def test_the_order_of_outputs_does_not_matter(
    product: NestedProduct, outputs: list[Canonical]
) -> None:
    assert merge(outputs[::-1]).summary() | {"stop_rule": 0} == product.summary() | {"stop_rule": 0}


def test_the_truth_is_found(product: NestedProduct) -> None:
    """Within four standard deviations of the posterior for the two that the data constrain."""
    by_name = {one["name"]: one for one in product.summary()["parameters"]}
    for name, truth in (("b.period", 10.0), ("b.t0", 4.0)):
        assert abs(by_name[name]["mean"]["value"] - truth) < 4 * by_name[name]["sd"]["value"]
    # The table's planet is eccentric, the model's is not: only the order of its mass is right.
    assert 5 < by_name["c.mass"]["median"]["value"] < 80


def test_every_number_has_an_error_and_no_diagnostics_of_chains(product: NestedProduct) -> None:
    for one in product.summary()["parameters"]:
        assert one["rhat"] is one["ess_bulk"] is one["ess_tail"] is None
        for key in ("mean", "sd", "q05", "q16", "median", "q84", "q95"):
            assert one[key]["mcse"] > 0
            assert one[key]["mcse"] < one["sd"]["value"]
        assert one["q05"]["value"] < one["median"]["value"] < one["q95"]["value"]


def test_draws_are_a_sample_of_the_posterior(product: NestedProduct) -> None:
    """Their mean is that of all weighted points, to within five of its own errors."""
    for place, one in enumerate(product.summary()["parameters"][: product.problem.n_dim]):
        error = one["sd"]["value"] / math.sqrt(product.n_draw)
        assert abs(product.draws[:, place].mean() - one["mean"]["value"]) < 5 * error


def test_files(product: NestedProduct, tmp_path: Path) -> None:
    product.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["evidence"]["logz"]["mcse"] < 0.6
    assert summary["modes"][0]["share"]["value"] == pytest.approx(1.0)
    with h5py.File(tmp_path / "posterior.h5") as file:
        assert file["draws"].shape == (product.n_draw, product.problem.n_dim)
        assert file.attrs["posterior_digest"] == product.digest
        assert file.attrs["log_z"] == summary["evidence"]["logz"]["value"]
        points = file["points"]
        assert (points["birth"][()] < points["log_likelihood"][()]).all()
        assert points["weight"][()].sum() == pytest.approx(1.0)
        # log Z follows from the file alone.
        log_z = np.logaddexp.reduce(points["log_likelihood"][()] + _log_shells(points))
        assert log_z + nested_constant(product) == pytest.approx(file.attrs["log_z"], abs=0.02)
    with xr.open_datatree(tmp_path / "posterior.nc", engine="h5netcdf") as tree:
        assert tree["posterior"]["b.period"].shape == (1, product.n_draw)
        assert tree["sample_stats"]["log_likelihood"].shape == (1, product.n_draw)


def _log_shells(points: h5py.Group) -> np.ndarray:
    volume = np.exp(points["log_volume"][()])
    return np.log(np.append(-np.diff(volume), volume[-1]))


def nested_constant(product: NestedProduct) -> float:
    return log_constant(product.problem, product.table)


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> NestedProduct:
    """The product of the same posterior, by runs with a proposal."""
    directory = tmp_path_factory.mktemp("proposed")
    campaign = nested_case.campaign()
    settings = {**campaign.settings, "proposal": nested_case.proposal()}
    cases = [nested_case.proposed_case(k) for k in range(4)]
    outputs = [
        Canonical(one.unit, one.write(directory, name=f"{k}.h5"), one.unit.name)
        for k, one in enumerate(cases)
    ]
    return nested.merge(replace(campaign, settings=settings), outputs, created_at=NOW)


def test_runs_with_a_proposal_say_the_same(product: NestedProduct, proposed: NestedProduct) -> None:
    """Evidence, information and means, each within four of its errors: false-alarm rate 4e-4."""
    assert product.posterior is not None
    assert proposed.posterior is not None
    one, other = product.posterior.evidence, proposed.posterior.evidence
    error = math.hypot(one.logz.mcse, other.logz.mcse)
    assert abs(one.logz.value - other.logz.value) < 4 * error
    # Information is log(L / Z) on average; log L is known far better.
    assert abs(one.information - other.information) < 4 * error
    for name in product.problem.parameter_names:
        a, b = product.marginals[name].mean, proposed.marginals[name].mean
        assert abs(a.value - b.value) < 4 * math.hypot(a.mcse, b.mcse), name
    # The same answer after less than half of the way.
    assert other.n_likelihood < one.n_likelihood / 2


def test_likelihoods_are_the_models_whatever_runs_were_ordered_by(
    proposed: NestedProduct, tmp_path: Path
) -> None:
    assert proposed.posterior is not None
    posterior = TimingPosterior(proposed.problem, proposed.table)
    proposed.write(tmp_path)
    with h5py.File(tmp_path / "posterior.h5") as file:
        draws = file["draws"][:50]
        np.testing.assert_allclose(file["log_likelihood"][:50], posterior.log_likelihoods(draws))
        points = file["points"]
        own = points["log_likelihood"][-50:] - points["log_prior_ratio"][-50:]
        np.testing.assert_allclose(own, posterior.log_likelihoods(points["values"][-50:]))
        log_z = np.logaddexp.reduce(points["log_likelihood"][()] + _log_shells(points))
        assert log_z + nested_constant(proposed) == pytest.approx(file.attrs["log_z"], abs=0.02)
    assert proposed.posterior.modes[0].logl_max == proposed.posterior.logl.max()


def test_an_output_of_another_cube_is_refused(outputs: list[Canonical]) -> None:
    campaign = nested_case.campaign()
    settings = {**campaign.settings, "proposal": nested_case.proposal()}
    with pytest.raises(OutputError, match="has other parameters"):
        nested.merge(replace(campaign, settings=settings), outputs, created_at=NOW)


def test_no_outputs_give_no_posterior(tmp_path: Path) -> None:
    empty = merge([])
    assert (empty.n_draw, empty.n_unit, empty.converged) == (0, 0, False)
    empty.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"summary.json", "provenance.json"}
    assert json.loads((tmp_path / "summary.json").read_text())["evidence"] is None


def test_few_runs_are_no_evidence(outputs: list[Canonical]) -> None:
    assert any("Only 2 runs are merged" in line for line in merge(outputs[:2]).missing)


def test_the_summary_holds_the_verdict(product: NestedProduct) -> None:
    summary = product.summary()
    assert summary["verdict"] == product.verdict.to_json()
    report = read_report(summary)
    assert report is not None
    assert report.met is product.converged
    assert report.facts[0].value == product.posterior.evidence.logz.value
    assert [table.caption.split()[0] for table in report.tables][:2] == ["Modes,", "Parameters:"]
    assert summary["converged"] is product.converged is False


def test_what_the_stop_rule_misses_is_said(outputs: list[Canonical]) -> None:
    missing = merge(outputs, logz_error=0.01, ess=1e6).missing
    assert any("error of log Z" in line for line in missing)
    assert any("ESS is" in line for line in missing)


def test_a_run_that_reached_its_limit_says_so(outputs: list[Canonical]) -> None:
    output = nested_case.compute(nested_case.make_unit(max_segments=3))
    assert nested.sub_run((0, 0, "a"), output, 0.1, 0.0).remark
    assert not nested.sub_run((0, 0, "a"), nested_case.case().output, 0.1, 0.0).remark


def test_an_output_of_another_unit_is_refused(outputs: list[Canonical]) -> None:
    swapped = replace(outputs[0], path=outputs[1].path)
    with pytest.raises(OutputError, match="is not of"):
        merge([swapped])


@pytest.mark.parametrize("noise", [{"kind": "gaussian"}, {"kind": "student_t", "degrees": 4.0}])
def test_the_constant_makes_the_likelihood_a_density(noise: dict[str, object]) -> None:
    """At perfect times, it is the product of the noise's densities at their centres."""
    problem = Problem.from_mapping(
        {"model": nested_case.MODEL, "parameters": nested_case.PARAMETERS, "noise": noise}
    )
    table = parse_table(ttv_case.table())
    density = norm if noise["kind"] == "gaussian" else t(4.0)
    expected = table.n_transit * density.logpdf(0.0) - table.n_transit * math.log(ttv_case.SIGMA)
    assert log_constant(problem, table) == pytest.approx(expected)


def two_peaks(far: float, share: float) -> Likely:
    """Two Gaussians of width 0.02 in three dimensions, the second with a share of the evidence."""
    at = np.array([[0.3] * 3, [0.3 + far] * 3])

    def log_likelihood(cube: np.ndarray) -> np.ndarray:
        parts = -0.5 * (((cube[:, None] - at) / 0.02) ** 2).sum(axis=2)
        return np.logaddexp(parts[:, 0] + math.log(1 - share), parts[:, 1] + math.log(share))

    return Likely(3, log_likelihood)


def test_modes_have_their_shares_of_the_evidence() -> None:
    """A share of 20 %, to within five standard errors, whatever the number of runs that saw it.

    800 live points are divided between the modes as by lot. The error that is told is that of the
    scatter of four runs, and good to a factor of four.
    """
    error = math.sqrt(0.2 * 0.8 / 800)
    chosen = nested_targets.settings(n_live=200, segment=100, batch=16)
    points = merge_points([nested_targets.run(two_peaks(0.4, 0.2), chosen, k) for k in range(4)])
    weighted, again = weigh(points), resample(points)
    large, small = find_modes(points.cube, points.logl, weighted, again)
    assert large.share + small.share == pytest.approx(1.0)
    assert error / 4 < small.share_error < 4 * error
    assert abs(small.share - 0.2) < 5 * error
    np.testing.assert_allclose(small.centre, [0.7] * 3, atol=0.01)
    assert large.logz - small.logz == pytest.approx(math.log(large.share / small.share))


@pytest.mark.parametrize("n_dim", [1, 3, 10])
def test_one_mode_is_not_torn_apart(n_dim: int) -> None:
    """Gaussians and bananas, five seeds each: none of them may come out as two modes."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        points = rng.standard_normal((3000, n_dim))
        weights = np.full(3000, 1 / 3000)
        assert mode_labels(points, weights).max() == 0
        points[:, -1] += 3.0 * points[:, 0] ** 2
        assert mode_labels(points, weights).max() == 0


def test_systematic_resampling_keeps_to_the_weights() -> None:
    weights = np.random.default_rng(1).random(50)
    weights /= weights.sum()
    counts = np.bincount(systematic(weights, 1000), minlength=50)
    assert np.abs(counts - 1000 * weights).max() <= 1.0
