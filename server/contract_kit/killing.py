"""Kills at random moments: whatever they hit, the output has the same bytes."""

from __future__ import annotations

import random
from itertools import pairwise

from server.contract_kit.finding import Finding, judged
from server.contract_kit.running import episode, finish
from server.contract_kit.subject import Subject, Whole

KILLS = 3
"""Kills of one unit, each in an episode of its own."""
LATEST = 0.9
"""Share of the work within which all kills fall, because CPU times differ by some per cent."""


def killed(subject: Subject, whole: Whole, moments: random.Random, rounds: int) -> Finding:
    """Compute a unit several times, killed at random moments of its CPU time.

    Parameters
    ----------
    subject : Subject
        The application.
    whole : Whole
        The unit that costs most, undisturbed.
    moments : random.Random
        Draws the moments.
    rounds : int
        Units to disturb.
    """
    faults, hits = [], 0
    for number in range(1, rounds + 1):
        slot = subject.slot(subject.longest)
        # Each goes on from about the last; what is lost with a kill makes the unit longer only.
        cuts = sorted(moments.uniform(0.0, LATEST) for _ in range(KILLS))
        for before, after in pairwise([0.0, *cuts]):
            with episode(subject, slot) as running:
                if not running.until_cpu(whole.start + (after - before) * whole.work):
                    break
            hits += 1
        if finish(subject, slot).data != whole.data:
            faults.append(f"Killed and resumed, the output has other bytes (round {number}).")
    name = "Killed at random moments and resumed, the same bytes"
    if not hits:
        faults.append("No kill has hit the computation: make the example's units longer.")
    return judged(name, faults, f"{hits} kills of {rounds} units left no trace.")
