"""Two volunteers' stock clients carry images from their files to one co-added image."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from apps.volunteer.stock_client import StockClient
from boinc_project.states import Outcome, ValidateState
from server.demo.images import simulate
from server.demo.live_project import LiveProject
from server.models import Result
from tests.e2e.conftest import ROOT

pytestmark = [
    pytest.mark.client,
    pytest.mark.frozen,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

PASSWORD = "correct horse"


@pytest.fixture(scope="session")
def frozen_apps() -> Path:
    """Freeze the app of images, unless it is there already."""
    out = ROOT / "build" / "apps"
    subprocess.run(
        [sys.executable, ROOT / "packaging" / "build.py", "reprojection", "--out", out],
        check=True,
        cwd=ROOT,
    )
    return out


def test_images_from_files_to_a_stack(
    project: LiveProject,
    new_client: Callable[..., StockClient],
    results: Callable[[], list[Result]],
    tmp_path: Path,
) -> None:
    simulate(tmp_path / "goto", n_frame=3)
    campaign = tmp_path / "goto-stack.toml"
    campaign.write_text((ROOT / "examples" / "goto-stack.toml").read_text())
    clients = [new_client("ann"), new_client("ben")]
    for client, name in zip(clients, ("Ann", "Ben"), strict=True):
        key = project.create_account(name, f"{name.lower()}@example.org", PASSWORD)
        client.start()
        client.wait_ready()
        client.attach(key)
    project.issue(campaign)

    clients[0].wait(lambda: project.campaign("goto-stack")["state"] == "complete", timeout=300)

    done = results()
    assert len(done) == 6
    assert {result.outcome for result in done} == {Outcome.SUCCESS}
    assert {result.validate_state for result in done} == {ValidateState.VALID}
    assert all(result.granted_credit > 0 for result in done)

    product = project.directory / "products" / "goto-stack"
    summary = json.loads((product / "summary.json").read_text())
    assert summary["converged"] is True
    assert summary["n_frame"] == 3
    for name in ("preview.png", "coverage.png"):
        assert (product / name).read_bytes().startswith(b"\x89PNG")
    with fits.open(product / "image.fits") as hdus:
        image = next(hdu.data for hdu in hdus if hdu.data is not None)
    assert np.isfinite(image).mean() > 0.9

    # The local executor, with the same kernel and the same checks, gives the same pixels.
    project.run("campaign", "run-local", str(campaign), "--out", str(tmp_path / "local"))
    with fits.open(tmp_path / "local" / "product" / "image.fits") as hdus:
        local = next(hdu.data for hdu in hdus if hdu.data is not None)
    assert np.array_equal(image, local, equal_nan=True)
