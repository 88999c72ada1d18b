"""The application of another package in ``examples/apps``: its tests, and the contract."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "examples" / "apps" / "period"
# An installation writes the package's metadata; that needs no network.
METADATA = "import setuptools; setuptools.setup()"

pytestmark = pytest.mark.skipif(
    find_spec("nifty_ls") is None or find_spec("finufft") is None,
    reason="nifty-ls and finufft are not installed",
)


def run(words: Sequence[str], lib: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with the package as if it were installed."""
    inherited = os.environ.get("PYTHONPATH", "")
    paths = [str(ROOT), str(PACKAGE), str(lib), *filter(None, inherited.split(os.pathsep))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *words],
        cwd=PACKAGE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def lib(tmp_path: Path) -> Path:
    """Return a directory with the package's metadata, its entry point among them."""
    words = ["-W", "ignore", "-c", METADATA, "-q", "egg_info", "--egg-base", str(tmp_path)]
    done = run(words, tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_its_own_tests_pass(tmp_path: Path) -> None:
    done = run(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]


def test_its_powers_are_the_exact_ones(tmp_path: Path) -> None:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_engine.py"]
    done = run(words, tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_keeps_the_contract(lib: Path) -> None:
    done = run(["-m", "server.cli", "app", "test", "period", "--kills", "1"], lib)
    assert done.returncode == 0, done.stdout + done.stderr
