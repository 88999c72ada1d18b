"""Preparations: computed by workers, kept by their digest, and used again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from apps.ttv.plan import second_opinion
from apps.ttv.plan import units as ttv
from boinc_project.campaign import Campaign, Progress, StopRule
from boinc_project.errors import InputError
from boinc_project.unit import Unit
from server.executors.kept import CACHE_DIRECTORY, PROJECT_DIRECTORY, Kept, directory_of
from server.executors.local import LocalPool, Task
from server.executors.preparing import Preparing
from tests.unit.apps.nested.validate import nested_case
from tests.unit.apps.ttv.validate import ttv_case
from work_generator.definition import to_definition

SAMPLER = {"n_walker": 12, "n_step": 60, "thin": 3, "moves": [["de", 1.0]]}


def toy(**settings: Any) -> Campaign:
    """Return a campaign as it is read from a file, with one unseen planet."""
    return Campaign(
        name="toy",
        title="A toy",
        description="",
        app="ttv_mcmc",
        seed=11,
        settings={
            "model": {**nested_case.MODEL, "dt": None, "modified_kick": None},
            "parameters": nested_case.PARAMETERS,
            "starts": 8,
            "sampler": SAMPLER,
            **settings,
        },
        inputs={"transits.csv": ttv_case.table()},
        units_per_generation=2,
        stop=StopRule(max_units=4),
        source="toy",
    )


@pytest.fixture(autouse=True)
def _few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a preparation a matter of a second."""
    monkeypatch.setattr(second_opinion, "MANY_POINTS", 200)
    monkeypatch.setattr(second_opinion, "POINTS_PER_PARAMETER", 50)


class Told:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self.sentences: list[str] = []
        self.seconds: list[float | None] = []

    def preparing(self, done: int, total: int) -> None:
        self.shares.append(done / total)

    def says(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def prepared(self, campaign: Campaign, seconds: float | None) -> None:
        assert ttv.is_prepared(campaign)
        self.seconds.append(seconds)


class Counting(LocalPool):
    """A pool that counts what it computes."""

    def __init__(self) -> None:
        super().__init__(2)
        self.names: list[str] = []

    def run(self, tasks: Sequence[Task], progress: Any = None) -> None:
        self.names += [task.name for task in tasks]
        super().run(tasks, progress)


def preparing(root: Path, **changes: Any) -> Preparing:
    return Preparing(root, Counting(), time.monotonic, Told(), **changes)


def told(preparing: Preparing) -> Told:
    assert isinstance(preparing.listener, Told)
    return preparing.listener


def names(preparing: Preparing) -> list[str]:
    assert isinstance(preparing.pool, Counting)
    return preparing.pool.names


def the_unit(campaign: Campaign) -> Unit:
    return ttv.preparing(campaign)[0]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A directory with a preparation of the toy, and the campaign's definition by it."""
    root = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(second_opinion, "MANY_POINTS", 200)
        patch.setattr(second_opinion, "POINTS_PER_PARAMETER", 50)
        first = preparing(root)
        done = to_definition(first.prepare(toy()))
        assert names(first) == ["toy_g0_u1000000"]
        (seconds,) = told(first).seconds
        assert seconds is not None
        assert told(first).shares == sorted(told(first).shares)
        assert told(first).shares[-1] == 1.0
    return root, done


def test_what_is_kept_is_used_again(once: tuple[Path, bytes]) -> None:
    again = preparing(once[0])
    assert to_definition(again.prepare(toy())) == once[1]
    assert names(again) == []
    assert told(again).seconds == [None]


def test_it_is_what_one_process_computes_by_itself(once: tuple[Path, bytes]) -> None:
    assert to_definition(ttv.prepare(toy())) == once[1]


def test_another_sampler_needs_no_other_preparation(once: tuple[Path, bytes]) -> None:
    again = preparing(once[0])
    longer = again.prepare(toy(sampler={**SAMPLER, "n_step": 600}))
    assert names(again) == []
    assert longer.settings["sampler"]["n_step"] == 600


@pytest.fixture
def copy(once: tuple[Path, bytes], tmp_path: Path) -> Path:
    """A copy of the kept preparation, to be damaged."""
    unit = the_unit(toy())
    source, target = (Kept(root, print).slot(unit) for root in (once[0], tmp_path))
    target.mkdir(parents=True)
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return tmp_path


def damaged(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "a bit":
        data[len(data) // 2] ^= 1
    elif how == "cut":
        del data[-100:]
    else:
        data.clear()
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("how", ["a bit", "empty"])
def test_what_is_damaged_is_told_and_set_aside_and_made_anew(
    copy: Path, once: tuple[Path, bytes], how: str
) -> None:
    output = Kept(copy, print).slot(the_unit(toy())) / "output.h5"
    damaged(output, how)
    again = preparing(copy)
    assert to_definition(again.prepare(toy())) == once[1]
    assert names(again) == ["toy_g0_u1000000"]
    (sentence,) = told(again).sentences
    assert "set aside" in sentence
    assert output.with_name("output.h5.damaged").exists()
    third = preparing(copy)
    third.prepare(toy())
    assert names(third) == []


def test_an_output_whose_digest_was_not_written_yet_is_judged(
    copy: Path, once: tuple[Path, bytes]
) -> None:
    """Whoever computed it died in between."""
    slot = Kept(copy, print).slot(the_unit(toy()))
    (slot / "output.sha256").unlink()
    again = preparing(copy)
    assert to_definition(again.prepare(toy())) == once[1]
    assert names(again) == []
    (slot / "output.sha256").unlink()
    damaged(slot / "output.h5", "cut")
    third = preparing(copy)
    assert to_definition(third.prepare(toy())) == once[1]
    assert names(third) != []


def test_again_means_again(copy: Path, once: tuple[Path, bytes]) -> None:
    again = preparing(copy, again=True)
    assert to_definition(again.prepare(toy())) == once[1]
    assert names(again) == ["toy_g0_u1000000"]


def test_units_that_need_no_preparation_are_computed_beside_it(tmp_path: Path) -> None:
    campaign = toy()
    asked: list[str] = []

    def beside(units: Sequence[Unit]) -> list[Task]:
        asked.extend(unit.name for unit in units)
        return []

    prepared = preparing(tmp_path).prepare(campaign, beside=beside)
    second = ttv.plan(prepared, Progress())[-1]
    assert asked == [second.name]
    assert second.digest == ttv.preparing(campaign)[1].digest


def test_a_preparation_that_fails_says_why(tmp_path: Path) -> None:
    """With a mass that throws the seen planet out of its period, whatever the rest."""
    parameters = [
        {"name": "b.period", "prior": {"kind": "uniform", "low": 14.0, "high": 14.1}}
        if one["name"] == "b.period"
        else one
        for one in nested_case.PARAMETERS
    ]
    with pytest.raises(InputError, match=r"The period of b is .* in the campaign file"):
        preparing(tmp_path).prepare(toy(parameters=parameters))


PROGRAM = """
import sys, time
from pathlib import Path
from server.executors.local import LocalPool
from server.executors.preparing import Preparing
from tests.integration.executors.test_preparing import Told, toy
from apps.ttv.plan import second_opinion
from work_generator.definition import to_definition
second_opinion.MANY_POINTS, second_opinion.POINTS_PER_PARAMETER = 200, 50
class Loud(Told):
    def preparing(self, done, total):
        print("computing", flush=True)
preparing = Preparing(Path(sys.argv[1]), LocalPool(1), time.monotonic, Loud())
Path(sys.argv[2]).write_bytes(to_definition(preparing.prepare(toy())))
"""


def started(root: Path, result: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, str(root), str(result)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path.cwd())


def ended(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    with process.stdout:
        process.stdout.read()
        return process.wait()


def test_two_at_once_compute_once(tmp_path: Path, once: tuple[Path, bytes]) -> None:
    results = [tmp_path / name for name in ("a", "b")]
    both = [started(tmp_path / "kept", result) for result in results]
    assert [ended(process) for process in both] == [0, 0]
    assert [result.read_bytes() for result in results] == [once[1]] * 2


def test_killed_and_begun_again_the_preparation_is_the_same(
    tmp_path: Path, once: tuple[Path, bytes]
) -> None:
    """The process and, a moment later, its worker: SIGKILL to both."""
    root, result = tmp_path / "kept", tmp_path / "result"
    process = started(root, result)
    assert process.stdout is not None
    process.stdout.readline()
    workers = children_of(process.pid)
    for pid in (process.pid, *workers):
        os.kill(pid, signal.SIGKILL)
    assert ended(process) == -signal.SIGKILL
    assert workers
    assert not result.exists()
    assert ended(started(root, result)) == 0
    assert result.read_bytes() == once[1]


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def test_preparations_of_a_project_lie_in_it(tmp_path: Path) -> None:
    environment: Mapping[str, str] = {"XDG_CACHE_HOME": "/cache"}
    assert directory_of(tmp_path, environment) == tmp_path / PROJECT_DIRECTORY
    assert directory_of(None, environment) == Path("/cache") / CACHE_DIRECTORY
    for unusable in ({}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "here"}):
        assert directory_of(None, unusable) == Path.home() / ".cache" / CACHE_DIRECTORY
