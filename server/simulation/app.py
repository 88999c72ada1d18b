"""The simulated app: a unit is a few segments, each a number that only computing it tells.

What makes it useful is what it has in common with the real apps: an output consists of segments
that can be recomputed one by one, so its audit is a real audit; honest outputs of unlike platforms
differ in their last digits; and an output that is wrong in a part is wrong in that part only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from boinc_project.errors import UnitError
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, invalid, valid
from validator.credit import cobblestones

APP = "simulated"
SEGMENTS = 20
"""Segments of a unit."""
AUDITED = 4
"""Segments that one audit recomputes: with a fraction f of them wrong it finds that with
probability ``1 - (1 - f)**4`` at least (it draws without replacement)."""
TOLERANCE = 1e-9
"""Between platforms; segments lie in [0, 1)."""
MAX_NBYTES = 4096

referee = None
"""Other results decide where two disagree."""


def length_is_known(unit: Unit) -> bool:  # noqa: ARG001 - of every unit
    """Tell what `boinc_project.judge.Judge` asks."""
    return True


def one_word_is_enough(unit: Unit) -> bool:  # noqa: ARG001 - of every unit
    """Tell what `boinc_project.judge.Judge` asks."""
    return True


def segment(unit_digest: str, index: int, *, forger: str = "") -> float:
    """Return the true value of a segment, or what a group of forgers agreed upon."""
    data = f"{forger} {unit_digest} {index}".encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=6).digest()) / 2.0**48


def output_bytes(
    unit_digest: str, wrong: frozenset[int] = frozenset(), *, forger: str, noise: float = 0.0
) -> bytes:
    """Return an output.

    Parameters
    ----------
    unit_digest : str
        Of the unit that was asked for.
    wrong : frozenset[int]
        Segments that were not computed.
    forger : str
        Who made those up; equal names make equal values up.
    noise : float
        By how much this platform's arithmetic is off.
    """
    values = [
        segment(unit_digest, one, forger=forger)
        if one in wrong
        else segment(unit_digest, one) + noise
        for one in range(SEGMENTS)
    ]
    return json.dumps({"unit": unit_digest, "segments": values}).encode()


def check(unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
    """Judge one output by itself."""
    del inputs
    try:
        values = _read(unit, path)
    except (ValueError, KeyError, TypeError, UnitError) as error:
        return invalid(f"The output is not one of this unit: {error}.")
    if not all(0.0 <= value < 1.0 + TOLERANCE for value in values):
        return invalid("A segment is out of range.")
    return valid("Every segment is in range.")


def compare(unit: Unit, path_a: Path, path_b: Path) -> Verdict:
    """Compare two outputs segment by segment."""
    pairs = zip(_read(unit, path_a), _read(unit, path_b), strict=True)
    worst = max(abs(a - b) for a, b in pairs)
    if worst > TOLERANCE:
        return invalid("The outputs differ.", worst=worst)
    return valid("The outputs agree.", worst=worst)


def audit(
    unit: Unit,
    path: Path,
    inputs: Mapping[str, Path],
    /,
    *,
    rng: np.random.Generator,
    budget: float,
) -> Verdict:
    """Recompute some segments."""
    del inputs, budget
    values = _read(unit, path)
    drawn = rng.choice(SEGMENTS, size=AUDITED, replace=False)
    worst = max(abs(values[one] - segment(unit.digest, int(one))) for one in drawn)
    if worst > TOLERANCE:
        return invalid("A segment was not computed as asked.", worst=worst)
    return valid("All segments looked at were computed as asked.", worst=worst)


def can_be_canonical(output: Path) -> bool:
    """Tell whether an output can stand for its workunit: every whole one can."""
    del output
    return True


def credit(unit: Unit, output: Path) -> float:
    """Return what a unit is worth: its operations are known beforehand."""
    del output
    return cobblestones(float(unit.settings["fpops"]))


def _read(unit: Unit, path: Path) -> list[float]:
    data = path.read_bytes()
    if len(data) > MAX_NBYTES:
        raise UnitError("it is too long")
    raw = json.loads(data)
    if raw["unit"] != unit.digest:
        raise UnitError("it is of another unit")
    values = [float(value) for value in raw["segments"]]
    if len(values) != SEGMENTS:
        raise UnitError("segments are missing")
    return values
