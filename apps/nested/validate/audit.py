"""The audit of ``ttv_nested``: random segments of a run are computed again from their live points.

A segment's dead points, its live points after it, the length of its steps and its count of
likelihood calls must all come out again. With k segments drawn without replacement from an output
of which a fraction f does not, all of them do with a probability of at most (1 - f)^k.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from apps.nested.compute.cube import cube_of
from apps.nested.compute.proposal import Proposal
from apps.nested.compute.settings import NestedUnit
from apps.nested.output import NestedOutput, read_nested_output
from apps.nested.validate.segments import Retrace
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.validate.tables import transit_table
from apps.ttv.validate.ttvfast import (
    MAX_REFERENCE,
    REFERENCE_SHARE,
    Opinion,
    cost_in_calls,
    second_opinion,
)
from boinc_project.errors import OutputError
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, invalid, valid
from validator.segments import BROKEN, PASSED, UNSURE, Fate, Purse

WEIGHTY = 30.0
"""Largest distance in log-likelihood from the best point of points that TTVFast computes. Those
below have no weight, and may be systems in which planets meet: no two codes agree on them."""

ENOUGH = 3
"""Segments that must depart for an output to be refused; fewer are inconclusive. An honest host of
unlike arithmetic has a segment that seems to depart with a probability of at most 2.2 % (see
`validator.segments.N_DISTURBED`), three of them with 1e-5."""

MORE = 12
"""Segments that are computed besides, one after the other, once one departs: of a run that was not
computed at all, about half depart, the others have too many branches to tell."""


def audit(
    unit: Unit,
    path: Path,
    inputs: Mapping[str, Path],
    *,
    rng: np.random.Generator,
    purse: Purse,
    share: float,
    replay_budget: int,
) -> Verdict:
    """Compute random segments of an output again; see `boinc_project.judge.Audit`.

    Parameters
    ----------
    purse : Purse
        CPU seconds.
    share : float
        Of the run's segments, to compute again at most; it costs as much on average.
    replay_budget : int
        Likelihood calls of a first segment that the check did not compute again: then the audit
        begins with it, and draws one segment less.
    """
    settings = NestedUnit.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, transit_table(unit, inputs))
    try:
        output = read_nested_output(path)
    except OutputError as error:
        return invalid(error.message)
    reason = _misfit(unit, settings, output)
    if reason:
        return invalid(reason)
    with_start = int(output.calls[1] - output.calls[0]) > replay_budget
    chosen = _choose(output.n_segment, share, with_start, rng)
    # Before the segments, so that the purse knows what is left for them.
    opinion = _opinion(posterior, settings.sampler.proposal, output, rng, share)
    found = _Found(Retrace(unit, settings, posterior, output))
    for done, number in enumerate(chosen):
        if not purse.has_for(done):
            break
        reason = _segment(found, output, number)
        if reason:
            return invalid(reason, **found.numbers(output))
    if found.departed:
        return _confirm(found, output, chosen, rng)
    if found.n_unsure:
        return inconclusive(UNSURE.format(found.n_unsure, found.n_segment), **found.numbers(output))
    if opinion is not None and opinion.doubt:
        # Not the host's fault: it ran the engine that it was sent, and so did the audit.
        return inconclusive(f"Audit: {opinion.doubt}", **found.numbers(output))
    return valid(PASSED.format(found.n_segment), **found.numbers(output))


@dataclass(slots=True, eq=False)
class _Found:
    """What an audit has seen so far."""

    retrace: Retrace
    n_follow: int = 0
    departed: list[int] = field(default_factory=list)
    """Segments that departed, by number."""
    n_unsure: int = 0
    n_call: int = 0

    @property
    def n_segment(self) -> int:
        """Segments computed again."""
        return self.n_follow + self.n_unsure + len(self.departed)

    def numbers(self, output: NestedOutput) -> dict[str, float]:
        """Return what belongs into a verdict."""
        return {
            "segments": float(self.n_segment),
            "unsure": float(self.n_unsure),
            "departed": float(len(self.departed)),
            "share": self.n_call / max(output.n_likelihood, 1),
        }


def _misfit(unit: Unit, settings: NestedUnit, output: NestedOutput) -> str:
    """Return why the output cannot be followed at all; the check says the same in more words."""
    shape = (settings.sampler.n_live, len(settings.coordinates))
    if output.unit_digest != unit.digest or output.live_u.shape != shape:
        return "Audit: the output is not of this unit."
    if output.segment != settings.sampler.segment:
        return "Audit: the output has other segments than the unit."
    arrays = (output.dead_u, output.dead_logl, output.live_u, output.live_logl, output.scales)
    if not all(np.isfinite(one).all() for one in arrays):
        return "Audit: the output has numbers that are not finite."
    return ""


def _choose(n_segment: int, share: float, with_start: bool, rng: np.random.Generator) -> list[int]:
    """Return the segments to compute again.

    Each is as likely as any other, however many calls the output says that it took: else a forger
    would have his segments left out by calling them dear.
    """
    n = max(1, min(n_segment, int(share * n_segment) - with_start))
    chosen = [int(one) for one in rng.choice(n_segment, size=n, replace=False)]
    return [0, *(one for one in chosen if one)] if with_start else chosen


def _segment(found: _Found, output: NestedOutput, number: int) -> str:
    """Compute one segment again; return a complaint if it cannot be rounding."""
    retrace = found.retrace
    if not retrace.are_likely(*retrace.begin(number)):
        return "Audit: the output's log-likelihoods are not those of its points."
    again = retrace.segment(number)
    n_call = retrace.n_call
    found.n_call += n_call + len(output.live_u)
    apart = retrace.distance(number, again, retrace.stored(number))
    match retrace.fate(number, again):
        case Fate.FOLLOWS:
            # On another branch the count is another one.
            if apart < BROKEN and n_call != output.calls[number + 1] - output.calls[number]:
                return f"Audit: the count of likelihood calls is wrong in segment {number}."
            found.n_follow += 1
        case Fate.UNSURE:
            found.n_unsure += 1
        case Fate.DEPARTS:
            found.departed.append(number)
    return ""


def _confirm(
    found: _Found, output: NestedOutput, done: list[int], rng: np.random.Generator
) -> Verdict:
    """Look at more segments of an output one of which departed."""
    others = np.setdiff1d(np.arange(output.n_segment), done)
    for number in rng.permutation(others)[:MORE].tolist():
        if len(found.departed) >= ENOUGH:
            break
        reason = _segment(found, output, number)
        if reason:
            return invalid(reason, **found.numbers(output))
    numbers = found.numbers(output)
    if len(found.departed) < ENOUGH:
        return inconclusive(
            f"Audit: segment {found.departed[0]} did not come out again; another result decides.",
            **numbers,
        )
    return invalid(
        f"Audit: {len(found.departed)} of {found.n_segment} segments are not what their "
        "live points lead to with the unit's random numbers.",
        **numbers,
    )


def _opinion(
    posterior: Posterior,
    proposal: Proposal | None,
    output: NestedOutput,
    rng: np.random.Generator,
    share: float,
) -> Opinion | None:
    """Return what TTVFast says of random points of weight; None if it is the unit's engine."""
    cost = cost_in_calls(posterior.problem)
    if cost == 0.0:
        return None
    affordable = int(REFERENCE_SHARE * share * output.n_likelihood / cost)
    cube = np.concatenate([output.dead_u, output.live_u])
    logl = np.concatenate([output.dead_logl, output.live_logl])
    weighty = np.flatnonzero(logl >= logl.max() - WEIGHTY)
    n = max(1, min(MAX_REFERENCE, affordable, len(weighty)))
    chosen = rng.choice(weighty, size=n, replace=False)
    points = cube_of(posterior, proposal).transform(cube[chosen])
    return second_opinion(
        posterior.problem, posterior.table, points, posterior.log_densities(points)
    )
