"""Checkpoints: written when they are wanted, and gone on from."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from apps.runtime.channels import MMAP_FILE
from apps.runtime.finish import FINISH_FILE
from apps.runtime.init_data import INIT_DATA_FILE
from apps.runtime.lock import LOCK_FILE
from boinc_project.unit import UNIT_FILE
from server.contract_kit.episode import STDERR_FILE, Episode
from server.contract_kit.finding import Finding, judged
from server.contract_kit.running import episode, finish
from server.contract_kit.subject import Subject, Whole

LIMIT = 60.0
"""CPU seconds that a kill may lose."""
KILLED_AT, LEFT = 0.8, 0.6
"""Share of the work after which the unit is killed, and the most that may be left of it then: with
a checkpoint every tenth of a second a fifth is left, without any all of it."""
RUNTIME_FILES = {MMAP_FILE, FINISH_FILE, INIT_DATA_FILE, LOCK_FILE, UNIT_FILE, STDERR_FILE}


def checkpoints(subject: Subject, whole: Whole) -> Finding:
    """Watch a unit's checkpoints, kill it, and see how much of it is computed again."""
    slot = subject.slot(subject.longest)
    not_checkpoints = RUNTIME_FILES | {subject.output_file, *subject.longest.inputs}
    with episode(subject, slot) as running:
        moments = [running.cpu]
        last: object = None

        def watch() -> bool:
            nonlocal last
            seen = _seen(running, not_checkpoints)
            if seen != last:
                last = seen
                moments.append(running.cpu)
            return running.cpu >= whole.start + KILLED_AT * whole.work

        running.until(watch)
        moments.append(running.cpu)
        was_seen = last != (0.0, ())
    gap = max(later - earlier for earlier, later in pairwise(moments))
    left = finish(subject, slot).work / whole.work
    faults = []
    if not was_seen:
        faults.append("No checkpoint was seen, though the client wanted one ten times a second.")
    if gap > LIMIT:
        faults.append(f"There was no checkpoint for {gap:.0f} s of CPU.")
    if left > LEFT:
        faults.append(
            f"Killed after {KILLED_AT:.0%} of its work, it computed {left:.0%} of it again."
        )
    name = "A checkpoint at least every minute"
    words = f"At most {gap:.1f} s of CPU between two; after a kill {left:.0%} were left to do."
    return judged(name, faults, words)


def _seen(running: Episode, not_checkpoints: set[str]) -> tuple[float, tuple[object, ...]]:
    """Return what a checkpoint changes: its moment as the app tells it, and files of the slot."""
    files = []
    for path in sorted(running.slot.iterdir()):
        if path.name not in not_checkpoints:
            files.append((path.name, _moment(path)))
    return running.status.checkpoint_cpu_time, tuple(files)


def _moment(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # renamed between two looks
        return 0
