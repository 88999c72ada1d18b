"""A small fleet drives the real scheduler, transitioner and validator."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from boinc_project.campaign import Quorum
from boinc_project.unit import Unit
from server.cli import main
from server.simulation import app
from server.simulation.hosts import Character, Population, draw_traits, wrong_segments
from server.simulation.run import Simulation, run
from server.simulation.world import Work

SMALL = Simulation(
    population=Population(hosts=8, cheaters=0.0, broken=0.0, loss_rate=0.0, lifetime=1e4),
    work=Work(units=24, hours=2.0, quorum=Quorum(adaptive=True, delay_bound=3 * 86400.0)),
    seed=3,
    days=20.0,
)


def test_an_honest_fleet_finishes_and_the_same_seed_gives_the_same_numbers(tmp_path: Path) -> None:
    found = run(SMALL, tmp_path / "a")
    assert found.done == 24
    assert (found.false_accepts, found.false_rejects, found.reopened) == (0, 0, 0)
    assert 1.0 <= found.cost < 2.5
    assert found.rpcs + found.spared > 24
    assert found.days is not None
    again = run(SMALL, tmp_path / "b")
    real = {"rpc_ms": 0.0, "database_bytes": 0.0, "bytes_per_unit": 0.0}
    assert replace(found, **real) == replace(again, **real)


def test_forgers_get_nothing_in_and_no_credit(tmp_path: Path) -> None:
    """Half of the hosts forge each by itself; with a quorum of two nothing of it agrees."""
    bad = replace(SMALL, population=replace(SMALL.population, cheaters=0.5), seed=13)
    found = run(bad, tmp_path / "a")
    assert found.false_accepts == 0
    assert found.credit_of_cheaters == 0.0
    assert sum(found.caught.values()) > 0


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--hosts", "4", "--units", "4", "--days", "3", "--json"])
    assert ended.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["units"] == 4


def test_a_directory_that_is_in_use_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(SystemExit):
        main(["simulate", "--directory", str(tmp_path)])
    assert "is not empty" in capsys.readouterr().err


UNIT = Unit(app.APP, 100, "simulated", 1, 0, 0, {"fpops": 1e12})


def write(path: Path, *wrong: int, forger: str = "me", noise: float = 0.0) -> Path:
    path.write_bytes(app.output_bytes(UNIT.digest, frozenset(wrong), forger=forger, noise=noise))
    return path


def test_the_app_tells_right_from_wrong(tmp_path: Path) -> None:
    right, other = write(tmp_path / "a"), write(tmp_path / "b", noise=3e-11)
    wrong = write(tmp_path / "c", 5)
    assert app.check(UNIT, right, {}).is_valid
    assert app.compare(UNIT, right, other).is_valid
    assert app.compare(UNIT, right, wrong).is_invalid
    elsewhere = replace(UNIT, index=1)
    assert app.check(elsewhere, right, {}).is_invalid


def test_an_audit_finds_a_part_as_often_as_it_says(tmp_path: Path) -> None:
    """Two of 20 segments wrong, 4 drawn: 1 - C(18,4)/C(20,4) = 0.368; 500 audits, 4 sigma."""
    wrong = write(tmp_path / "c", 5, 6)
    rng = np.random.default_rng(1)
    found = sum(app.audit(UNIT, wrong, {}, rng=rng, budget=1.0).is_invalid for _ in range(500))
    assert abs(found / 500 - 0.368) < 4 * (0.368 * 0.632 / 500) ** 0.5


def test_characters() -> None:
    rng = np.random.default_rng(0)
    population = Population(hosts=400, cheaters=0.5, broken=0.2)
    traits = draw_traits(population, rng)
    assert {one.character for one in traits} == set(Character)
    assert wrong_segments(Character.HONEST, 0, population, rng) == frozenset()
    assert wrong_segments(Character.TURNCOAT, 29, population, rng) == frozenset()
    assert len(wrong_segments(Character.TURNCOAT, 30, population, rng)) == app.SEGMENTS
    assert len(wrong_segments(Character.LAZY, 0, population, rng)) == 2
