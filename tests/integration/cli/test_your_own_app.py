"""The tutorial for an application of one's own: its commands, in another package's place."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "developer" / "your-own-app.md").read_text(encoding="utf-8")
FIRST_DIGITS = "243F6A8885A308D3"
# An installation writes the package and its metadata; these two steps need no network.
INSTALL = "import setuptools; setuptools.setup()"


def commands() -> list[list[str]]:
    """Return the commands of the page, in their order."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one command of the page in `folder`, with what is installed in its ``lib``."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder / 'lib'}",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "COLUMNS": "200",
    }
    started = {"openastro": [sys.executable, "-m", "server.cli"], "python": [sys.executable]}
    done = subprocess.run(
        [*started[words[0]], *words[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done


def install(package: Path, lib: Path) -> None:
    """Do what ``pip install`` does, where nothing can be downloaded."""
    lib.mkdir()
    steps = ["egg_info", "--egg-base", str(lib), "build_py", "--build-lib", str(lib)]
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", INSTALL, "-q", *steps],
        cwd=package,
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which steps 1 and 2 of the page are done."""
    folder = tmp_path_factory.mktemp("own")
    new, pip, *_ = commands()
    done = run(new, folder)
    assert done.returncode == 0, done.stderr
    assert pip[:3] == ["pip", "install", "-e"]
    install(folder / pip[3], folder / "lib")
    return folder


def test_the_page_goes_from_an_empty_folder_to_a_campaign() -> None:
    verbs = [words[:3] for words in commands()]
    assert [words for words in verbs if words[0] == "openastro"][:4] == [
        ["openastro", "app", "new"],
        ["openastro", "campaign", "plan"],
        ["openastro", "campaign", "run-local"],
        ["openastro", "app", "test"],
    ]
    assert commands()[-1][3:5] == ["campaign", "issue"]


def test_its_campaign_is_planned_and_computed(folder: Path) -> None:
    for words in commands()[2:4]:
        done = run(words, folder)
        assert done.returncode == 0, done.stderr
    product = folder / "pi-digits-first-digits" / "product"
    lines = (product / "digits.txt").read_text("ascii").split("\n")
    assert lines[0].startswith(f"1 {FIRST_DIGITS}")
    summary = json.loads((product / "summary.json").read_text("utf-8"))
    assert summary["converged"] is True
    criteria = summary["report"]["criteria"]
    assert [(entry["met"], entry["sentence"]) for entry in criteria] == [(True, ""), (True, "")]


def test_its_own_tests_pass(folder: Path) -> None:
    package = folder / "openastro-pi-digits"
    done = run(["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(package)], folder)
    assert done.returncode == 0, done.stdout


def test_an_app_without_an_example_is_refused(folder: Path) -> None:
    done = run(["openastro", "app", "test", "ttv_mcmc"], folder)
    assert done.returncode == 2
    assert done.stderr.startswith("openastro: The app ttv_mcmc has no example")
    assert done.stderr.count("\n") == 1


def test_a_campaign_of_another_app_is_refused(folder: Path) -> None:
    file = folder / "openastro-pi-digits" / "openastro_pi_digits" / "campaign.toml"
    done = run(["openastro", "app", "test", "ttv_mcmc", "--campaign", str(file)], folder)
    assert done.returncode == 2
    assert "is a campaign of pi_digits, not of ttv_mcmc" in done.stderr


@pytest.mark.slow
def test_it_keeps_the_contract(folder: Path) -> None:
    (test,) = (words for words in commands() if words[:3] == ["openastro", "app", "test"])
    done = run(test, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "keeps the contract" in done.stdout
    assert done.stdout.count("passed") == 11


@pytest.mark.slow
def test_a_broken_promise_ends_with_exit_code_1(folder: Path) -> None:
    module = folder / "lib" / "openastro_pi_digits" / "__init__.py"
    good = module.read_text("utf-8")
    # As if it had been written without thinking of resuming, or of strangers.
    bad = good.replace("digits = read_digits(unit, path)\n", "return valid('Fine.')\n", 1)
    assert bad != good
    try:
        module.write_text(bad, encoding="utf-8")
        done = run(["openastro", "app", "test", "pi_digits", "--kills", "1"], folder)
    finally:
        module.write_text(good, encoding="utf-8")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "check accepts an empty file" in done.stdout
    assert "1 of 11 failed" in done.stdout
