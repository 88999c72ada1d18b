"""A real campaign that is cheap: Kepler-9's table, a coarse step, few walkers, a known mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from apps.runtime import open_runtime
from apps.ttv.compute import chain as ttv_mcmc
from apps.ttv.merge.canonical import merge
from apps.ttv.merge.product import Product
from apps.ttv.plan.campaign_file import posterior_of
from boinc_project.campaign import Campaign
from boinc_project.outputs import Canonical
from boinc_project.unit import Unit, seal
from tests.integration.daemons.conftest import Shop, shop
from tests.prepared_by_hand import prepared_by_hand
from work_generator.campaign_file import load_campaign

__all__ = ["Shop", "shop"]

EXAMPLE = Path(__file__).parents[3] / "examples" / "kepler-9.toml"
MODE = [43.1286, 19.2289, 0.0635, -0.0033, 144.2496, 29.703, 39.0471, -0.0665, 0.0135, 136.3072]
WIDTH = [0.3, 5e-5, 5e-4, 5e-4, 5e-4, 0.2, 3e-4, 1e-4, 1e-3, 5e-4]
WIDE = np.random.default_rng(9).normal(MODE, np.array(WIDTH) * 1.4, (500, 10))


def cheap_campaign(**changes: object) -> Campaign:
    """Return the campaign, prepared by hand."""
    campaign = load_campaign(EXAMPLE)
    settings = {
        **campaign.settings,
        "model": {**campaign.settings["model"], "dt": 1.9, "modified_kick": False},
        "sampler": {
            "n_walker": 20,
            "n_step": 160,
            "thin": 5,
            "moves": [["de", 0.8], ["snooker", 0.2]],
        },
    }
    problem = posterior_of(settings, campaign.inputs).problem
    settings = prepared_by_hand(
        settings, problem, np.array(MODE), np.array(WIDTH), WIDE, chi2=160.0
    )
    # Most tests are about the rows of chains; a second opinion would take longer than all of these.
    del settings["population"]
    cheap = replace(
        campaign,
        settings=settings,
        units_per_generation=2,
        stop=replace(campaign.stop, max_units=5),
    )
    return replace(cheap, **changes)  # type: ignore[arg-type]


@pytest.fixture
def campaign() -> Campaign:
    return cheap_campaign()


@pytest.fixture(scope="session")
def compute(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Product]:
    """Return a function that really computes units, each of them once, and merges them."""
    root = tmp_path_factory.mktemp("slots")

    def output(campaign: Campaign, unit: Unit) -> Path:
        slot = root / unit.digest
        if not slot.exists():
            seal(unit, {name: campaign.inputs[name] for name in unit.inputs}, slot)
            with open_runtime(slot) as runtime:
                inputs = {name: slot / name for name in unit.inputs}
                ttv_mcmc.run(unit, inputs, slot / "output.h5", runtime)
        return slot / "output.h5"

    def _compute(campaign: Campaign, units: Sequence[Unit]) -> Product:
        outputs = [Canonical(unit, output(campaign, unit), unit.name) for unit in units]
        return merge(campaign, outputs, created_at=datetime(2026, 1, 1, tzinfo=UTC))

    return _compute
