"""Pilots of systems that nobody tuned for: evidence, widths and starts beside known ones."""

from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.merge.evidence import log_constant
from apps.ttv.plan import units as ttv
from apps.ttv.plan.pilot import Pilot
from apps.ttv.plan.preparation import computed, read_output
from tests.unit.apps.ttv.plan.cases import DATA, load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

FIVE = (
    ('name = "case"', 'name = "five"'),
    ('prior = "uniform", low = 0.0, high = 60.0', 'prior = "log_uniform", low = 0.1, high = 300.0'),
)
LOG_Z = 3.17
"""By 40,000 draws of the prior, whose four timing parameters were integrated by Gauss-Newton."""


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pilot, float]:
    directory = tmp_path_factory.mktemp("five")
    campaign = load(directory, (DATA / "five.csv").read_text(), *FIVE)
    (unit, _) = ttv.preparing(campaign)
    flown = read_output(campaign, unit, computed(campaign, unit))
    return flown.pilot, log_constant(flown.posterior.problem, flown.posterior.table)


def test_the_evidence_of_five_transits_is_right(flown: tuple[Pilot, float]) -> None:
    """To 0.15, four times what different seeds and numbers of corrections scatter by."""
    pilot, constant = flown
    assert pilot.log_z_error is not None
    assert abs(pilot.log_z + constant - LOG_Z) < 0.15
    assert pilot.settled
    assert pilot.effective >= 2000.0


def test_chains_of_five_transits_begin_over_the_whole_prior(flown: tuple[Pilot, float]) -> None:
    """A mass that two transits cannot limit begins from a tenth to a hundred Earth masses."""
    masses = flown[0].wide[:, 0]
    assert np.quantile(masses, 0.16) < 0.6
    assert np.quantile(masses, 0.95) > 80.0


def test_chains_move_in_coordinates_that_are_corrected(flown: tuple[Pilot, float]) -> None:
    assert flown[0].corrections > 0
