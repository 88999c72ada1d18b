"""Units from their slots to their outputs."""

from __future__ import annotations

from pathlib import Path

from boinc_project.unit import Unit
from server.contract_kit.episode import Episode
from server.contract_kit.finding import Finding, KitError
from server.contract_kit.subject import Subject, Whole

MIN_WORK = 0.5
"""CPU seconds: in less, no moment to disturb is hit for certain by a look every hundredth."""


def episode(subject: Subject, slot: Path) -> Episode:
    """Start the app in a slot."""
    return Episode(subject.app.computed_by(), slot)


def finish(subject: Subject, slot: Path) -> Whole:
    """Compute what is left of a unit in its slot.

    Raises
    ------
    KitError
        If the app does not end as it should.
    """
    with episode(subject, slot) as running:
        running.until(lambda: running.has_begun)
        start = running.cpu
        status = running.until_over()
        if status != 0 or not running.has_finished:
            raise KitError(f"The app ended with status {status}: {running.last_words}")
        path = slot / subject.output_file
        return Whole(path, path.read_bytes(), start, running.cpu)


def undisturbed(subject: Subject, unit: Unit) -> Whole:
    """Compute a unit."""
    return finish(subject, subject.slot(unit))


def long_enough(whole: Whole) -> Finding:
    """Tell whether a unit is long enough to be disturbed."""
    name = "The example is long enough to be disturbed"
    words = f"A unit takes {whole.work:.1f} s of CPU"
    if whole.work < MIN_WORK:
        return Finding(name, False, f"{words}: make it some seconds long.")
    return Finding(name, True, f"{words}.")


def repeated(subject: Subject, whole: Whole) -> Finding:
    """Tell whether a unit has the same bytes when it is computed again."""
    name = "Twice the same bytes"
    if undisturbed(subject, subject.longest).data == whole.data:
        return Finding(name, True, f"{len(whole.data):,} bytes, computed twice.")
    return Finding(name, False, "The unit was computed twice, and the two outputs differ.")
