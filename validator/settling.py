"""Disagreements that the server settles itself: whoever is wrong is found so without a third host.

Before anybody is outvoted, an app's referee computes again what two outputs disagree about. Its
word is better evidence than a majority: outputs that it refutes are out, however many they are, and
one that it confirms against a refuted one has the server's computing on its side, which counts as
one more output that agrees. For each part of the confirmed output there are then as many
computations as for a plain quorum: where the two had agreed there is the other's, and where
they had not the server's.

What the referee does not decide stays as the comparison left it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from boinc_project.errors import TransientError
from boinc_project.judge import Judge
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, valid

Pair = tuple[int, int]
"""Two outputs, the smaller number first."""
BOTH_RIGHT = "What it and another result differ in was computed again, and lies between the two."


@dataclass(frozen=True, slots=True)
class Settled:
    """What the referee found.

    Attributes
    ----------
    pairs : Mapping[Pair, tuple[Verdict, Verdict]]
        Its verdicts on both outputs of each pair that it was asked about.
    refuted : Mapping[int, Verdict]
        Outputs a part of which was computed again and is another.
    confirmed : Mapping[int, Verdict]
        Outputs that are right wherever anybody disagrees with them, and that a refuted one
        disagrees with.
    comparisons : Mapping[Pair, Verdict]
        All comparisons; two outputs both of which the referee found right agree.
    """

    pairs: Mapping[Pair, tuple[Verdict, Verdict]] = field(default_factory=dict)
    refuted: Mapping[int, Verdict] = field(default_factory=dict)
    confirmed: Mapping[int, Verdict] = field(default_factory=dict)
    comparisons: Mapping[Pair, Verdict] = field(default_factory=dict)


def settle(
    unit: Unit,
    outputs: Mapping[int, Path],
    comparisons: Mapping[Pair, Verdict],
    *,
    app: Judge,
    inputs: Mapping[str, Path],
) -> Settled:
    """Let the app's referee look at all pairs that do not agree.

    Parameters
    ----------
    unit, outputs, app, inputs
        See `validator.quorum.decide`.
    comparisons : Mapping[Pair, Verdict]
        The verdict on each pair that was compared.

    Raises
    ------
    TransientError
        If the verdict should be asked for again later.
    """
    if app.referee is None:
        return Settled(comparisons=comparisons)
    pairs = {
        (a, b): _ask(app, unit, outputs[a], outputs[b], inputs)
        for (a, b), verdict in comparisons.items()
        if not verdict.is_valid
    }
    refuted: dict[int, Verdict] = {}
    for pair, verdicts in sorted(pairs.items()):
        for one, verdict in zip(pair, verdicts, strict=True):
            if verdict.is_invalid:
                refuted.setdefault(one, verdict)
    return Settled(
        pairs=pairs,
        refuted=refuted,
        confirmed=_confirmed(pairs, refuted),
        comparisons={
            pair: valid(BOTH_RIGHT) if _both_right(pairs.get(pair)) else verdict
            for pair, verdict in comparisons.items()
        },
    )


def _ask(
    app: Judge, unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path]
) -> tuple[Verdict, Verdict]:
    """Return the referee's verdicts; one that fails says nothing of either."""
    assert app.referee is not None
    try:
        first, second = app.referee(unit, path_a, path_b, inputs)
        if isinstance(first, Verdict) and isinstance(second, Verdict):
            return first, second
        reason = "it gave no verdict"
    except TransientError:
        raise
    except Exception as error:  # noqa: BLE001  whatever went wrong, it is no evidence
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    nothing = inconclusive(f"The disagreement could not be settled: {reason}")
    return nothing, nothing


def _both_right(verdicts: tuple[Verdict, Verdict] | None) -> bool:
    return verdicts is not None and all(verdict.is_valid for verdict in verdicts)


def _confirmed(
    pairs: Mapping[Pair, tuple[Verdict, Verdict]], refuted: Mapping[int, Verdict]
) -> dict[int, Verdict]:
    """Return who is right in all disagreements, at least one of them with a refuted output."""
    said: dict[int, list[tuple[int, Verdict]]] = {}
    for (a, b), (of_a, of_b) in sorted(pairs.items()):
        said.setdefault(a, []).append((b, of_a))
        said.setdefault(b, []).append((a, of_b))
    confirmed = {}
    for one, found in said.items():
        against = [verdict for other, verdict in found if other in refuted]
        if against and all(verdict.is_valid for _, verdict in found):
            confirmed[one] = against[0]
    return confirmed
