"""A verdict: what the validator says of an output, or of two, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from boinc_project.errors import TransientError


class VerdictKind(StrEnum):
    """The three things a validator can say."""

    VALID = "valid"
    """It was looked at, there is evidence, and nothing speaks against it."""
    INVALID = "invalid"
    """It is not what the unit asks for, or the two disagree."""
    INCONCLUSIVE = "inconclusive"
    """There is too little evidence, or the validator itself failed. Never a pass."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verdict.

    Attributes
    ----------
    kind : VerdictKind
        What is said.
    reason : str
        Why, as one sentence for people.
    statistics : Mapping[str, float]
        The numbers behind it; plain floats, so that they can be stored as JSON.
    """

    kind: VerdictKind
    reason: str
    statistics: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_valid(self) -> bool:
        """Whether this is a pass."""
        return self.kind is VerdictKind.VALID

    @property
    def is_invalid(self) -> bool:
        """Whether this is a refusal."""
        return self.kind is VerdictKind.INVALID


def valid(reason: str, **statistics: float) -> Verdict:
    """Return a pass."""
    return Verdict(VerdictKind.VALID, reason, statistics)


def invalid(reason: str, **statistics: float) -> Verdict:
    """Return a refusal."""
    return Verdict(VerdictKind.INVALID, reason, statistics)


def inconclusive(reason: str, **statistics: float) -> Verdict:
    """Return that nothing can be said."""
    return Verdict(VerdictKind.INCONCLUSIVE, reason, statistics)


def closed(judge: Callable[..., Verdict], *arguments: Any, **options: Any) -> Verdict:
    """Return a judge's verdict, or say that there is none: a failing validator passes nothing.

    Raises
    ------
    TransientError
        If the verdict should be asked for again later.
    """
    try:
        verdict = judge(*arguments, **options)
    except TransientError:
        raise
    except Exception as error:  # noqa: BLE001  whatever went wrong, it is no evidence
        sentence = " ".join(str(error).split())[:300]
        return inconclusive(f"The validator failed: {type(error).__name__}: {sentence}")
    if not isinstance(verdict, Verdict):
        return inconclusive("The validator failed: it gave no verdict.")
    return verdict
