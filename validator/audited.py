"""A quorum some of whose outputs are audited first: what fails is out before anything is compared.

An audit recomputes a part of one output that was drawn after its upload with a secret seed. It
therefore finds what comparing cannot: outputs that agree because their makers have agreed. Outputs
that contradict each other are always audited, before a majority outvotes anybody, unless the app's
referee has settled it. As everywhere, an audit that fails to decide passes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from boinc_project.judge import Judge
from boinc_project.states import ValidateState
from boinc_project.unit import Unit, file_digest
from boinc_project.verdict import Verdict, closed, inconclusive
from validator.quorum import Decision, check_all, decide

NO_AUDIT = "This app's outputs cannot be audited."


@dataclass(frozen=True, slots=True)
class AuditedDecision:
    """A quorum's decision, and what audits found.

    Attributes
    ----------
    decision : Decision
        About every output; one that failed its audit is INVALID and among its `failed`. A canonical
        output that failed one is among those refuted.
    audits : Mapping[int, Verdict]
        The verdict of every audit, inconclusive ones included.
    """

    decision: Decision
    audits: Mapping[int, Verdict] = field(default_factory=dict)


def decide_audited(
    unit: Unit,
    outputs: Mapping[int, Path],
    *,
    min_quorum: int,
    app: Judge,
    inputs: Mapping[str, Path],
    canonical: int | None = None,
    seed: int,
    drawn: Set[int],
    budget: float,
) -> AuditedDecision:
    """Audit some outputs, and let the quorum decide about those that stand.

    Parameters
    ----------
    unit, outputs, min_quorum, app, inputs, canonical
        See `validator.quorum.decide`.
    seed : int
        Of all audits, secret and fresh.
    drawn : Set[int]
        New outputs to audit in any case. One that does not pass its own check is not audited.
    budget : float
        CPU seconds for each audit. Outputs of the same bytes share one.

    Raises
    ------
    TransientError, ValueError
        See `validator.quorum.decide`.
    """
    new = {one: path for one, path in outputs.items() if one != canonical}
    checks = check_all(unit, new, app=app, inputs=inputs)
    quorum = _Quorum(unit, outputs, min_quorum, app, inputs, canonical, checks)
    auditor = _Auditor(unit, outputs, app, inputs, seed, budget)
    audits = auditor.audit({one for one in drawn if checks[one].is_valid})
    found = quorum.decide(audits)
    contradicting = _contradicting(found) - audits.keys()
    if contradicting and app.audit is not None:
        audits |= auditor.audit(contradicting)
        found = quorum.decide(audits)
    return AuditedDecision(found, audits)


def audit_one(
    app: Judge,
    unit: Unit,
    path: Path,
    inputs: Mapping[str, Path],
    *,
    seed: int,
    budget: float,
) -> Verdict:
    """Audit one output; what goes wrong is inconclusive.

    Parameters
    ----------
    app, unit, path, inputs
        See `boinc_project.judge.Check`.
    seed : int
        Secret, and fresh.
    budget : float
        CPU seconds.

    Raises
    ------
    TransientError
        If the verdict should be asked for again later.
    """
    if app.audit is None:
        return inconclusive(NO_AUDIT)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    return closed(app.audit, unit, path, inputs, rng=rng, budget=budget)


@dataclass(frozen=True, slots=True)
class _Auditor:
    unit: Unit
    outputs: Mapping[int, Path]
    app: Judge
    inputs: Mapping[str, Path]
    seed: int
    budget: float
    by_content: dict[str, Verdict] = field(default_factory=dict)

    def audit(self, chosen: Set[int]) -> dict[int, Verdict]:
        """Return the verdicts on some outputs, and on all others of the same bytes."""
        contents = {one: _digest(path) for one, path in self.outputs.items()}
        for one in sorted(chosen):
            content = contents[one]
            if content is not None and content not in self.by_content:
                self.by_content[content] = audit_one(
                    *(self.app, self.unit, self.outputs[one], self.inputs),
                    seed=self.seed,
                    budget=self.budget,
                )
        return {
            one: self.by_content[content]
            for one, content in contents.items()
            if content in self.by_content
        }


@dataclass(frozen=True, slots=True)
class _Quorum:
    unit: Unit
    outputs: Mapping[int, Path]
    min_quorum: int
    app: Judge
    inputs: Mapping[str, Path]
    canonical: int | None
    checks: Mapping[int, Verdict]

    def decide(self, audits: Mapping[int, Verdict]) -> Decision:
        """Decide about all outputs, those that failed an audit being out."""
        canonical = self.canonical
        new = {one: verdict for one, verdict in audits.items() if one != canonical}
        failed = {one for one, verdict in new.items() if verdict.is_invalid}
        unsure = {one for one, verdict in new.items() if not verdict.is_valid} - failed
        # What the audit did not decide about may agree with others, but not stand alone.
        enough = max(self.min_quorum, 2) if unsure and canonical is None else self.min_quorum
        wrong = None if canonical is None else audits.get(canonical)
        decision = decide(
            self.unit,
            {one: path for one, path in self.outputs.items() if one not in failed},
            min_quorum=enough,
            app=self.app,
            inputs=self.inputs,
            canonical=canonical,
            checks=self.checks,
            wrong=wrong if wrong is not None and wrong.is_invalid else None,
        )
        reasons = {one: f"Its audit failed: {new[one].reason}" for one in failed}
        reasons |= {
            one: f"Its audit did not decide: {new[one].reason}"
            for one in unsure
            if decision.states.get(one) is ValidateState.INCONCLUSIVE
        }
        return replace(
            decision,
            states={**decision.states, **dict.fromkeys(failed, ValidateState.INVALID)},
            reasons={**decision.reasons, **reasons},
            failed=decision.failed | failed,
            checks={**decision.checks, **{one: self.checks[one] for one in failed}},
        )


def _contradicting(decision: Decision) -> set[int]:
    """Return the outputs that contradict each other, none of which the referee found wrong."""
    settled = decision.settled
    return {
        one
        for pair, verdict in settled.comparisons.items()
        if verdict.is_invalid and not settled.refuted.keys() & set(pair)
        for one in pair
    }


def _digest(path: Path) -> str | None:
    return file_digest(path) if path.is_file() else None
