"""Pilots of simulated systems beside references that share nothing with them but the density.

References are chains at many temperatures from the prior (`bench.zoo.reference`), of which
``python bench/ttv_zoo.py --kinds easy sign --seeds 2 --reference-minutes 10`` makes these again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.ttv.plan import units as ttv
from apps.ttv.plan.pilot import Pilot
from apps.ttv.plan.preparation import computed, read_output
from bench.zoo.kinds import KINDS
from bench.zoo.simulate import simulate
from work_generator.campaign_file import load_campaign

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

REFERENCES = {("easy", 1): (-84.95, 0.11), ("sign", 1): (-60.57, 0.15)}
"""Log Z and its standard error, by kind and seed."""


def pilot_of(kind: str, seed: int, directory: Path) -> Pilot:
    campaign = load_campaign(simulate(KINDS[kind], seed, directory).path)
    (unit, _) = ttv.preparing(campaign)
    return read_output(campaign, unit, computed(campaign, unit)).pilot


@pytest.mark.parametrize(("kind", "seed"), REFERENCES)
def test_evidence_is_that_of_tempered_chains(kind: str, seed: int, tmp_path: Path) -> None:
    """To four standard errors, a false-alarm rate of 6e-5."""
    value, error = REFERENCES[kind, seed]
    pilot = pilot_of(kind, seed, tmp_path)
    assert pilot.log_z_error is not None
    assert abs(pilot.log_z - value) < 4.0 * (error**2 + pilot.log_z_error**2) ** 0.5
    assert pilot.effective >= 2000.0


def test_both_peaks_of_a_posterior_keep_their_parts(tmp_path: Path) -> None:
    """A proposal that had lost one of two had even weights, and an evidence 0.5 too low."""
    pilot = pilot_of("easy", 2, tmp_path)
    parts = sorted(weight.weight for weight in pilot.weights)[-2:]
    assert min(parts) > 0.2
    assert sum(parts) > 0.95
    assert all(weight.trusted for weight in pilot.weights)
    assert pilot.effective >= 2000.0
