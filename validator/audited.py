"""A quorum some of whose outputs are audited first: what fails is out before anything is compared.

An audit recomputes a part of one output that was drawn after its upload with a secret seed. It
therefore finds what comparing cannot: outputs that agree because their makers have agreed. As
everywhere, an audit that fails to decide passes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from boinc_project.states import ValidateState
from boinc_project.unit import Unit, file_digest
from validator.quorum import Decision, check_all, decide
from validator.registry import AppValidator
from validator.verdict import Verdict, closed, inconclusive

NO_AUDIT = "This app's outputs cannot be audited."


@dataclass(frozen=True, slots=True)
class AuditedDecision:
    """A quorum's decision, and what audits found.

    Attributes
    ----------
    decision : Decision
        About every output; one that failed its audit is INVALID and among its `failed`.
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
    app: AppValidator,
    inputs: Mapping[str, Path],
    canonical: int | None = None,
    seeds: Mapping[int, int],
    budget: float,
) -> AuditedDecision:
    """Audit some outputs, and let the quorum decide about those that stand.

    Parameters
    ----------
    unit, outputs, min_quorum, app, inputs, canonical
        See `validator.quorum.decide`.
    seeds : Mapping[int, int]
        New outputs to audit, and the secret seed of each audit. One that does not pass its own
        check is not audited.
    budget : float
        CPU seconds for each.

    Raises
    ------
    TransientError, ValueError
        See `validator.quorum.decide`.
    """
    new = {one: path for one, path in outputs.items() if one != canonical}
    checks = check_all(unit, new, app=app, inputs=inputs)
    audits = {
        one: _audit(app, unit, outputs[one], inputs, seed, budget)
        for one, seed in sorted(seeds.items())
        if checks[one].is_valid
    }
    failed = _with_equal_bytes({one for one in audits if audits[one].is_invalid}, outputs)
    unsure = {one for one, verdict in audits.items() if not verdict.is_valid} - failed.keys()
    # What the audit did not decide about may agree with others, but not stand alone.
    enough = max(min_quorum, 2) if unsure and canonical is None else min_quorum
    decision = decide(
        unit,
        {one: path for one, path in outputs.items() if one not in failed},
        min_quorum=enough,
        app=app,
        inputs=inputs,
        canonical=canonical,
        checks=checks,
    )
    reasons = {one: f"Its audit failed: {audits[source].reason}" for one, source in failed.items()}
    reasons |= {
        one: f"Its audit did not decide: {audits[one].reason}"
        for one in unsure
        if decision.states.get(one) is ValidateState.INCONCLUSIVE
    }
    decision = replace(
        decision,
        states={**decision.states, **dict.fromkeys(failed, ValidateState.INVALID)},
        reasons={**decision.reasons, **reasons},
        failed=decision.failed | failed.keys(),
    )
    return AuditedDecision(decision, audits)


def _audit(
    app: AppValidator,
    unit: Unit,
    path: Path,
    inputs: Mapping[str, Path],
    seed: int,
    budget: float,
) -> Verdict:
    if app.audit is None:
        return inconclusive(NO_AUDIT)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    return closed(app.audit, unit, path, inputs, rng=rng, budget=budget)


def _with_equal_bytes(failed: set[int], outputs: Mapping[int, Path]) -> dict[int, int]:
    """Return the outputs that are out, and of which audited one each has the very bytes."""
    if not failed:
        return {}
    contents = {file_digest(outputs[one]): one for one in sorted(failed, reverse=True)}
    out = {one: one for one in failed}
    for one, path in outputs.items():
        source = contents.get(file_digest(path)) if path.is_file() else None
        if one not in failed and source is not None:
            out[one] = source
    return out
