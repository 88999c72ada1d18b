"""Which of a workunit's outputs are true: BOINC's quorum, over verdicts that fail closed.

The rules are those of ``sched/validate_util2.cpp`` (``check_set`` and ``check_pair``): outputs that
fail their own check are out; every pair of the others is compared; an output that enough others
agree with becomes canonical, and stands for the workunit from then on. Where ours are stricter:

- BOINC asks for ``min_quorum / 2 + 1`` agreeing outputs, so that a quorum of three passes with two.
  Here, as the campaign file says, ``min_quorum`` outputs must agree. For quorums of one and two,
  both rules are the same.
- BOINC takes the first output with enough matches. If two groups that contradict each other both
  have enough, the larger one wins here, and none if they are equal: another result decides.
- An output that could not be compared (too little evidence, or the validator failed) is
  inconclusive, where BOINC would call it invalid.
- A pair is compared once, so that agreement is symmetric whatever the comparison does.
- Where the app has a referee, what two outputs disagree about is computed again before anybody is
  outvoted; see `validator.settling`. One output that is right wins against any number of equal
  wrong ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

from boinc_project.errors import TransientError
from boinc_project.judge import Judge
from boinc_project.states import ValidateState
from boinc_project.unit import Unit, file_digest
from boinc_project.verdict import Verdict, VerdictKind, closed, inconclusive, valid
from validator.settling import Pair, Settled, settle

_STATES = {
    VerdictKind.VALID: ValidateState.VALID,
    VerdictKind.INVALID: ValidateState.INVALID,
    VerdictKind.INCONCLUSIVE: ValidateState.INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What the quorum says of every output it was given.

    Attributes
    ----------
    canonical : int | None
        The output that stands for the workunit, if there is one.
    states : Mapping[int, ValidateState]
        VALID, INVALID or INCONCLUSIVE for every output.
    reasons : Mapping[int, str]
        Why, as one sentence for people each.
    failed : frozenset[int]
        INVALID outputs that failed their own check, before any comparison, and those refuted.
    checks : Mapping[int, Verdict]
        The verdict on each output by itself.
    comparisons : Mapping[tuple[int, int], Verdict]
        The verdict on each pair that was compared, smaller id first: the quorum's evidence.
    settled : Settled
        What the referee found about those that do not agree.
    """

    canonical: int | None
    states: Mapping[int, ValidateState]
    reasons: Mapping[int, str]
    failed: frozenset[int] = frozenset()
    checks: Mapping[int, Verdict] = field(default_factory=dict)
    comparisons: Mapping[Pair, Verdict] = field(default_factory=dict)
    settled: Settled = field(default_factory=Settled)


def decide(
    unit: Unit,
    outputs: Mapping[int, Path],
    *,
    min_quorum: int,
    app: Judge,
    inputs: Mapping[str, Path],
    canonical: int | None = None,
    checks: Mapping[int, Verdict] | None = None,
    wrong: Verdict | None = None,
) -> Decision:
    """Decide which outputs of a workunit are true.

    Parameters
    ----------
    unit : Unit
        What was asked for.
    outputs : Mapping[int, Path]
        The uploaded files, by any number that tells them apart.
    min_quorum : int
        Outputs that must agree, at least 1.
    app : Judge
        Judges outputs; see `boinc_project.application.Application.judging`.
    inputs : Mapping[str, Path]
        The unit's other input files, by logical name.
    canonical : int, optional
        The output that was found canonical before, and is among `outputs`: then the others are
        compared with it, and it is neither checked nor reported again.
    checks : Mapping[int, Verdict], optional
        What `check_all` said of the other outputs, if it was asked before.
    wrong : Verdict, optional
        What is wrong with `canonical`, if that was found out since: nothing agrees with it then.

    Raises
    ------
    TransientError
        If a verdict should be asked for again later. Any other failure of the validator makes the
        output it concerns inconclusive.
    ValueError
        If `min_quorum` is less than 1, or `canonical` is not among `outputs`.
    """
    if min_quorum < 1:
        raise ValueError(f"min_quorum is {min_quorum}, less than 1")
    if canonical is not None and canonical not in outputs:
        raise ValueError("the canonical output is not among the outputs")
    new = sorted(outputs.keys() - {canonical})
    if checks is None:
        checks = check_all(unit, {one: outputs[one] for one in new}, app=app, inputs=inputs)
    good = [one for one in new if checks[one].is_valid]
    pairs = combinations(good, 2) if canonical is None else _with(canonical, good)
    comparisons = {
        (a, b): closed(app.compare, unit, outputs[a], outputs[b])
        for a, b in (sorted(pair) for pair in pairs)
    }
    settled = settle(unit, outputs, comparisons, app=app, inputs=inputs)
    if canonical is not None and wrong is not None:
        settled = replace(settled, refuted={**settled.refuted, canonical: wrong})
    standing = _Standing.of(good, settled, min_quorum)
    winner = canonical
    if canonical is None:
        winner = _winner(standing, lambda one: _stands(app, outputs[one]))
    states, reasons = {}, {}
    for one in new:
        verdict = checks[one]
        if one in settled.refuted:
            verdict = settled.refuted[one]
        elif verdict.is_valid:
            found = None if canonical is None else settled.refuted.get(canonical)
            verdict = _against(one, winner, standing) if found is None else _beside(found)
        states[one], reasons[one] = _STATES[verdict.kind], verdict.reason
    return Decision(
        canonical=winner,
        states=states,
        reasons=reasons,
        failed=frozenset(one for one in new if checks[one].is_invalid or one in settled.refuted),
        checks={one: checks[one] for one in new},
        comparisons=comparisons,
        settled=settled,
    )


@dataclass(frozen=True, slots=True)
class _Standing:
    """The outputs that nothing has refuted, and what they have to say for themselves.

    Attributes
    ----------
    good : list[int]
        Those, but for a canonical one found before.
    comparisons : Mapping[Pair, Verdict]
        Of those that are not refuted with one another.
    confirmed : Mapping[int, Verdict]
        Those with which the server's own computing agrees.
    min_quorum : int
        Outputs that must agree.
    """

    good: list[int]
    comparisons: Mapping[Pair, Verdict]
    confirmed: Mapping[int, Verdict]
    min_quorum: int

    @classmethod
    def of(cls, good: list[int], settled: Settled, min_quorum: int) -> _Standing:
        out = settled.refuted.keys()
        return cls(
            [one for one in good if one not in out],
            {pair: one for pair, one in settled.comparisons.items() if not out & set(pair)},
            settled.confirmed,
            min_quorum,
        )

    def of_one(self, one: int) -> list[tuple[Pair, Verdict]]:
        """Return the comparisons of one output."""
        return [(pair, verdict) for pair, verdict in self.comparisons.items() if one in pair]

    def agreeing(self, one: int) -> int:
        """Return how many agree with an output, itself and the server's computing included."""
        others = sum(verdict.is_valid for _, verdict in self.of_one(one))
        return 1 + others + (one in self.confirmed)


def check_all(
    unit: Unit,
    outputs: Mapping[int, Path],
    *,
    app: Judge,
    inputs: Mapping[str, Path],
) -> dict[int, Verdict]:
    """Check every output; equal files share one check, which is most of a validator's work.

    Parameters
    ----------
    unit, outputs, app, inputs
        See `decide`.

    Raises
    ------
    TransientError
        See `decide`.
    """
    by_content: dict[str, Verdict] = {}
    checks = {}
    for one in sorted(outputs):
        try:
            content = file_digest(outputs[one])
        except OSError as error:
            checks[one] = inconclusive(f"The output cannot be read: {error.strerror}.")
            continue
        if content not in by_content:
            by_content[content] = closed(app.check, unit, outputs[one], inputs)
        checks[one] = by_content[content]
    return checks


def _with(canonical: int, others: list[int]) -> list[tuple[int, int]]:
    return [(canonical, other) for other in others]


def _stands(app: Judge, output: Path) -> bool:
    """Tell whether an output holds all that a canonical one must; if in doubt, it does not."""
    try:
        return app.can_be_canonical(output) is True
    except TransientError:
        raise
    except Exception:  # noqa: BLE001  whatever went wrong, it is no evidence
        return False


def _winner(standing: _Standing, stands: Callable[[int], bool]) -> int | None:
    """Return the output with most agreement, if it is enough and its equals do not contradict.

    Of equals the first that can stand for the workunit; outputs of digests alone cannot.
    """
    agreeing = {one: standing.agreeing(one) for one in standing.good}
    most = max(agreeing.values(), default=0)
    if most < standing.min_quorum:
        return None
    best = [one for one in standing.good if agreeing[one] == most]
    # Whichever of them is asked, the answer must be the same: two that contradict each other leave
    # the question open, also for a third that is unsure of both.
    if any(
        verdict.is_invalid
        for (a, b), verdict in standing.comparisons.items()
        if a in best and b in best
    ):
        return None
    return next((one for one in sorted(best) if stands(one)), None)


def _against(one: int, winner: int | None, standing: _Standing) -> Verdict:
    """Return the verdict on an output that passed its own check and is not refuted."""
    if winner is not None and one != winner:
        return standing.comparisons[min(one, winner), max(one, winner)]
    if winner is not None:
        return valid(_canonical_reason(one, standing))
    if len(standing.good) < standing.min_quorum:
        return inconclusive(
            f"It waits for another result to be compared with ({len(standing.good)} so far)."
        )
    others = [verdict.reason for _, verdict in standing.of_one(one) if not verdict.is_valid]
    if not any(not verdict.is_valid for verdict in standing.comparisons.values()):
        return inconclusive("It agrees with the others, and none of them has brought the pixels.")
    reason = others[0] if others else "Two groups of results contradict each other."
    return inconclusive(f"The results do not agree yet: {reason}")


def _beside(wrong: Verdict) -> Verdict:
    """Return the verdict on what would be compared with a canonical output that is wrong."""
    return inconclusive(f"The result that it is compared with is wrong: {wrong.reason}")


def _canonical_reason(one: int, standing: _Standing) -> str:
    agreeing = [verdict for _, verdict in standing.of_one(one) if verdict.is_valid]
    if agreeing:
        return agreeing[0].reason
    if one in standing.confirmed:
        return standing.confirmed[one].reason
    return "Its check passed, and no comparison is asked for."
