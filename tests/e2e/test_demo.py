"""The demo, with our own small client: a whole campaign without the stock one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.frozen, pytest.mark.slow, pytest.mark.timeout(600)]


def test_demo_with_our_own_client(
    frozen_apps: Path, write_campaign: Callable[..., Path], tmp_path: Path
) -> None:
    campaign = write_campaign(units=2, quorum=2)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "server.cli", "demo", "--own-client", "--time-limit", "200"),
            *("--directory", str(tmp_path / "demo"), "--apps", str(frozen_apps)),
            *("--campaign", str(campaign)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    products = tmp_path / "demo" / "products" / "tiny"
    for name in ("posterior.h5", "posterior.nc", "oc.png", "corner.png"):
        assert (products / name).stat().st_size > 0
    summary = json.loads((products / "summary.json").read_text())
    assert summary["converged"] is False
    assert "our own small client" in done.stdout
    assert "sampled" in done.stdout
    assert "converged" not in done.stdout
    assert "campaigns/tiny" in done.stdout


def test_demo_without_an_app_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "server.cli", "demo", "--apps", str(tmp_path)),
            *("--directory", str(tmp_path / "demo")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "make app" in done.stderr
    assert "Traceback" not in done.stderr
