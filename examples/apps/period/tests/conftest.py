"""Simulated light curves, and a campaign that is computed in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from boinc_project import application
from boinc_project.campaign import Campaign, Progress
from boinc_project.outputs import Canonical
from boinc_project.unit import Unit, seal
from openastro_period.application import Period
from openastro_period.curves import LightCurve
from work_generator.campaign_file import load_campaign


@pytest.fixture(autouse=True)
def _is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the application be found, whether its package is installed or not."""
    entry = EntryPoint("period", "openastro_period.application:Period", "openastro.apps")
    monkeypatch.setattr(application, "entry_points", lambda group: [entry])
    application.get.cache_clear()


@dataclass
class Client:
    """A client that wants nothing, and counts how often it is asked."""

    slot: Path
    platform: str = "x86_64-pc-linux-gnu"
    app_digest: str = ""
    result_name: str = ""
    polls: int = 0
    fractions: list[float] = field(default_factory=list)

    def poll(self) -> None:
        self.polls += 1

    def set_fraction_done(self, fraction: float) -> None:
        self.fractions.append(fraction)

    def time_to_checkpoint(self) -> bool:
        return False

    def checkpoint_completed(self) -> None:
        pass

    def cpu_time(self) -> float:
        return 0.0


@dataclass
class Computed:
    """A campaign with its outputs."""

    app: Period
    campaign: Campaign
    units: list[Unit]
    outputs: list[Canonical]

    def inputs(self, unit: Unit) -> dict[str, Path]:
        path = next(output.path for output in self.outputs if output.unit == unit)
        return {name: path.parent / name for name in unit.inputs}


@pytest.fixture
def compute(tmp_path: Path) -> Callable[[Path], Computed]:
    """Return a function that plans a campaign file and computes all its units."""

    def make(file: Path) -> Computed:
        app, campaign = Period(), load_campaign(file)
        units = list(app.plan(campaign, Progress()))
        outputs = []
        for unit in units:
            slot = tmp_path / "slots" / unit.name
            seal(unit, {name: campaign.inputs[name] for name in unit.inputs}, slot)
            output = slot / app.output_file
            app.compute(unit, {name: slot / name for name in unit.inputs}, output, Client(slot))
            outputs.append(Canonical(unit, output, unit.name))
        return Computed(app, campaign, units, outputs)

    return make


Simulate = Callable[..., LightCurve]


@pytest.fixture
def simulate() -> Simulate:
    """Return a function that makes a light curve of a sinusoid in noise."""

    def make(
        rng: np.random.Generator,
        *,
        n: int = 100,
        span: float = 100.0,
        period: float = 1.0,
        amplitude: float = 0.0,
        noise: float = 1.0,
        bands: str = "",
        start: float = 0.0,
    ) -> LightCurve:
        time = start + np.sort(rng.uniform(0.0, span, n))
        error = noise * rng.uniform(0.7, 1.3, n)
        phase = rng.uniform(0.0, 2 * np.pi)
        value = amplitude * np.sin(2 * np.pi * (time - start) / period + phase)
        value += error * rng.normal(size=n)
        band = np.array([bands[place % len(bands)] if bands else "" for place in range(n)])
        return LightCurve("star", time, value, error, band)

    return make
