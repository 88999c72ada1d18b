"""The modes of a posterior, found before the first chain is begun.

A chain that starts in the wrong place spends the volunteers' time on walking, and one that starts
in the only mode that was looked for never tells of another. Everything here follows from its
arguments; the random generator is one of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.failures import KINDS, FailureKind
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.search.fit import Fit, Round
from apps.ttv.compute.search.journal import Journal
from apps.ttv.compute.search.mode import Mode, distances, nearest
from apps.ttv.compute.search.squares import scales
from apps.ttv.compute.search.starts import N_START, aligned, starts, whitened
from apps.ttv.compute.search.steps import choose_dt, with_step
from apps.ttv.compute.search.table_checks import why_unmatched
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable
from boinc_project.errors import InputError

DELTA = 50.0
"""Modes whose -2 log(posterior) at the peak is within this of the best one's are kept: 50 is a
factor e^25 in density, more than the volumes of two modes of timing posteriors have been seen to
differ by."""

# How far apart, in the norm of the better one's covariance, two fits are two modes.
_SAME_MODE = 3.0
_PHASES = Round(8, moving="timing")
# Shares of the starts that go on, and their iterations. Along a curved ridge a fit can stop 20
# short of its minimum and look like a mode of its own, so the last ones are long.
_ROUNDS = (_PHASES, Round(18), Round(25, keep=0.4), Round(60, keep=0.5))
_SEARCH_ROUNDS = (
    Round(6, moving="rest"),
    Round(6),
    Round(10, keep=0.4),
    Round(25, keep=0.3),
    Round(80, keep=0.5),
    Round(300, keep=0.4),
)
# Iterations of the starts around the best fit: with one eccentricity held, and free.
_HELD, _LET_GO = 30, 60
# Iterations of a last polish of each fit that may be a mode: those along a ridge are many.
_POLISH = 1500
# Shares of the search's work, about, that are done after all starts, after those around the best
# fit, and after the first polish.
_SOLVED, _ALIGNED, _POLISHED = 0.6, 0.7, 0.85
# Two fits are one mode if a path between them climbs by less than this in -2 log(posterior), a
# dip of e^-2 in density, which chains cross; points on the path, and iterations that relax it.
_BARRIER, _PATH, _RELAX = 4.0, 7, 30

# Mean square of residuals, in sigmas, at which a contradiction between table and priors is looked
# for: a transit that is a part of a period off has thousands of sigmas.
_FAR_OFF = 1e4
_NO_REASON = "Check that the priors of periods and t0 fit the table."

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Candidates that a search has not kept, counted by the reason.

    Attributes
    ----------
    artefact : int
        Minima that are none with a step that is fine enough there.
    above : int
        Places where fits ended more than delta above the best mode.
    ridge : int
        Ends of a ridge, without a barrier to a better mode.
    """

    artefact: int = 0
    above: int = 0
    ridge: int = 0

    def __add__(self, other: LeftOut) -> LeftOut:
        """Return the counts of two stages of a search together."""
        return LeftOut(
            self.artefact + other.artefact, self.above + other.above, self.ridge + other.ridge
        )


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """The modes that a stage of a search has kept, and how many it has not.

    Attributes
    ----------
    modes : tuple[Mode, ...]
        Best first.
    left_out : LeftOut
        How many candidates were left out.
    failed : Mapping[str, int]
        Starts without a model, by `apps.ttv.compute.failures.FailureKind`.
    """

    modes: tuple[Mode, ...]
    left_out: LeftOut
    failed: Mapping[str, int] = field(default_factory=dict)


def find_modes(
    problem: Problem,
    table: TransitTable,
    rng: np.random.Generator,
    journal: Journal | None = None,
    *,
    n_start: int = N_START,
    delta: float = DELTA,
) -> SearchResult:
    """Find modes by least squares from many starts.

    Parameters
    ----------
    problem : Problem
        Model, noise and priors.
    table : TransitTable
        The measured transits.
    rng : Generator
        Decides the starts, and so the result.
    journal : Journal, optional
        Keeps what is computed; an interrupted search goes on from its own.
    n_start : int
        Starts.
    delta : float
        How far above the best mode's sum of squares, priors included, a mode is kept.

    Returns
    -------
    SearchResult
        Modes best first, no two of them the same.

    Raises
    ------
    InputError
        If no start led to a model that has the observed transits, or if the best is far off and
        the priors contradict the table.
    """
    fit = Fit(Posterior(problem, table), journal)
    unseen = any(not planet.observed for planet in problem.model.planets)
    rounds = _SEARCH_ROUNDS if unseen else _ROUNDS
    begun = whitened(fit.whitening, starts(problem, table, n_start, rng))
    w, costs = fit.solve(begun, rounds, _SOLVED)
    if not len(w):
        reasons = why_unmatched(problem, table) or [_NO_REASON]
        raise InputError(
            f"None of {n_start} starts led to a model with all observed transits. "
            + " ".join(reasons)
        )
    _refuse_far_off(problem, table, float(costs[0]))
    fit.journal.stage(_SOLVED, _ALIGNED)
    w, costs = _with_aligned(fit, w, costs)
    # What polishing may gain is not known before: twice delta is looked at.
    near = costs <= costs[0] + 2.0 * delta
    firsts, far = (
        _clusters(fit, part, np.ones(len(part), dtype=np.int64)) for part in (w[near], w[~near])
    )
    fit.journal.stage(_ALIGNED, _POLISHED)
    result = _polished(fit, firsts, delta)
    left_out = result.left_out + LeftOut(above=len(far))
    return replace(result, left_out=left_out, failed=_failed(fit, begun))


def _failed(fit: Fit, begun: Vector) -> dict[str, int]:
    """Count the starts that have no model, by the reason."""
    lost = begun[~np.isfinite(fit.costs(begun))]
    if not len(lost):
        return {}
    codes = fit.posterior.residuals_of(fit.whitening.colour(lost))[1]
    kinds = Counter(str(KINDS[code] or FailureKind.ELEMENTS) for code in codes.tolist())
    return dict(sorted(kinds.items()))


def _refuse_far_off(problem: Problem, table: TransitTable, cost: float) -> None:
    """Refuse priors and a table that contradict each other, if the best fit is far off, too.

    Where the model goes on long enough it has all transits of any numbers, and means nothing.
    """
    if cost < _FAR_OFF * table.n_transit:
        return
    reasons = why_unmatched(problem, table)
    if reasons:
        raise InputError(
            f"The best fit has chi2 {cost:.2g} for {table.n_transit} transits. " + " ".join(reasons)
        )


def confirmed(
    problem: Problem,
    table: TransitTable,
    modes: Sequence[Mode],
    journal: Journal | None = None,
) -> SearchResult:
    """Return the modes that are no artefacts of the step of the search, best first.

    Where orbits are eccentric a step that is fine enough for one mode may not be for another, and
    its errors can fit noise: a minimum of theirs goes away as the step gets finer. So each is
    fitted again with a step that is fine enough for itself. What then runs down to another one, or
    lies more than `DELTA` above the best, is left out.

    Parameters
    ----------
    problem, table
        See `find_modes`.
    modes : sequence of Mode
        At least one.
    journal
        See `find_modes`.
    """
    if len(modes) == 1:
        return SearchResult(tuple(modes), LeftOut())
    journal = journal or Journal()
    journal.stage(_POLISHED, 1.0)
    fits = [_fine(problem, table, mode, journal) for mode in modes]
    ends = [
        fit.refine(mode.coords[np.newaxis], _POLISH) for fit, mode in zip(fits, modes, strict=True)
    ]
    costs = [float(fit.costs(end)[0]) for fit, end in zip(fits, ends, strict=True)]
    stayed = np.flatnonzero(nearest(modes, np.concatenate(ends)) == np.arange(len(modes)))
    best, *others = sorted(stayed.tolist() or [0], key=lambda place: costs[place])
    kept, n_above = [modes[best]], 0
    for place in others:
        pair = [modes[best], modes[place]]
        if costs[place] > costs[best] + DELTA:
            n_above += 1
        elif len(_polished(fits[place], pair, DELTA).modes) == len(pair):
            kept.append(modes[place])
    n_artefact = len(modes) - len(kept) - n_above
    return SearchResult(tuple(kept), LeftOut(artefact=n_artefact, above=n_above))


def _fine(problem: Problem, table: TransitTable, mode: Mode, journal: Journal) -> Fit:
    """Return a fit whose step is fine enough for a mode; the search's if no step is."""
    try:
        step = choose_dt(problem, mode.params[np.newaxis], table)
    except InputError:
        return Fit(Posterior(problem, table), journal)
    return Fit(Posterior(with_step(problem, step), table), journal)


def _polished(fit: Fit, modes: Sequence[Mode], delta: float) -> SearchResult:
    """Follow modes to their very peaks, and return which are left, best first."""
    w = fit.refine(np.array([mode.coords for mode in modes]), _POLISH)
    costs = fit.costs(w)
    order = np.argsort(costs, kind="stable")
    order = order[costs[order] <= costs.min() + delta]
    counts = np.array([mode.n_found for mode in modes])
    peaks = _clusters(fit, w[order], counts[order])
    apart = _connected(fit, peaks)
    left_out = LeftOut(above=len(modes) - len(order), ridge=len(peaks) - len(apart))
    return SearchResult(tuple(apart), left_out)


def _with_aligned(fit: Fit, w: Vector, costs: Vector) -> tuple[Vector, Vector]:
    """Add the fits that begin at the best one's with other eccentricities; best first."""
    points = aligned(fit.problem, fit.whitening.colour(w[:1])[0])
    if not len(points):
        return w, costs
    others = whitened(fit.whitening, points)
    # Held where it was put, each finds what fits best there; let go, it runs down its own side.
    others = fit.refine(others, _HELD, fit.not_eccentricity(next(iter(fit.problem.eccentricities))))
    others = fit.refine(others, _LET_GO)
    every = np.concatenate([w, others])
    values = np.concatenate([costs, fit.costs(others)])
    order = np.argsort(values, kind="stable")
    order = order[np.isfinite(values[order])]
    return every[order], values[order]


def _clusters(fit: Fit, w: Vector, counts: NDArray[np.int64]) -> list[Mode]:
    """Return modes of w sorted by cost: what is near a better one belongs to it."""
    modes: list[Mode] = []
    limit = _SAME_MODE * math.sqrt(w.shape[1])
    left = np.ones(len(w), dtype=bool)
    points, deviances = fit.whitening.colour(w), fit.deviances(w)
    while left.any():
        first = int(np.argmax(left))
        covariance = fit.covariance(w[first])
        mode = Mode(points[first], w[first], float(deviances[first]), covariance)
        same = left & (distances(mode, w) < limit)
        same[first] = True
        modes.append(replace(mode, n_found=int(counts[same].sum())))
        left &= ~same
    return modes


def _connected(fit: Fit, modes: list[Mode]) -> list[Mode]:
    """Return modes of which no two are ends of one ridge, each with the starts of its ridge."""
    apart: list[Mode] = []
    for mode in modes:
        for place, better in enumerate(apart):
            if _barrier(fit, better.coords, mode.coords) < _BARRIER:
                apart[place] = replace(better, n_found=better.n_found + mode.n_found)
                break
        else:
            apart.append(mode)
    return apart


def _barrier(fit: Fit, first: Vector, second: Vector) -> float:
    """Return by how much the best path found from one w to the other climbs above both.

    The coordinate of the parameter that differs most is held at values in between, and the others
    are fitted.
    """
    ends = np.stack([first, second])
    points = fit.whitening.colour(ends)
    place = int(np.argmax(np.abs(points[0] - points[1]) / scales(fit.problem, points).max(axis=0)))
    moving = np.arange(len(first)) != place
    shares = np.linspace(0.0, 1.0, _PATH + 2)[1:-1, np.newaxis]
    between = fit.refine((1.0 - shares) * first + shares * second, _RELAX, moving)
    return float(fit.costs(between).max() - fit.costs(ends).max())
