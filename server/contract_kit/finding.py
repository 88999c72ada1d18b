"""A finding of the contract kit."""

from __future__ import annotations

from dataclasses import dataclass

from boinc_project.errors import OpenAstroError


class KitError(OpenAstroError):
    """An application could not be tested, or did what it must not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question.

    Attributes
    ----------
    name : str
        The promise, for people.
    passed : bool
        Whether it is kept.
    sentence : str
        What was seen.
    """

    name: str
    passed: bool
    sentence: str


def judged(name: str, faults: list[str], sentence: str) -> Finding:
    """Return a finding that passes with `sentence`, or fails with the first of the faults."""
    if not faults:
        return Finding(name, True, sentence)
    more = f" And {len(faults) - 1} more." if len(faults) > 1 else ""
    return Finding(name, False, faults[0] + more)
