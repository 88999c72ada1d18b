"""An application of another package: frozen, signed, published, computed by two stock clients."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.volunteer.stock_client import StockClient
from boinc_project.states import Outcome, ValidateState
from server.demo.live_project import LiveProject
from server.demo.ports import free_port
from server.models import Result
from tests.e2e.conftest import QUICK, ROOT
from tests.integration.cli.test_your_own_app import FIRST_DIGITS, install

pytestmark = [
    pytest.mark.client,
    pytest.mark.frozen,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a new package, installed in its ``lib``."""
    folder = tmp_path_factory.mktemp("own")
    command = [sys.executable, "-m", "server.cli", "app", "new", "pi_digits"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    install(folder / "openastro-pi-digits", folder / "lib")
    return folder


@pytest.fixture
def frozen_apps(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Freeze it; everything that this test starts finds the package."""
    paths = [str(ROOT), str(package / "lib")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    out = package / "build" / "apps"
    command = [sys.executable, ROOT / "packaging" / "build.py", "pi_digits", "--out", out]
    # The environment is kept where those of the project's own apps are.
    command += ["--work", ROOT / "build" / "freeze-own"]
    subprocess.run(command, check=True, cwd=ROOT)
    return out


@pytest.fixture
def project(tmp_path: Path, frozen_apps: Path) -> Iterator[LiveProject]:
    """Serve a new project with the app published in it."""
    live = LiveProject(tmp_path / "project", port=free_port())
    live.initialise(QUICK, name="Test project")
    live.publish(frozen_apps, keys=tmp_path / "keys")
    live.start()
    try:
        yield live
    finally:
        live.kill()


def test_it_goes_from_a_package_to_a_product(
    package: Path,
    project: LiveProject,
    new_client: Callable[..., StockClient],
    results: Callable[[], list[Result]],
    tmp_path: Path,
) -> None:
    project.issue(package / "openastro-pi-digits" / "openastro_pi_digits" / "campaign.toml")
    clients = [new_client("ann"), new_client("ben")]
    for client, name in zip(clients, ("Ann", "Ben"), strict=True):
        key = project.create_account(name, f"{name}@example.org", "correct horse")
        client.start()
        client.wait_ready()
        client.attach(key)

    campaign = "pi-digits-first-digits"
    clients[0].wait(lambda: project.campaign(campaign)["state"] == "complete", timeout=400)

    done = results()
    assert len(done) == 8, "four units, each by both"
    assert {result.outcome for result in done} == {Outcome.SUCCESS}
    assert {result.validate_state for result in done} == {ValidateState.VALID}
    assert all(result.granted_credit > 0 for result in done)
    got = tmp_path / "got"
    project.run("results", "get", campaign, "--url", project.url, "--out", str(got))
    assert next(got.rglob("digits.txt")).read_text("ascii").startswith(f"1 {FIRST_DIGITS}")
    summary = json.loads(next(got.rglob("summary.json")).read_text("utf-8"))
    assert summary["converged"] is True
    assert campaign in project.run("campaign", "status", campaign).stdout
