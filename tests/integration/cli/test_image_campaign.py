"""Campaigns of images on the command line, from bad files to a stack."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from apps.images.compute.built import load_kernel
from tests.unit.apps.images.plan.image_campaign import write_campaign, write_field
from tests.unit.apps.images.plan.sky.headers import sky, write

ROOT = Path(__file__).parents[3]
TEXT = '[images]\nfiles = ["night"]\n[reference]\nchoose = true\n[reproject]\nframes_per_unit = 2\n'


def openastro(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
    )


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    write_field(tmp_path / "night")
    return write_campaign(tmp_path, TEXT)


def test_a_bad_image_is_one_sentence(campaign: Path) -> None:
    write(campaign.parent / "night" / "raw.fits", sky())
    done = openastro(campaign.parent, "campaign", "validate", campaign.name)
    assert done.returncode == 2
    assert "campaign.toml:8: [images] night/raw.fits has no WCS" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plan_says_that_computing_here_is_better(campaign: Path) -> None:
    if load_kernel() is None:
        pytest.skip("the kernel was not built")
    done = openastro(campaign.parent, "campaign", "plan", campaign.name)
    assert done.returncode == 0, done.stderr
    assert "Computing it here is the better choice" in done.stdout
    assert "pixels of the grid" in done.stdout
    assert len(done.stdout.splitlines()) <= 20
    full = openastro(campaign.parent, "campaign", "plan", campaign.name, "--all")
    assert "Pixels of the grid" in full.stdout
    assert "Prices, rented: " in full.stdout
    assert "All 2 units are needed" in done.stdout
    told = json.loads(
        openastro(campaign.parent, "campaign", "plan", campaign.name, "--json").stdout
    )
    assert told["advice"] == {**told["advice"], "venue": "local", "n_unit": 2}
    assert told["remark"] == ""


def test_a_run_here_ends_with_an_image_and_is_repeated_for_nothing(campaign: Path) -> None:
    if load_kernel() is None:
        pytest.skip("the kernel was not built")
    done = openastro(campaign.parent, "campaign", "run-local", campaign.name, "--out", "here")
    assert done.returncode == 0, done.stderr
    assert "All 2 units are done and merged." in done.stdout
    here = campaign.parent / "here"
    image = here / "product" / "image.fits"
    before = {path: path.stat().st_mtime_ns for path in here.rglob("output.fits")}
    pixels = image.read_bytes()[-100_000:]
    again = openastro(campaign.parent, "campaign", "run-local", campaign.name, "--out", "here")
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in here.rglob("output.fits")} == before
    assert image.read_bytes()[-100_000:] == pixels
    # Inputs are other names of the bytes in the store, not copies.
    assert {path.stat().st_nlink for path in here.rglob("frame_*.fits")} == {2}
