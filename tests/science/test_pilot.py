"""Pilots of systems that nobody tuned for: evidence, widths and starts beside known ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assimilator.evidence import log_constant
from work_generator import ttv
from work_generator.campaign_file import load_campaign
from work_generator.pilot import Pilot
from work_generator.preparation import computed, read_output

DATA = Path(__file__).parents[1] / "data" / "ttv"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

FIVE = """
[campaign]
name = "five"
title = "five transits"
app = "ttv_mcmc"
seed = 1

[star]
mass = { value = 1.0, unit = "Msun" }

[data]
table = "five.csv"

[[planets]]
name = "b"
mass = { prior = "log_uniform", low = 0.1, high = 300.0, unit = "Mearth" }
period = { prior = "uniform", low = 9.9, high = 10.1, unit = "days" }
eccentricity = { prior = "uniform", low = 0.0, high = 0.2 }
t0 = { prior = "uniform", low = 104.8, high = 105.2, unit = "BKJD" }

[[planets]]
name = "c"
mass = { prior = "log_uniform", low = 0.1, high = 300.0, unit = "Mearth" }
period = { prior = "uniform", low = 20.1, high = 20.5, unit = "days" }
eccentricity = { prior = "uniform", low = 0.0, high = 0.2 }
t0 = { prior = "uniform", low = 107.8, high = 108.2, unit = "BKJD" }
"""
LOG_Z = 3.17
"""By 40,000 draws of the prior, whose four timing parameters were integrated by Gauss-Newton."""


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pilot, float]:
    directory = tmp_path_factory.mktemp("five")
    (directory / "five.toml").write_text(FIVE)
    (directory / "five.csv").write_bytes((DATA / "five.csv").read_bytes())
    campaign = load_campaign(directory / "five.toml")
    (unit, _) = ttv.preparing(campaign)
    flown = read_output(campaign, unit, computed(campaign, unit))
    return flown.pilot, log_constant(flown.posterior.problem, flown.posterior.table)


def test_the_evidence_of_five_transits_is_right(flown: tuple[Pilot, float]) -> None:
    """To 0.15, four times what different seeds and numbers of corrections scatter by."""
    pilot, constant = flown
    assert pilot.log_z_error is not None
    assert abs(pilot.log_z + constant - LOG_Z) < 0.15
    assert pilot.settled
    assert pilot.effective > 500.0


def test_chains_of_five_transits_begin_over_the_whole_prior(flown: tuple[Pilot, float]) -> None:
    """A mass that two transits cannot limit begins from a tenth to a hundred Earth masses."""
    masses = flown[0].wide[:, 0]
    assert np.quantile(masses, 0.16) < 0.6
    assert np.quantile(masses, 0.95) > 80.0


def test_chains_move_in_coordinates_that_are_corrected(flown: tuple[Pilot, float]) -> None:
    assert flown[0].corrections > 0
