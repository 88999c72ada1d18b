"""Programs that are killed anywhere, and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

QUIT = 3
"""Exit status of a program that was asked to quit, and did."""


def run_killed(program: str, slot: Path, seed: int, delays: tuple[float, float]) -> None:
    """Run a program in a slot to its end, at least once interrupted on the way.

    Parameters
    ----------
    program : str
        Python; it prints a line after its imports, and ends with `QUIT` when it is terminated.
    slot : Path
        Its argument.
    seed : int
        Of delays and signals.
    delays : tuple[float, float]
        Seconds after the imports between which it is hit.
    """
    rng = np.random.default_rng(seed)
    endings = []
    for _ in range(4):
        number = signal.SIGKILL if rng.random() < 0.75 else signal.SIGTERM
        endings.append(_episode(program, slot, rng.uniform(*delays), number))
        if endings[-1] == 0:
            break
    if endings[-1] != 0:
        assert _episode(program, slot, None, signal.SIGKILL) == 0
    assert endings[0] in (-signal.SIGKILL, QUIT), "the machine was too fast to be disturbed"


def _episode(program: str, slot: Path, delay: float | None, number: signal.Signals) -> int:
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(slot)], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert child.stdout is not None
    with child.stdout:
        child.stdout.readline()
        try:
            return child.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            child.send_signal(number)
            return child.wait()
