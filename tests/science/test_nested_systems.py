"""Nested runs of real systems beside importance sampling: evidence, medians, and convergence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from apps.nested.compute.unit import run
from apps.nested.merge.canonical import merge
from apps.nested.merge.product import NestedProduct
from apps.nested.plan import units as nested
from apps.nested.plan.campaign_file import default_sampler
from apps.nested.validate import check as validator
from apps.runtime.runtime import open_runtime
from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.population.fitting import DEGREES
from apps.ttv.compute.population.importance import kish, picked
from apps.ttv.compute.population.proposal import proposal_of
from apps.ttv.compute.table import TABLE_FILE
from apps.ttv.plan.campaign_file import posterior_of
from boinc_project.campaign import Campaign, Progress, StopRule
from boinc_project.outputs import Canonical
from boinc_project.unit import seal
from work_generator.campaign_file import load_campaign

EXAMPLES = Path(__file__).parents[2] / "examples"
FALSE_ALARM = 1e-3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def campaign_of(name: str) -> Campaign:
    """Return a campaign of small nested runs of an example, prepared."""
    stated = load_campaign(EXAMPLES / f"{name}.toml")
    n_dim = posterior_of(stated.settings, stated.inputs).problem.n_dim
    sampler = default_sampler(n_dim, n_live=100)
    return nested.prepare(
        replace(
            stated,
            app="ttv_nested",
            settings={**stated.settings, "sampler": sampler},
            stop=StopRule(max_units=4, logz_error=0.1, ess=800.0),
            units_per_generation=4,
        )
    )


def product_of(campaign: Campaign, directory: Path) -> NestedProduct:
    """Compute a campaign's first generation, check every output, and merge them."""
    outputs = []
    for unit in nested.plan(campaign, Progress()):
        slot = directory / unit.name
        seal(unit, campaign.inputs, slot)
        inputs = {TABLE_FILE: slot / TABLE_FILE}
        with open_runtime(slot) as runtime:
            run(unit, inputs, slot / "output.h5", runtime)
        outputs.append(Canonical(unit, slot / "output.h5", unit.name))
    verdict = validator.check(outputs[0].unit, outputs[0].path, inputs)
    assert verdict.is_valid, verdict.reason
    return merge(campaign, outputs, created_at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("name", ["kepler-9"])
def test_nested_runs_agree_with_importance_sampling(name: str, tmp_path: Path) -> None:
    """Log Z by the product's own comparison, and medians by weighted draws of the fit itself.

    Those are of Student's t, which the runs' own cube does not know. Each of ten medians may
    differ by four of its standard errors, a false-alarm rate of 1e-3 in all; that of log Z is 1e-3.
    """
    campaign = campaign_of(name)
    product = product_of(campaign, tmp_path)
    unmet = {row.key for row in product.verdict.rows if row.word == "sampled" and not row.met}
    assert not unmet, product.missing
    assert product.posterior is not None
    evidence = product.posterior.evidence
    assert evidence.importance is not None
    assert evidence.importance_p > FALSE_ALARM
    assert evidence.logz.mcse < 0.1
    # From the prior to the posterior: the runs' own way was shorter, their answer is not.
    assert evidence.information > 20.0
    rng = np.random.default_rng(1)
    raw = campaign.settings["proposal"]
    fit = proposal_of({"shear": raw["shear"], "mixture": {**raw, "degrees": DEGREES}})
    y = fit.sample(20_000, np.random.RandomState(1))
    posterior = posterior_of(campaign.settings, campaign.inputs)
    frame = Coordinates(
        posterior.problem, posterior.engine, posterior.observations, raw["corrections"]
    )
    points = frame.to_points(y)
    densities = posterior.log_densities(points) - frame.log_jacobians(points, y)
    logs = densities - fit.log_densities(y)
    draws = points[picked(logs, 20_000, np.random.RandomState(rng.bit_generator))]
    for place, parameter in enumerate(posterior.problem.parameter_names):
        median = product.marginals[parameter].quantiles["median"]
        # A median of n draws has the error of a mean times 1.25, for a normal distribution.
        other = 1.25 * float(draws[:, place].std()) / np.sqrt(kish(logs))
        apart = abs(median.value - float(np.median(draws[:, place])))
        assert apart < 4.0 * np.hypot(median.mcse, other), parameter
