"""Two outputs of one unit, opened and looked at before their numbers are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, invalid, valid


class Output(Protocol):
    """What is asked of an output."""

    @property
    def unit_digest(self) -> str:
        """The digest of its unit."""
        ...


Kind = TypeVar("Kind", bound=Output)


def open_both(
    unit: Unit,
    paths: tuple[Path, Path],
    *,
    read: Callable[[Path], Kind],
    digest: Callable[[Kind], str],
    shape: Callable[[Kind], Any],
    is_finite: Callable[[Kind], bool],
) -> tuple[Kind, Kind] | Verdict:
    """Return two outputs, or the verdict if there is nothing more to compare.

    Parameters
    ----------
    unit : Unit
        Of which they should be.
    paths : tuple[Path, Path]
        Of the outputs.
    read : Callable
        Reads an output; what it raises is not caught.
    digest : Callable
        Of an output's numbers.
    shape : Callable
        What must be equal for numbers to correspond.
    is_finite : Callable
        Whether all numbers of an output are.

    Returns
    -------
    tuple or Verdict
        In the order of their digests: the same numbers whichever comes first.
    """
    (digest_a, a), (digest_b, b) = sorted(
        ((digest(one), one) for one in map(read, paths)), key=lambda pair: pair[0]
    )
    if {a.unit_digest, b.unit_digest} != {unit.digest}:
        return invalid("The outputs are not both of this unit.")
    if digest_a == digest_b:
        return valid("Its numbers equal those of the other result, bit for bit.")
    if shape(a) != shape(b):
        return invalid("The two outputs have different shapes.")
    if not (is_finite(a) and is_finite(b)):
        return invalid("An output has numbers that are not finite.")
    return a, b
