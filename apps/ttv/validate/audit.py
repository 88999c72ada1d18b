"""The audit of ``ttv_mcmc``: random segments of a chain are computed again from their marks.

With k segments drawn without replacement from an output of which a fraction f does not follow from
the draw before it, all of them follow with probability of at most (1 - f)^k. What is caught in this
way is everything that is not the unit's own chain, however well its distribution looks: shifted
draws follow from nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.settings import TtvSettings
from apps.ttv.output import TtvOutput, read_ttv_output
from apps.ttv.validate.segments import LOG_PROB_TOLERANCE, Retrace, Segment, distance
from apps.ttv.validate.tables import transit_table
from apps.ttv.validate.ttvfast import (
    MAX_REFERENCE,
    REFERENCE_SHARE,
    cost_in_calls,
    second_opinion,
)
from boinc_project.errors import OutputError
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, invalid, valid
from validator.segments import BROKEN, PASSED, UNSURE, Fate, Purse


@dataclass(frozen=True, slots=True)
class Plan:
    """What an audit computes.

    Attributes
    ----------
    n_segment : int
        Segments, drawn at random: the k of (1 - f)^k.
    with_start : bool
        Whether the first segment is computed besides, because the check did not.
    n_reference : int
        Draws for TTVFast.
    share : float
        Cost, in shares of the unit's own.
    """

    n_segment: int
    with_start: bool
    n_reference: int
    share: float


def plan(settings: TtvSettings, share: float, *, with_start: bool) -> Plan:
    """Return what a share of the unit's compute is spent on, at least one segment and one draw.

    Parameters
    ----------
    settings : TtvSettings
        Of the unit.
    share : float
        Of the unit's compute.
    with_start : bool
        Whether the first segment is to be there in any case.
    """
    sampler = settings.sampler
    n_mark = sampler.n_step // sampler.thin
    unit = float(sampler.n_walker * (sampler.n_step + 1))
    # The state that a segment begins with is evaluated, too.
    segment = sampler.n_walker * (sampler.thin + 1)
    reference = cost_in_calls(settings.problem)
    n_reference = 0
    if reference > 0.0:
        affordable = int(REFERENCE_SHARE * share * unit / reference)
        n_reference = max(1, min(MAX_REFERENCE, affordable))
    left = share * unit - n_reference * reference
    n_segment = max(1, min(n_mark, int(left / segment) - with_start))
    spent = (n_segment + with_start) * segment + n_reference * reference
    return Plan(n_segment, with_start, n_reference, spent / unit)


def segments(todo: Plan, n_mark: int, rng: np.random.Generator) -> list[int]:
    """Return which of `n_mark` segments to compute again, in the order in which to do it."""
    chosen: list[int] = rng.choice(n_mark, size=todo.n_segment, replace=False).tolist()
    return [0, *(number for number in chosen if number)] if todo.with_start else chosen


def audit(
    unit: Unit,
    path: Path,
    inputs: Mapping[str, Path],
    *,
    rng: np.random.Generator,
    purse: Purse,
    share: float,
    with_start: bool,
) -> Verdict:
    """Compute random segments of an output again; see `boinc_project.judge.Audit`.

    Parameters
    ----------
    purse : Purse
        CPU seconds.
    share : float
        Of the unit's likelihood calls, to spend at most.
    with_start : bool
        Whether the first segment is computed again in any case, beside the random ones.
    """
    settings = TtvSettings.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, transit_table(unit, inputs))
    try:
        output = read_ttv_output(path)
    except OutputError as error:
        return invalid(error.message)
    reason = _misfit(unit, settings, output)
    if reason:
        return invalid(reason)
    todo = plan(settings, share, with_start=with_start)
    chosen = segments(todo, len(output.draws), rng)
    points, stated = _draws(output, rng, todo.n_reference)
    again = posterior.log_densities(points)
    if not _near(again, stated):
        return invalid(_UNLIKELY)
    # Before the segments, so that the purse knows what is left for them.
    doubt = ""
    if todo.n_reference:
        doubt = second_opinion(settings.problem, posterior.table, points, again).doubt
    found = _Found(Retrace(unit, settings, posterior, output))
    for done, number in enumerate(chosen):
        if not purse.has_for(done):
            break
        reason = _segment(found, output, number)
        if reason:
            return invalid(reason, **found.numbers(todo))
    if not _counts_fit(settings, output, found.ends):
        return invalid("Audit: the output's counts of accepted proposals do not fit its segments.")
    if found.n_unsure:
        return inconclusive(UNSURE.format(found.n_unsure, found.n_segment), **found.numbers(todo))
    if doubt:
        # Not the host's fault: it ran the engine that it was sent, and so did the audit.
        return inconclusive(f"Audit: {doubt}", **found.numbers(todo))
    return valid(
        PASSED.format(found.n_segment),
        **found.numbers(todo),
    )


@dataclass(slots=True, eq=False)
class _Found:
    """What an audit has seen so far."""

    retrace: Retrace
    ends: dict[int, Segment] = field(default_factory=dict)
    """Segments that follow, by number."""
    n_unsure: int = 0
    distance: float = 0.0
    """The largest of them, in standard deviations."""

    @property
    def n_segment(self) -> int:
        """Segments computed again."""
        return len(self.ends) + self.n_unsure

    def numbers(self, todo: Plan) -> dict[str, float]:
        """Return what belongs into a verdict."""
        return {
            "segments": float(self.n_segment),
            "unsure": float(self.n_unsure),
            "distance": self.distance,
            "share": todo.share,
        }


_UNLIKELY = "Audit: the output's log-probabilities are not those of its draws."


def _segment(found: _Found, output: TtvOutput, number: int) -> str:
    """Compute one segment again; return a complaint if it departs."""
    coords, log_prob = found.retrace.begin(number)
    if number and not _near(log_prob, output.log_prob[number - 1]):
        return _UNLIKELY
    end = found.retrace.segment(number, coords, log_prob)
    apart = distance(end, found.retrace.stored(number))
    match found.retrace.fate(number, coords, log_prob, end):
        case Fate.FOLLOWS:
            # On another branch it accepted other proposals.
            found.ends[number] = end if apart < BROKEN else replace(end, accepted=None)
            found.distance = max(found.distance, apart)
        case Fate.UNSURE:
            found.n_unsure += 1
        case Fate.DEPARTS:
            return (
                f"Audit: stored draw {number} does not follow from the one before it: it is "
                f"{apart:.2g} standard deviations from where the unit's random numbers lead."
            )
    return ""


def _misfit(unit: Unit, settings: TtvSettings, output: TtvOutput) -> str:
    """Return why the output cannot be followed at all; the check says the same in more words."""
    sampler = settings.sampler
    shape = (sampler.n_step // sampler.thin, sampler.n_walker, settings.problem.n_dim)
    if output.unit_digest != unit.digest or output.draws.shape != shape:
        return "Audit: the output is not of this unit."
    if not (np.isfinite(output.draws).all() and np.isfinite(output.log_prob).all()):
        return "Audit: the output has numbers that are not finite."
    return ""


def _near(again: NDArray[np.float64], stated: NDArray[np.float64]) -> bool:
    return bool((np.abs(again - stated) <= LOG_PROB_TOLERANCE).all())


def _counts_fit(settings: TtvSettings, output: TtvOutput, ends: Mapping[int, Segment]) -> bool:
    """Return whether the counts of acceptances can be those of the segments.

    Of the segments computed again they are known. In every other one a walker that moved accepted
    once to `thin` times, and one that is where it was not more than that, either: two equal
    walkers can make a move of length nothing.
    """
    thin = settings.sampler.thin
    path = np.concatenate([settings.start[None], output.draws])
    moved = (path[1:] != path[:-1]).any(axis=2)
    others = np.ones(len(moved), dtype=np.bool_)
    counted = np.zeros(moved.shape[1], dtype=np.int64)
    for number, end in ends.items():
        if end.accepted is not None:
            others[number] = False
            counted += end.accepted
    least = counted + moved[others].sum(axis=0)
    most = counted + thin * int(others.sum())
    return bool(((least <= output.accepted) & (output.accepted <= most)).all())


def _draws(
    output: TtvOutput, rng: np.random.Generator, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `n` random draws, or all there are, and their log-probabilities as stated."""
    size = output.log_prob.size
    at = np.unravel_index(rng.choice(size, size=min(n, size), replace=False), output.log_prob.shape)
    return output.draws[at], output.log_prob[at]
