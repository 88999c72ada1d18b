"""The preparation on the command line: kept, told, and begun again."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.ttv.plan import second_opinion
from server.executors.kept import CACHE_DIRECTORY, PROJECT_DIRECTORY
from tests.unit.apps.ttv.validate import ttv_case

TOY = """\
[campaign]
name = "toy"
title = "A toy"
app = "ttv_mcmc"
seed = 11

[star]
mass = { value = 1.0, unit = "Msun" }

[data]
table = "toy.csv"

[[planets]]
name = "b"
mass = { value = 5.0, unit = "Mearth" }
period = { prior = "uniform", low = 9.9, high = 10.1, unit = "days" }
eccentricity = { value = 0.0 }
t0 = { prior = "uniform", low = 3.9, high = 4.1, unit = "BKJD" }

[[planets]]
name = "c"
observed = false
mass = { prior = "log_uniform", low = 5.0, high = 80.0, unit = "Mearth" }
period = { value = 20.3, unit = "days" }
eccentricity = { value = 0.0 }
t0 = { prior = "uniform", low = 6.0, high = 8.0, unit = "BKJD" }

[model]
epoch = { value = 1.0, unit = "BKJD" }
starts = 8

[sampler]
n_walker = 32
n_step = 40
thin = 4

[units]
per_generation = 2
max_units = 2
"""
USED_AGAIN = "Finding where the chains begin: found before, and used again."


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the campaign's file, of few points; the user's cache is empty."""
    monkeypatch.setattr(second_opinion, "MANY_POINTS", 200)
    monkeypatch.setattr(second_opinion, "POINTS_PER_PARAMETER", 50)
    monkeypatch.setattr(second_opinion, "FEW_POINTS", 200)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "toy.csv").write_bytes(ttv_case.table())
    path = tmp_path / "toy.toml"
    path.write_text(TOY)
    return path


def outputs(root: Path) -> list[Path]:
    return sorted(root.rglob("output.h5"))


def test_planned_and_then_computed_the_search_is_done_once(run, toy: Path, tmp_path: Path) -> None:
    nowhere = ("--project", tmp_path / "nowhere")
    first = run(*nowhere, "campaign", "plan", toy)
    assert first.returncode == 0, first.stderr
    assert "Finding where the chains begin: took" in first.stderr
    for words in ("Mode of 100 % of the posterior", "log Z by these draws", "Step: "):
        assert words in first.stdout
    (kept,) = outputs(tmp_path / "cache" / CACHE_DIRECTORY)
    written = kept.stat().st_mtime_ns
    local = run(*nowhere, "campaign", "run-local", toy, "--out", tmp_path / "out", "--jobs", "2")
    assert local.returncode == 0, local.stderr
    assert USED_AGAIN in local.stdout
    assert "Mode of 100 % of the posterior" in local.stdout
    assert outputs(tmp_path / "cache" / CACHE_DIRECTORY) == [kept]
    assert kept.stat().st_mtime_ns == written


def test_a_run_of_a_new_campaign_computes_the_second_opinion_beside_the_preparation(
    run, toy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run("--project", tmp_path / "nowhere", "campaign", "run-local", toy, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "Generation 0" not in done.stderr
    names = sorted(path.parent.name for path in outputs(out))
    assert names == ["toy_g0_u000", "toy_g0_u001", "toy_g0_u1000001"]
    (kept,) = outputs(tmp_path / "cache")
    assert kept.parent.parent == tmp_path / "cache" / CACHE_DIRECTORY


def test_a_project_keeps_its_preparations(run, project: Path, toy: Path, tmp_path: Path) -> None:
    (project / PROJECT_DIRECTORY).unlink()
    done = run("--project", project, "campaign", "plan", toy)
    assert done.returncode == 0, done.stderr
    assert len(outputs(project / PROJECT_DIRECTORY)) == 1
    assert not (tmp_path / "cache").exists()
    again = run("--project", project, "campaign", "plan", toy)
    assert USED_AGAIN in again.stderr
    anew = run("--project", project, "campaign", "plan", toy, "--again")
    assert "Finding where the chains begin: took" in anew.stderr
