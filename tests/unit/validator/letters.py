"""An app of texts, for tests of what is done with verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from boinc_project.judge import Audit, Referee
from boinc_project.states import ValidateState
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, invalid, valid
from validator.quorum import Decision

VALID, INVALID, INCONCLUSIVE = (
    ValidateState.VALID,
    ValidateState.INVALID,
    ValidateState.INCONCLUSIVE,
)


@dataclass
class Letters:
    """An app whose outputs are texts: they agree by their first letter.

    ``!`` fails its check, ``?`` cannot be judged, ``*`` breaks the validator, ``-`` can be compared
    with nothing.
    """

    audit: Audit | None = None
    referee: Referee | None = None
    n_check: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path], /) -> Verdict:
        self.n_check += 1
        text = path.read_text()
        if text.startswith("!"):
            return invalid("It is bad.")
        if text.startswith("?"):
            return inconclusive("Nobody knows.")
        if text.startswith("*"):
            raise RuntimeError("broken\nvalidator")
        return valid("It is good.")

    def compare(self, unit: Unit, path_a: Path, path_b: Path, /) -> Verdict:
        a, b = path_a.read_text(), path_b.read_text()
        self.asked.append((a, b))
        if "-" in (a[0], b[0]):
            return inconclusive("Too little evidence.")
        if "~" in (a[0], b[0]):
            raise ZeroDivisionError("division")
        return valid("They agree.") if a[0] == b[0] else invalid("They disagree.")

    def can_be_canonical(self, output: Path, /) -> bool:
        """Texts that end in a comma are digests only; a semicolon breaks the validator."""
        if output.read_text().endswith(";"):
            raise RuntimeError("broken")
        return not output.read_text().endswith(",")

    def credit(self, unit: Unit, output: Path) -> float:
        return 1.0


def written(directory: Path, texts: Sequence[str]) -> dict[int, Path]:
    """Write outputs, numbered from 0."""
    outputs = {number: directory / str(number) for number in range(len(texts))}
    for number, text in enumerate(texts):
        outputs[number].write_text(text)
    return outputs


def states(decision: Decision) -> list[ValidateState]:
    return [decision.states[one] for one in sorted(decision.states)]
