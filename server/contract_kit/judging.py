"""Forged and foreign outputs before an application's judge."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from boinc_project.unit import Unit
from boinc_project.verdict import Verdict
from server.contract_kit.finding import Finding, judged
from server.contract_kit.hostile import Forged, damaged_outputs, hostile_outputs
from server.contract_kit.subject import Subject, Whole


def refuses(subject: Subject, wholes: Mapping[str, Whole], rng: random.Random) -> Finding:
    """Ask an application about good, forged and foreign outputs.

    Parameters
    ----------
    subject : Subject
        The application.
    wholes : Mapping[str, Whole]
        A good output of each unit, by the unit's name.
    rng : random.Random
        Chooses what is damaged.
    """
    unit = subject.longest
    inputs = _inputs(subject, unit)
    good = wholes[unit.name]
    hostile = hostile_outputs(good.data, rng)
    hostile += [
        Forged(f"the output of {other.name}", wholes[other.name].data)
        for other in subject.units
        if other != unit
    ]
    damaged = damaged_outputs(good.data, rng)
    path = subject.directory / "forged"
    faults = _of_good_outputs(subject, wholes)
    for forged in (*hostile, *damaged):
        path.write_bytes(forged.data)
        verdict = _asked(subject, unit, path, inputs)
        if isinstance(verdict, str):
            faults.append(f"Given {forged.name}, check raised {verdict}.")
        elif verdict.is_valid and forged in hostile:
            faults.append(f"check accepts {forged.name}.")
        elif not _is_sentence(verdict.reason):
            faults.append(f"Given {forged.name}, check gives no sentence: {verdict.reason!r}.")
    name = "Hostile, truncated, empty and foreign outputs are refused"
    words = f"{len(hostile)} are refused with a sentence, {len(damaged)} damaged ones judged."
    return judged(name, faults, words)


def _of_good_outputs(subject: Subject, wholes: Mapping[str, Whole]) -> list[str]:
    faults = []
    for unit in subject.units:
        path = wholes[unit.name].path
        verdict = _asked(subject, unit, path, _inputs(subject, unit))
        if isinstance(verdict, str) or not verdict.is_valid:
            reason = verdict if isinstance(verdict, str) else verdict.reason
            faults.append(f"check does not accept the good output of {unit.name}: {reason}")
        elif not subject.app.compare(unit, path, path).is_valid:
            faults.append(f"compare says that the output of {unit.name} differs from itself.")
    return faults


def _inputs(subject: Subject, unit: Unit) -> dict[str, Path]:
    slot = subject.slot(unit)
    return {name: slot / name for name in unit.inputs}


def _asked(subject: Subject, unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict | str:
    """Return the verdict, or how asking failed."""
    try:
        verdict = subject.app.check(unit, path, inputs)
    except Exception as error:  # noqa: BLE001  whatever it raises is the fault that is looked for
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return verdict if isinstance(verdict, Verdict) else f"nothing but returned {verdict!r}"


def _is_sentence(text: str) -> bool:
    return bool(text.strip()) and "\n" not in text and text.rstrip().endswith((".", "!", "?"))
