"""Kill the nested app anywhere, start it again, and the output is the same, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.nested.compute import checkpoint
from apps.nested.compute.unit import replay, run
from apps.nested.output import content_digest, read_nested_output
from apps.runtime.checkpoint import CheckpointFile
from apps.runtime.runtime import open_runtime
from apps.ttv.compute.table import parse_table
from boinc_project.errors import UnitError
from boinc_project.unit import Unit, open_unit, seal
from tests.killing import run_killed
from tests.unit.apps.nested.validate import nested_case
from tests.unit.apps.ttv.validate import ttv_case

# The real app in a process of its own, with a checkpoint after every segment.
EPISODE = """
import sys
from pathlib import Path
from apps.nested.compute import unit as ttv_nested
from apps.runtime.errors import QuitRequested
from apps.runtime.runtime import open_runtime
from boinc_project.unit import open_unit
slot = Path(sys.argv[1])
inputs = {name: slot / name for name in ("unit.json", "transits.csv")}
with open_runtime(slot, checkpoint_period=0.0, catch_signals=True) as runtime:
    print("ready", flush=True)
    try:
        ttv_nested.run(open_unit(inputs), inputs, slot / "output.h5", runtime)
    except QuitRequested:
        sys.exit(3)
"""


@pytest.fixture(scope="module")
def unit() -> Unit:
    return nested_case.make_unit()


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
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_anywhere_the_output_is_the_same(
    tmp_path: Path, unit: Unit, undisturbed: Path, seed: int
) -> None:
    slot = make_slot(tmp_path / "slot", unit)
    run_killed(EPISODE, slot, seed, (0.01, 0.6))
    assert (slot / "output.h5").read_bytes() == undisturbed.read_bytes()


@pytest.mark.parametrize("n_poll", [1, 2, 40, 500])
def test_interrupted_at_any_batch_the_output_is_the_same(
    tmp_path: Path, unit: Unit, undisturbed: Path, n_poll: int
) -> None:
    """With a damaged newest checkpoint on top: the one before it is whole."""
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
    newest = slot / checkpoint.CHECKPOINT_FILE
    if newest.exists():
        newest.write_bytes(newest.read_bytes()[:-1000])
    assert compute(slot) == undisturbed.read_bytes()


def test_a_run_with_a_proposal_resumes_and_replays_the_same(tmp_path: Path) -> None:
    """From a checkpoint of the cube's coordinates, one more than there are parameters."""
    proposed = nested_case.make_unit(proposal=nested_case.proposal())
    slot = make_slot(tmp_path / "slot", proposed)
    n_segment = 0

    def reached(fraction: float) -> None:
        nonlocal n_segment
        n_segment += 1
        if n_segment == 4:
            raise KeyboardInterrupt

    with open_runtime(slot, checkpoint_period=0.0) as runtime:
        runtime.set_fraction_done = reached  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            run(proposed, inputs_of(slot), slot / "output.h5", runtime)
    assert (slot / checkpoint.CHECKPOINT_FILE).exists()
    compute(slot)
    output = read_nested_output(slot / "output.h5")
    assert output.live_u.shape == (80, 5)
    assert content_digest(output) == content_digest(nested_case.proposed_case().output)
    last = output.n_segment - 1
    again = replay(proposed, parse_table(ttv_case.table()), output, last)
    np.testing.assert_array_equal(again.live_u, output.live_u)
    np.testing.assert_array_equal(again.live_logl, output.live_logl)


def test_a_whole_checkpoint_that_is_no_run_starts_again(
    tmp_path: Path, unit: Unit, undisturbed: Path
) -> None:
    slot = make_slot(tmp_path / "slot", unit)
    file = CheckpointFile(
        slot / checkpoint.CHECKPOINT_FILE,
        unit.digest,
        format_version=checkpoint.CHECKPOINT_FORMAT,
    )
    file.save(b"not a run")
    assert compute(slot) == undisturbed.read_bytes()


def test_the_output_says_what_was_computed(undisturbed: Path, unit: Unit) -> None:
    output = read_nested_output(undisturbed)
    assert output.unit_digest == unit.digest
    assert output.live_u.shape == (80, 4)
    assert output.parameter_names[0] == "b.period"
    assert content_digest(output) == content_digest(nested_case.case().output)


@pytest.mark.parametrize("number", [0, 5, -1])
def test_any_segment_can_be_replayed(undisturbed: Path, unit: Unit, number: int) -> None:
    """From one mark to the next; a changed point anywhere before it must show."""
    output = read_nested_output(undisturbed)
    number %= output.n_segment
    table = parse_table(ttv_case.table())
    again = replay(unit, table, output, number)
    first, last = number * output.segment, (number + 1) * output.segment
    np.testing.assert_array_equal(again.dead_u, output.dead_u[first:last])
    np.testing.assert_array_equal(again.live_u, output.live_at(last)[0])
    np.testing.assert_array_equal(again.live_logl, output.live_at(last)[1])
    other = replay(unit, table, output, (number + 1) % output.n_segment)
    assert not np.array_equal(other.live_u, again.live_u)


def test_a_unit_without_its_table_is_refused(tmp_path: Path, unit: Unit) -> None:
    slot = make_slot(tmp_path / "slot", unit)
    with open_runtime(slot) as runtime, pytest.raises(UnitError, match=r"transits\.csv is missing"):
        run(unit, {"unit.json": slot / "unit.json"}, slot / "output.h5", runtime)
