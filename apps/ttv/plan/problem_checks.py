"""Campaigns that no computer could compute, found before anything is searched.

Everything that a table, the priors and the engine contradict each other in is one sentence that
names the planet and says what to write. The last check tries the model itself: if none of the
points where a search begins has the table's transits, the search would end with that, too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from apps.ttv.compute.built import load_kernel
from apps.ttv.compute.failures import KINDS, FailureKind
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.search.starts import default_starts, starts
from apps.ttv.compute.search.table_checks import (
    allowed,
    different,
    misnumbered,
    osculating,
    renumbered,
    uncertainty,
    wrong_period,
    wrong_t0,
)
from apps.ttv.compute.settings import MAX_EVENTS, Problem
from apps.ttv.compute.table import PlanetTransits, TransitTable
from apps.ttv.plan.orbit_checks import cannot_transit, remark_on_grazing
from apps.ttv.plan.sigma_checks import remark_on_quiet, wrong_unit
from apps.ttv.plan.stray_transits import remark_on_stray

TABLE = "table"
"""The key of contradictions that are the table's own."""

# Points that are tried at once: four vectors of eight.
_BLOCK = 32
# Share of a period by which two seen planets differ at least: nobody has found two on one orbit.
_TWINS = 1e-3
# Share of the points without a model from which on it is told.
_MANY = 0.5
_TRIAL_SEED = 0


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Why a campaign cannot be computed.

    Attributes
    ----------
    sentence : str
        What is wrong and what to write, without the final stop.
    planet : str or None
        Whose priors are to be changed.
    key : str or None
        The parameter, `TABLE`, or a key of ``[model]``.
    """

    sentence: str
    planet: str | None = None
    key: str | None = None


def contradictions(problem: Problem, table: TransitTable) -> Iterator[Contradiction]:
    """Say what table, priors and engine contradict each other in; the first is the worst.

    Parameters
    ----------
    problem : Problem
        Model and priors.
    table : TransitTable
        The measured transits.
    """
    for transits in table.planets:
        wrong = wrong_unit(transits) or misnumbered(transits)
        if wrong:
            yield Contradiction(wrong.rstrip("."), transits.planet, TABLE)
    yield from _exchanged(problem, table)
    yield from _twins(table)
    for transits in table.planets:
        name = transits.planet
        periods = allowed(problem, f"{name}.period")
        share = osculating(problem, name)
        wrong = wrong_period(transits, periods, room=share)
        if wrong:
            numbers = renumbered(transits, periods) or "the numbers of the transits"
            advice = f"change the prior, or {numbers}, if these are wrong"
            yield Contradiction(f"{wrong.rstrip('.')}: {advice}", name, "period")
        limits = allowed(problem, f"{name}.t0")
        wrong = wrong_t0(transits, limits, problem.model.epoch, share=share)
        if wrong:
            yield Contradiction(wrong.rstrip("."), name, "t0")
    for planet in problem.model.planets:
        if planet.observed and (wrong := cannot_transit(problem, planet.name)):
            yield Contradiction(wrong, planet.name, "inclination")
    yield from _too_many_transits(problem)


def remarks(problem: Problem, table: TransitTable) -> Iterator[str]:
    """Say what is no contradiction, and still worth a look."""
    for transits in table.planets:
        name, count = transits.planet, len(different(transits)[0])
        if count <= 2:
            has = "one transit" if count == 1 else "two transits"
            yield (
                f"{name} has {has}: its own times tell no more than "
                f"{'a time' if count == 1 else 'a period and a time'}, and nothing of the others' "
                "masses."
            )
        limits = allowed(problem, f"{name}.period")
        wrong = wrong_period(transits, limits, room=uncertainty(transits))
        if wrong:
            yield (
                f"{wrong.rstrip('.')}: osculating periods may differ so much from the mean one "
                "where planets pull strongly; else widen the prior."
            )
        quiet = remark_on_quiet(transits)
        if quiet:
            yield quiet
        stray = remark_on_stray(transits)
        if stray:
            yield stray
    for planet in problem.model.planets:
        grazing = remark_on_grazing(problem, planet.name) if planet.observed else None
        if grazing:
            yield grazing


def try_model(problem: Problem, table: TransitTable) -> Contradiction | str | None:
    """Compute the model at points where a search would begin, until one of them has a model.

    Returns
    -------
    Contradiction or str or None
        Why none of them has the table's transits; or a remark, if many have not.
    """
    engine = None if load_kernel() is None else "batch"
    posterior = Posterior(problem, table, engine=engine)
    rng = np.random.default_rng(_TRIAL_SEED)
    # In any order, because a grid of an unseen planet's periods begins with the longest ones.
    points = rng.permutation(starts(problem, table, default_starts(problem, table), rng))
    failures: Counter[FailureKind] = Counter()
    for first in range(0, len(points), _BLOCK):
        _, codes = posterior.engine.observed_times(points[first : first + _BLOCK])
        failures.update(kind for code in codes.tolist() if (kind := KINDS[code]) is not None)
        if not codes.all():
            tried, close = first + len(codes), failures[FailureKind.CLOSE_APPROACH]
            if failures.total() <= _MANY * tried or close < max(failures.values()):
                return None
            share = 100.0 * close / tried
            return (
                f"At {share:.0f} % of the points where a search begins two planets come within a "
                "Hill radius of each other: the prior has no model there, and the evidence counts "
                "it."
            )
    kind = failures.most_common(1)[0][0]
    return Contradiction(
        f"none of {len(points)} points of the priors has a model with all transits of the table: "
        f"{_REASONS.get(kind, _ANY_REASON)}"
    )


_ANY_REASON = "check the priors of periods and t0"
_REASONS = {
    FailureKind.CLOSE_APPROACH: (
        "two planets come within a Hill radius of each other; correct their periods, or lower "
        "their masses or eccentricities"
    ),
    FailureKind.NUMBERING: "there is none near t0; correct t0",
    FailureKind.MISSING_TRANSIT: (
        "some are missing; correct the periods, t0 and inclinations, or lower the masses"
    ),
    FailureKind.UNBOUND: "planets are thrown out; lower their masses or eccentricities",
}


def _exchanged(problem: Problem, table: TransitTable) -> Iterator[Contradiction]:
    """Say which two planets have each other's transits."""

    def fits(transits: PlanetTransits, planet: str) -> bool:
        limits, room = allowed(problem, f"{planet}.period"), osculating(problem, transits.planet)
        return wrong_period(transits, limits, room=room) is None

    for first, second in combinations(table.planets, 2):
        own = fits(first, first.planet) or fits(second, second.planet)
        crossed = fits(first, second.planet) and fits(second, first.planet)
        lines = first.linear_ephemeris(), second.linear_ephemeris()
        if crossed and not own and lines[0] is not None and lines[1] is not None:
            yield Contradiction(
                f"{first.planet} and {second.planet} have each other's period in the table, "
                f"{lines[0][1]:.4f} and {lines[1][1]:.4f} days: exchange their names in the table, "
                "or their priors",
                first.planet,
                "period",
            )


def _twins(table: TransitTable) -> Iterator[Contradiction]:
    """Say which two planets have the same period."""
    for first, second in combinations(table.planets, 2):
        lines = first.linear_ephemeris(), second.linear_ephemeris()
        if lines[0] is None or lines[1] is None:
            continue
        periods = lines[0][1], lines[1][1]
        if abs(periods[0] / periods[1] - 1.0) < _TWINS:
            yield Contradiction(
                f"{first.planet} and {second.planet} have the same period in the table, "
                f"{periods[0]:.4f} and {periods[1]:.4f} days: if they are one planet, give all of "
                "its transits one name",
                first.planet,
                TABLE,
            )


def _too_many_transits(problem: Problem) -> Iterator[Contradiction]:
    """Say that TTVFast has no room for all transits that the priors allow."""
    model = problem.model
    if model.engine != "ttvfast":
        return
    names = [planet.name for planet in model.planets]
    shortest = [max(allowed(problem, f"{name}.period")[0], 1e-3) for name in names]
    count = math.fsum(math.ceil((model.end - model.epoch) / period) for period in shortest)
    if count > MAX_EVENTS:
        yield Contradiction(
            f"the planets have up to {count:,.0f} transits in {(model.end - model.epoch):.0f} "
            f'days, and the engine "ttvfast" has room for {MAX_EVENTS:,}: write engine = "batch"',
            None,
            "engine",
        )
