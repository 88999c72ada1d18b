"""Inputs that are not what the unit says: no output is made of them."""

from __future__ import annotations

from pathlib import Path

from boinc_project.states import ExitStatus
from boinc_project.unit import UNIT_FILE
from server.contract_kit.finding import Finding, judged
from server.contract_kit.running import episode
from server.contract_kit.subject import Subject


def digests(subject: Subject) -> Finding:
    """Change each file of a unit in turn, and see that the app refuses it."""
    unit = subject.longest
    faults = []
    for name in (UNIT_FILE, *unit.inputs):
        slot = subject.slot(unit)
        _change(slot / name)
        with episode(subject, slot) as running:
            status = running.until_over()
            if status != ExitStatus.BAD_INPUT:
                faults.append(f"With another {name} the app ended with status {status}.")
        if (slot / subject.output_file).exists():
            faults.append(f"With another {name} the app wrote an output.")
    words = f"{UNIT_FILE} and {len(unit.inputs)} other files are refused if they are changed."
    return judged("The digests of inputs are honoured", faults, words)


def _change(path: Path) -> None:
    data = path.read_bytes()
    # Large inputs are links to a store, which has to stay as it is.
    path.unlink()
    path.write_bytes(data + b" ")
