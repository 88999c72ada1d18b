"""Preparations of campaigns that were refused, or that began too narrow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.nested.plan import units as nested
from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.rounds import look_at
from apps.ttv.compute.population.target import Target
from apps.ttv.plan import units as ttv
from apps.ttv.plan.pilot import Pilot
from apps.ttv.plan.preparation import computed, read_output
from boinc_project.campaign import Progress
from tests.unit.apps.ttv.plan.cases import DATA, load, rows, table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

RIDGE = (
    ("value = 1.0", "value = 0.8"),
    ("low = 0.0, high = 60.0", "low = 0.0, high = 400.0"),
    ("low = 0.0, high = 0.2", "low = 0.0, high = 0.5"),
    ('"uniform", low = 9.9, high = 10.1', '"normal", mean = 15.0, sigma = 0.01'),
    ('"uniform", low = 20.1, high = 20.5', '"normal", mean = 30.32, sigma = 0.01'),
    ("low = 104.8, high = 105.2", "low = 203.05, high = 203.35"),
    ("low = 107.8, high = 108.2", "low = 209.35, high = 209.65"),
)
NESTED = (
    ("ttv_mcmc", "ttv_nested"),
    ("seed = 1", "seed = 21"),
    ("[model]", "[sampler]\nn_live = 200\n\n[units]\nper_generation = 4\nmax_units = 4\n\n[model]"),
)


@pytest.fixture(scope="module")
def ridge(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pilot, Posterior]:
    """Return the pilot of 19 transits that leave both masses open along a line."""
    directory = tmp_path_factory.mktemp("ridge")
    campaign = load(directory, (DATA / "ridge.csv").read_text(), *RIDGE)
    (unit, _) = ttv.preparing(campaign)
    flown = read_output(campaign, unit, computed(campaign, unit))
    return flown.pilot, flown.posterior


@pytest.fixture(scope="module")
def width_ratios(ridge: tuple[Pilot, Posterior]) -> dict[str, float]:
    """Return the widths of where chains begin, 5 to 95 %, in units of the posterior's."""
    pilot, posterior = ridge
    coordinates = Coordinates(
        posterior.problem, posterior.engine, posterior.observations, pilot.corrections
    )
    look = look_at(
        Target(posterior, coordinates), pilot.proposal, 200_000, np.random.RandomState(5)
    )
    # Widths by a hundred draws' worth are known to a tenth.
    assert look.effective > 100.0
    weights = np.where(np.isfinite(look.logs), np.exp(look.logs - look.logs.max()), 0.0)
    draws = coordinates.to_points(look.y)
    ratios = {}
    for place, name in enumerate(posterior.problem.parameter_names):
        start = np.quantile(pilot.wide[:, place], [0.05, 0.95])
        own = quantiles(draws[:, place], weights, [0.05, 0.95])
        ratios[name] = float(np.diff(start)[0] / np.diff(own)[0])
    return ratios


def test_a_long_ridge_is_found_whole(ridge: tuple[Pilot, Posterior]) -> None:
    """Acceptance was 0.001, and the pilot's draws were worth 25."""
    pilot, _ = ridge
    assert pilot.settled
    assert pilot.effective > 100.0


def test_chains_on_a_long_ridge_begin_with_wider_eccentricities(
    width_ratios: dict[str, float],
) -> None:
    for name in ("b.esinw", "c.esinw", "b.t0", "c.t0"):
        assert width_ratios[name] > 1.0, name


def test_chains_on_a_long_ridge_begin_wider_in_every_parameter(
    width_ratios: dict[str, float],
) -> None:
    assert min(width_ratios.values()) > 0.9


def quantiles(values: np.ndarray, weights: np.ndarray, shares: list[float]) -> np.ndarray:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return np.asarray(values[order][np.searchsorted(below, np.array(shares) * below[-1])])


def test_the_sound_pair_is_prepared_for_nested_sampling(tmp_path: Path) -> None:
    """It was refused: a minimum lay on the edge of a box around the priors."""
    campaign = load(tmp_path, table(rows()), *NESTED)
    prepared = nested.prepare(campaign)
    assert nested.is_prepared(prepared)
    assert prepared.settings["best"]["chi2"] == pytest.approx(61.1, abs=0.5)
    assert prepared.settings["pilot"]["settled"]
    assert prepared.settings["pilot"]["effective"] > 500.0
    units = nested.plan(prepared, Progress())
    assert len([unit for unit in units if "proposal" in unit.settings.get("sampler", {})]) == 4
