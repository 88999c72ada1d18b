from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from apps.runtime.errors import SlotBusy
from apps.runtime.lock import lock_slot
from apps.ttv.output import content_digest, read_ttv_output
from apps.ttv.plan import units as ttv
from boinc_project.campaign import Campaign, Progress
from boinc_project.unit import Unit, seal
from server.executors.local import ComputationFailed, LocalPool, Task
from tests.integration.campaigns.conftest import cheap_campaign


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    """Return one that lasts long enough to be looked at: with the slow engine."""
    fast = cheap_campaign()
    settings = {**fast.settings, "model": {**fast.settings["model"], "engine": "ttvfast"}}
    return replace(fast, settings=settings)


@pytest.fixture(scope="module")
def units(campaign: Campaign) -> list[Unit]:
    return ttv.plan(campaign, Progress())


def task(campaign: Campaign, unit: Unit, directory: Path) -> Task:
    slot = directory / unit.name
    seal(unit, {name: campaign.inputs[name] for name in unit.inputs}, slot)
    return Task(unit.name, unit.app, slot)


def is_held(slot: Path) -> bool:
    """Tell whether a worker has the slot, by the very lock that it takes."""
    try:
        lock = lock_slot(slot, wait=0.0, clock=time.monotonic, sleep=time.sleep)
    except SlotBusy:
        return True
    lock.release()
    return False


def test_tasks_are_computed_and_progress_is_told(
    campaign: Campaign, units: list[Unit], tmp_path: Path
) -> None:
    tasks = [task(campaign, unit, tmp_path) for unit in units]
    told: list[Mapping[str, float]] = []
    LocalPool(2).run(tasks, told.append)
    for unit, one in zip(units, tasks, strict=True):
        assert read_ttv_output(one.slot / "output.h5").unit_digest == unit.digest
    assert told[-1] == {unit.name: 1.0 for unit in units}
    seen = [fractions[units[0].name] for fractions in told if units[0].name in fractions]
    assert seen == sorted(seen)
    assert any(0.0 < fraction < 1.0 for fraction in seen)


def test_no_more_than_so_many_at_once(
    campaign: Campaign, units: list[Unit], tmp_path: Path
) -> None:
    tasks = [task(campaign, unit, tmp_path) for unit in units]

    def look(fractions: Mapping[str, float]) -> None:
        assert sum(fraction < 1.0 for fraction in fractions.values()) <= 1

    LocalPool(1).run(tasks, look)


def test_a_unit_that_cannot_be_computed_is_named_with_its_reason(
    campaign: Campaign, units: list[Unit], tmp_path: Path
) -> None:
    good, bad = (task(campaign, unit, tmp_path) for unit in units)
    (bad.slot / "transits.csv").write_text("tampered\n")
    with pytest.raises(ComputationFailed, match=r"kepler-9_g0_u001 .* does not match its digest"):
        LocalPool(2).run([good, bad])
    assert not (bad.slot / "output.h5").exists()


def test_an_interrupt_leaves_checkpoints_and_no_processes(
    campaign: Campaign, units: list[Unit], tmp_path: Path
) -> None:
    one = task(campaign, units[0], tmp_path / "a")

    def interrupt(fractions: Mapping[str, float]) -> None:
        if fractions[one.name] > 0.0:
            raise KeyboardInterrupt

    pool = LocalPool(1)
    with pytest.raises(KeyboardInterrupt):
        pool.run([one], interrupt)
    assert list(one.slot.glob("checkpoint*"))
    assert not (one.slot / "output.h5").exists()
    pool.run([one])  # goes on; a worker that was left would hold the slot
    undisturbed = task(campaign, units[0], tmp_path / "b")
    pool.run([undisturbed])
    first, second = (read_ttv_output(each.slot / "output.h5") for each in (one, undisturbed))
    assert content_digest(first) == content_digest(second)


def test_workers_leave_when_their_pool_is_killed(
    campaign: Campaign, units: list[Unit], tmp_path: Path
) -> None:
    one = task(campaign, units[0], tmp_path)
    pid = os.fork()
    if pid == 0:  # a pool of its own, to be killed without warning
        try:
            LocalPool(1).run([one])
        finally:
            os._exit(0)
    waiting = time.monotonic() + 120
    while not (one.slot / "stderr.txt").exists():
        assert time.monotonic() < waiting
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    # Its worker leaves: the slot becomes free, with or without the output.
    deadline = time.monotonic() + 120
    while is_held(one.slot):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    LocalPool(1).run([one])
    assert read_ttv_output(one.slot / "output.h5").unit_digest == units[0].digest
