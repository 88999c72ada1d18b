"""The whole project as people meet it: the frozen app, a served project, the stock client."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.volunteer.stock_client import StockClient, find_stock_client
from server.demo.live_project import LiveProject
from server.demo.ports import free_port
from tests.conftest import missing

ROOT = Path(__file__).parents[2]

CLOCK = 8
"""The client's clock in tests: its polls of seconds become eighths; more gains little, since
starting processes and unpacking the app take their real time."""

QUICK = {
    # A client waits for these in its own time; tests should not.
    "scheduler": {"request_delay": 0.0, "no_work_delay": 4.0},
    "daemons": {"interval": 0.3},
}

CAMPAIGN = """
[campaign]
name = "{name}"
title = "The first year of Kepler-9"
app = "ttv_mcmc"
seed = 7

[star]
mass = {{ value = 1.02, unit = "Msun" }}

[data]
table = "{table}"

[[planets]]
name = "b"
mass = {{ prior = "log_uniform", low = 1.0, high = 300.0, unit = "Mearth" }}
period = {{ prior = "uniform", low = 19.1, high = 19.4, unit = "days" }}
eccentricity = {{ prior = "uniform", low = 0.0, high = 0.3 }}
t0 = {{ prior = "uniform", low = 144.0, high = 144.5, unit = "BKJD" }}
inclination = {{ value = 90.0, unit = "deg" }}
node = {{ value = 0.0, unit = "deg" }}

[[planets]]
name = "c"
mass = {{ prior = "log_uniform", low = 1.0, high = 300.0, unit = "Mearth" }}
period = {{ prior = "uniform", low = 38.5, high = 39.5, unit = "days" }}
eccentricity = {{ prior = "uniform", low = 0.0, high = 0.3 }}
t0 = {{ prior = "uniform", low = 135.8, high = 136.8, unit = "BKJD" }}
inclination = {{ value = 90.0, unit = "deg" }}
node = {{ value = 0.0, unit = "deg" }}

[model]
dt = {{ value = 1.5, unit = "days" }}
# The slow engine, so that tasks last long enough to be suspended and killed.
engine = "ttvfast"
starts = 4

[sampler]
n_walker = 20
n_step = {n_step}
thin = 10
moves = {{ de = 0.8, snooker = 0.2 }}

[units]
per_generation = {units}
max_units = {units}

[quorum]
min_quorum = {quorum}
target_nresults = {quorum}
delay_bound = {{ value = 7.0, unit = "days" }}

[stop]
rhat = 1.01
ess_bulk = 400.0
ess_tail = 400.0
"""


@pytest.fixture(scope="session")
def frozen_apps() -> Path:
    """Freeze the app, unless it is there already; returns the directory of built versions."""
    out = ROOT / "build" / "apps"
    subprocess.run(
        [sys.executable, ROOT / "packaging" / "build.py", "ttv_mcmc", "--out", out],
        check=True,
        cwd=ROOT,
    )
    return out


@pytest.fixture
def write_campaign(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a small campaign: seconds of compute for each unit."""
    whole = (ROOT / "examples" / "data" / "kepler-9.csv").read_text().splitlines()
    comments = [line for line in whole if line.startswith("#")]
    rows = [line for line in whole if not line.startswith(("#", "planet"))]
    year = [row for row in rows if float(row.split(",")[2]) < 500.0]
    table = tmp_path / "first-year.csv"
    table.write_text("\n".join([*comments, "planet,epoch,bkjd,sigma_days", *year]) + "\n")

    def write(name: str = "tiny", *, units: int = 2, quorum: int = 2, n_step: int = 100) -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(
            CAMPAIGN.format(name=name, table=table, units=units, quorum=quorum, n_step=n_step)
        )
        return path

    return write


@pytest.fixture
def project(tmp_path: Path, frozen_apps: Path) -> Iterator[LiveProject]:
    """Serve a new project with the signed app published in it."""
    live = LiveProject(tmp_path / "project", port=free_port())
    live.initialise(QUICK, name="Test project")
    live.publish(frozen_apps, keys=tmp_path / "keys")
    live.start()
    try:
        yield live
    finally:
        live.kill()


@pytest.fixture
def new_client(tmp_path: Path, project: LiveProject) -> Iterator[Callable[..., StockClient]]:
    """Return a function that makes stock clients of the project; all are killed at the end."""
    if find_stock_client() is None:
        missing("client", "the stock client is not installed (apt-get install boinc-client)")
    made: list[StockClient] = []

    def make(name: str = "client", **options: object) -> StockClient:
        options.setdefault("speed", CLOCK)
        client = StockClient(tmp_path / name, project.url, port=free_port(), **options)  # type: ignore[arg-type]
        made.append(client)
        return client

    yield make
    for client in made:
        client.kill_all()
