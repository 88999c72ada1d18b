"""Kill the app anywhere, start it again, and the output is the same, bit for bit."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.runtime.checkpoint import CHECKPOINT_FILE, CheckpointFile
from apps.runtime.runtime import open_runtime
from apps.ttv.compute.chain import replay, run
from apps.ttv.compute.model import TimingModel
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import parse_table
from apps.ttv.output import content_digest, read_ttv_output
from boinc_project.errors import UnitError
from boinc_project.unit import Unit, open_unit, seal
from tests.killing import run_killed

POINT = [20.0, 10.0, 0.03, -0.02, 3.0, 30.0, 20.3, -0.01, 0.04, 7.0]
WIDTH = np.array([1.0, 1e-3, 1e-2, 1e-2, 1e-3] * 2)
N_WALKER, N_STEP, THIN = 20, 60, 3

# The real app in a process of its own, with a checkpoint after every step.
EPISODE = """
import sys
from pathlib import Path
from apps.ttv.compute import chain as ttv_mcmc
from apps.runtime.errors import QuitRequested
from apps.runtime.runtime import open_runtime
from boinc_project.unit import open_unit
slot = Path(sys.argv[1])
inputs = {name: slot / name for name in ("unit.json", "transits.csv")}
with open_runtime(slot, checkpoint_period=0.0, catch_signals=True) as runtime:
    print("ready", flush=True)
    try:
        ttv_mcmc.run(open_unit(inputs), inputs, slot / "output.h5", runtime)
    except QuitRequested:
        sys.exit(3)
"""


def settings() -> dict[str, Any]:
    def uniform(low: float, high: float) -> dict[str, Any]:
        return {"kind": "uniform", "low": low, "high": high}

    parameters = []
    for planet, period, t0 in (("b", 10.0, 3.0), ("c", 20.3, 7.0)):
        parameters += [
            {"name": f"{planet}.mass", "prior": uniform(0.0, 100.0)},
            {"name": f"{planet}.period", "prior": uniform(period - 0.5, period + 0.5)},
            {"name": f"{planet}.eccentricity", "prior": uniform(0.0, 0.3)},
            {"name": f"{planet}.t0", "prior": uniform(t0 - 1.0, t0 + 1.0)},
        ]
    start = POINT + WIDTH * np.random.default_rng(1).normal(size=(N_WALKER, 10))
    planets = [{"name": "b", "observed": True}, {"name": "c", "observed": True}]
    return {
        "model": {
            "star_mass": 1.0,
            "epoch": 0.0,
            "end": 100.0,
            "dt": 0.5,
            "engine": "ttvfast",
            "planets": planets,
        },
        "parameters": parameters,
        "sampler": {
            "n_walker": N_WALKER,
            "n_step": N_STEP,
            "thin": THIN,
            "moves": [["de", 0.7], ["snooker", 0.3]],
        },
        "start": start.tolist(),
    }


def table_bytes() -> bytes:
    times = TimingModel(Problem.from_mapping(settings())).transit_times(POINT)
    rows = ["planet,epoch,bkjd,sigma_days"]
    for planet, model_times in zip("bc", times, strict=True):
        rows += [f"{planet},{i},{t:.6f},0.01" for i, t in enumerate(model_times[:-1])]
    return "\n".join(rows).encode() + b"\n"


@pytest.fixture(scope="module")
def unit() -> Unit:
    digest = hashlib.sha256(table_bytes()).hexdigest()
    return Unit("ttv_mcmc", 100, "simulated", 42, 0, 0, settings(), {"transits.csv": digest})


def make_slot(directory: Path, unit: Unit) -> Path:
    seal(unit, {"transits.csv": table_bytes()}, directory)
    return directory


def inputs_of(slot: Path) -> dict[str, Path]:
    return {name: slot / name for name in ("unit.json", "transits.csv")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, unit: Unit) -> Path:
    slot = make_slot(tmp_path_factory.mktemp("undisturbed"), unit)
    with open_runtime(slot) as runtime:
        run(open_unit(inputs_of(slot)), inputs_of(slot), slot / "output.h5", runtime)
    return slot / "output.h5"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_anywhere_the_output_is_the_same(
    tmp_path: Path, unit: Unit, undisturbed: Path, seed: int
) -> None:
    slot = make_slot(tmp_path / "slot", unit)
    run_killed(EPISODE, slot, seed, (0.01, 0.4))
    assert (slot / "output.h5").read_bytes() == undisturbed.read_bytes()


def test_a_damaged_checkpoint_costs_time_only(
    tmp_path: Path, unit: Unit, undisturbed: Path
) -> None:
    slot = make_slot(tmp_path / "slot", unit)
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == 80:  # about 30 steps on: one call for each group of walkers
            raise KeyboardInterrupt

    with open_runtime(slot, checkpoint_period=0.0) as runtime:
        runtime.poll = poll  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            run(unit, inputs_of(slot), slot / "output.h5", runtime)
    newest = slot / CHECKPOINT_FILE
    newest.write_bytes(newest.read_bytes()[:-1000])
    with open_runtime(slot) as runtime:
        run(unit, inputs_of(slot), slot / "output.h5", runtime)
    assert (slot / "output.h5").read_bytes() == undisturbed.read_bytes()


def test_a_whole_checkpoint_that_is_no_chain_starts_again(
    tmp_path: Path, unit: Unit, undisturbed: Path
) -> None:
    slot = make_slot(tmp_path / "slot", unit)
    CheckpointFile(slot / CHECKPOINT_FILE, unit.digest).save(b"not a chain")
    with open_runtime(slot) as runtime:
        run(unit, inputs_of(slot), slot / "output.h5", runtime)
    assert (slot / "output.h5").read_bytes() == undisturbed.read_bytes()


def test_output_says_what_was_computed(undisturbed: Path, unit: Unit) -> None:
    output = read_ttv_output(undisturbed)
    assert output.unit_digest == unit.digest
    assert output.draws.shape == (N_STEP // THIN, N_WALKER, 10)
    assert output.n_likelihood == N_WALKER * (N_STEP + 1)
    assert output.parameter_names[0] == "b.mass"
    assert (output.accepted <= N_STEP).all()
    assert output.accepted.sum() > 0
    assert content_digest(output) == content_digest(read_ttv_output(undisturbed))


@pytest.mark.parametrize("draw", [0, 7, N_STEP // THIN - 2])
def test_any_segment_can_be_replayed(undisturbed: Path, unit: Unit, draw: int) -> None:
    """From one stored draw to the next; a changed coordinate anywhere in it must show."""
    output = read_ttv_output(undisturbed)
    table = parse_table(table_bytes())
    first_step = (draw + 1) * THIN + 1
    coords, log_prob = replay(
        unit, table, output.draws[draw], output.log_prob[draw], first_step, THIN
    )
    np.testing.assert_array_equal(coords[-1], output.draws[draw + 1])
    np.testing.assert_array_equal(log_prob[-1], output.log_prob[draw + 1])
    other, _ = replay(unit, table, output.draws[draw], output.log_prob[draw], first_step + 1, THIN)
    assert not np.array_equal(other[-1], output.draws[draw + 1])


def test_a_unit_without_its_table_is_refused(tmp_path: Path, unit: Unit) -> None:
    slot = make_slot(tmp_path / "slot", unit)
    with open_runtime(slot) as runtime, pytest.raises(UnitError, match=r"transits\.csv is missing"):
        run(unit, {"unit.json": slot / "unit.json"}, slot / "output.h5", runtime)
