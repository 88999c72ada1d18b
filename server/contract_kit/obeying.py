"""Quit and suspend: obeyed within a second of the app's CPU time."""

from __future__ import annotations

import random
import time

from server.contract_kit.episode import LOOK_PERIOD, Episode
from server.contract_kit.finding import Finding, KitError, judged
from server.contract_kit.running import episode, finish
from server.contract_kit.subject import Subject, Whole

LIMIT = 1.0
"""CPU seconds that an app may go on: volunteers notice more."""
STILL = 1.0
"""Seconds for which a suspended process must stand still to be believed."""
STILL_CPU, STILL_SHARE = 0.03, 0.3
"""CPU seconds, and share of the looks that see it run, of a process that only looks at its
channels five times a second."""
MAX_GOING_ON = 10.0
"""CPU seconds after which an app has not obeyed."""


def quits(subject: Subject, whole: Whole, moments: random.Random) -> Finding:
    """Terminate a unit, and resume it."""
    name = "Quit (SIGTERM) is obeyed within a second"
    slot = subject.slot(subject.longest)
    with episode(subject, slot) as running:
        if not running.until_cpu(_moment(whole, moments)):
            raise KitError("The unit was done before it could be asked to quit.")
        asked = running.cpu
        running.terminate()
        running.until(lambda: running.is_over or running.cpu - asked > MAX_GOING_ON)
        taken = running.cpu - asked
        faults = [] if taken <= LIMIT else [_late(taken, over=running.is_over)]
        if running.is_over and (running.until_over() != 0 or running.has_finished):
            # Without the file the client starts it again.
            faults.append(f"It did not leave as one that goes on later: {running.last_words}")
    if finish(subject, slot).data != whole.data:
        faults.append("After a quit the output has other bytes.")
    return judged(name, faults, f"It took {taken:.2f} s of CPU, and went on later.")


def suspends(subject: Subject, whole: Whole, moments: random.Random) -> Finding:
    """Suspend a unit, look whether it stands still, and resume it."""
    name = "Suspend is obeyed within a second"
    slot = subject.slot(subject.longest)
    with episode(subject, slot) as running:
        if not running.until_cpu(_moment(whole, moments)):
            raise KitError("The unit was done before it could be suspended.")
        asked = running.cpu
        running.ask("suspend")
        taken, still = _until_still(running, asked)
        faults = [] if still and taken <= LIMIT else [_late(taken, over=running.is_over)]
        running.ask("resume")
        running.until_over()
    if finish(subject, slot).data != whole.data:
        faults.append("After a suspend the output has other bytes.")
    return judged(name, faults, f"It took {taken:.2f} s of CPU, and went on later.")


def _moment(whole: Whole, moments: random.Random) -> float:
    """Return a moment early enough that something is left to do, however fast the machine is."""
    return whole.start + moments.uniform(0.1, 0.5) * whole.work


def _late(taken: float, *, over: bool) -> str:
    if over:
        return f"It went on for {taken:.1f} s of CPU, to its end: call `poll` more often."
    return f"It went on for {taken:.1f} s of CPU: call `poll` more often."


def _until_still(running: Episode, asked: float) -> tuple[float, bool]:
    """Return the CPU seconds until a process stands still, and whether it does."""
    while running.cpu - asked <= MAX_GOING_ON and not running.is_over:
        before, n_look, n_running = running.cpu, 0, 0
        end = time.monotonic() + STILL
        while time.monotonic() < end:
            n_look += 1
            # A process that waits for a busy processor is running, too.
            n_running += running.look() == "R"
            time.sleep(LOOK_PERIOD)
        if running.cpu - before <= STILL_CPU and n_running <= STILL_SHARE * n_look:
            return before - asked, not running.is_over
    return running.cpu - asked, False
