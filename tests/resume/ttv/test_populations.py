"""Interrupt a unit of populations anywhere, start it again: the output is the same, bit for bit."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from apps.runtime.checkpoint import CHECKPOINT_FILE, CheckpointFile
from apps.runtime.runtime import open_runtime
from apps.ttv.compute.chain import run
from apps.ttv.compute.population import checkpoint
from apps.ttv.compute.population.settings import PopulationUnit
from apps.ttv.population_output import content_digest, read_population_output
from boinc_project.errors import UnitError
from boinc_project.unit import Unit, open_unit, seal
from tests.killing import run_killed
from tests.resume.ttv.test_ttv_mcmc import EPISODE
from tests.unit.apps.ttv.validate import population_case, ttv_case


@pytest.fixture(scope="module")
def unit() -> Unit:
    return population_case.make_unit()


def make_slot(directory: Path, unit: Unit) -> Path:
    seal(unit, {"transits.csv": ttv_case.table()}, directory)
    return directory


def inputs_of(slot: Path) -> dict[str, Path]:
    return {name: slot / name for name in ("unit.json", "transits.csv")}


def compute(slot: Path) -> bytes:
    with open_runtime(slot) as runtime:
        run(open_unit(inputs_of(slot)), inputs_of(slot), slot / "output.h5", runtime)
    return (slot / "output.h5").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, unit: Unit) -> Path:
    slot = make_slot(tmp_path_factory.mktemp("undisturbed"), unit)
    compute(slot)
    return slot / "output.h5"


@pytest.mark.slow
def test_killed_anywhere_the_output_is_the_same(
    tmp_path: Path, unit: Unit, undisturbed: Path
) -> None:
    slot = make_slot(tmp_path / "slot", unit)
    run_killed(EPISODE, slot, 1, (0.01, 0.3))
    assert (slot / "output.h5").read_bytes() == undisturbed.read_bytes()


# The real app in a process of its own, with a checkpoint after every step, that dies of SIGKILL
# after so many batches.
DYING = """
import os, signal, sys
from pathlib import Path
from apps.ttv.compute import chain as ttv_mcmc
from apps.runtime.runtime import open_runtime
from boinc_project.unit import open_unit
slot, left = Path(sys.argv[1]), int(sys.argv[2])
inputs = {name: slot / name for name in ("unit.json", "transits.csv")}
def poll():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
with open_runtime(slot, checkpoint_period=0.0) as runtime:
    runtime.poll = poll
    ttv_mcmc.run(open_unit(inputs), inputs, slot / "output.h5", runtime)
"""


@pytest.mark.parametrize(("n_poll", "in_search"), [(15, True), (40, True), (110, False)])
def test_killed_in_the_search_or_in_the_population_the_output_is_the_same(
    tmp_path: Path, unit: Unit, undisturbed: Path, n_poll: int, in_search: bool
) -> None:
    slot = make_slot(tmp_path / "slot", unit)
    program = [sys.executable, "-c", DYING, str(slot), str(n_poll)]
    assert subprocess.run(program, check=False).returncode == -signal.SIGKILL
    file = CheckpointFile(
        slot / CHECKPOINT_FILE, unit.digest, format_version=checkpoint.CHECKPOINT_FORMAT
    )
    payload = file.load()
    assert payload is not None
    state = checkpoint.from_bytes(payload, PopulationUnit.from_mapping(unit.settings))
    assert (state.outcome is None) == in_search
    assert in_search or state.archipelago.moving is not None
    assert compute(slot) == undisturbed.read_bytes()


@pytest.mark.parametrize("is_damaged", [False, True])
@pytest.mark.parametrize("n_poll", [1, 25, 40])
def test_interrupted_at_any_batch_the_output_is_the_same(
    tmp_path: Path, unit: Unit, undisturbed: Path, n_poll: int, is_damaged: bool
) -> None:
    """A damaged newest checkpoint costs time only: the one before it is whole."""
    slot = make_slot(tmp_path / "slot", unit)
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == n_poll:
            raise KeyboardInterrupt

    with open_runtime(slot, checkpoint_period=0.0) as runtime:
        runtime.poll = poll  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            run(unit, inputs_of(slot), slot / "output.h5", runtime)
    newest = slot / CHECKPOINT_FILE
    assert newest.exists() == (n_poll > 1)
    if is_damaged and newest.exists():
        newest.write_bytes(newest.read_bytes()[:-1000])
    assert compute(slot) == undisturbed.read_bytes()


def test_a_whole_checkpoint_that_is_no_population_starts_again(
    tmp_path: Path, unit: Unit, undisturbed: Path
) -> None:
    slot = make_slot(tmp_path / "slot", unit)
    file = CheckpointFile(
        slot / CHECKPOINT_FILE, unit.digest, format_version=checkpoint.CHECKPOINT_FORMAT
    )
    file.save(b"no populations")
    assert compute(slot) == undisturbed.read_bytes()


def test_the_output_says_what_was_computed(undisturbed: Path, unit: Unit) -> None:
    output = read_population_output(undisturbed)
    assert output.unit_digest == unit.digest
    assert output.points.shape[2] == 4
    assert content_digest(output) == content_digest(population_case.case().output)


def test_a_unit_without_its_table_is_refused(tmp_path: Path, unit: Unit) -> None:
    slot = make_slot(tmp_path / "slot", unit)
    with open_runtime(slot) as runtime, pytest.raises(UnitError, match=r"transits\.csv is missing"):
        run(unit, {"unit.json": slot / "unit.json"}, slot / "output.h5", runtime)
