"""Rows of the information that the data add to the prior: bits, and edges of the priors.

The information gained on a parameter is the Kullback-Leibler divergence of its marginal posterior
from its prior. It is taken in the coordinate in which the prior is standard normal, where it is the
same number as in any other, and where the entropy of the draws is that of one without an edge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import differential_entropy, norm

from apps.ttv.compute.priors import Prior
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.whitening import Whitening
from apps.ttv.merge.verdict.row import Relation, Row, Word

LEAST_BITS = 0.5
"""Bits below which a parameter is its prior. A posterior of half the prior's width around the same
centre has 0.46, and one that cuts off a third of the prior 0.58; a log-uniform mass that is known
to a factor of two, of a prior over three decades, has 3."""

EDGE = 0.01
"""Part of the prior next to an edge that is looked at."""

MAX_EDGE_SHARE = 0.05
"""Share of the posterior in that part which is too much: five times the prior's, so that moving the
edge would move the posterior."""

MAX_DRAWS = 20_000
"""Draws that are looked at: the entropy of so many independent ones is known to 0.01 bits."""

# Points that stand for the prior of one component of an eccentricity vector.
_N_RADIUS, _N_ANGLE = 1000, 200

Floats = NDArray[np.float64]


def information_rows(problem: Problem, draws: Floats) -> tuple[Row, ...]:
    """Return the rows of the information, all masses' best first, and of the edges.

    Parameters
    ----------
    problem : Problem
        The posterior's definition.
    draws : ndarray
        float64 (n, n_dim), equally weighted.
    """
    chosen = draws[_places(len(draws))]
    scores = prior_scores(problem, chosen)
    gained = {name: bits(scores[:, column]) for column, name in enumerate(problem.parameter_names)}
    return (
        _best(gained),
        *(_one(name, value) for name, value in gained.items()),
        _edges(problem, chosen),
    )


def bits(scores: Floats) -> float:
    """Return the divergence of draws (n,) from the standard normal distribution, bits.

    The entropy is Vasicek's (1976, JRSS B 38, 54), from the spacing of the sorted draws.
    """
    if len(scores) < 4:
        return math.nan
    cross = 0.5 * float(np.mean(np.square(scores))) + 0.5 * math.log(2.0 * math.pi)
    with np.errstate(divide="ignore"):
        entropy = float(differential_entropy(scores, method="vasicek"))
    return max((cross - entropy) / math.log(2.0), 0.0)


def prior_scores(problem: Problem, draws: Floats) -> Floats:
    """Return draws in coordinates whose prior is standard normal for each by itself, (n, n_dim).

    They are those of `Whitening`, but for the components of eccentricity vectors, whose prior is
    not exactly normal there.
    """
    scores = Whitening(problem).whiten(draws)
    names = problem.parameter_names
    for planet, prior in problem.eccentricities.items():
        ordered = _component(prior.prior)
        levels = (np.arange(len(ordered)) + 0.5) / len(ordered)
        for column in (names.index(f"{planet}.ecosw"), names.index(f"{planet}.esinw")):
            scores[:, column] = norm.ppf(np.interp(draws[:, column], ordered, levels))
    return scores


def edge_shares(problem: Problem, draws: Floats) -> dict[str, float]:
    """Return the share of the posterior next to each edge of the priors, by ``name, side``.

    Edges are where a prior ends; one that goes on for ever has none.
    """
    names = problem.parameter_names
    columns: dict[str, tuple[Prior, Floats]] = {
        parameter.name: (parameter.prior, draws[:, names.index(parameter.name)])
        for parameter in problem.free
        if parameter.prior is not None
    }
    for planet, prior in problem.eccentricities.items():
        x, y = (draws[:, names.index(f"{planet}.{part}")] for part in ("ecosw", "esinw"))
        columns[f"{planet}.eccentricity"] = prior.prior, np.hypot(x, y)
    shares = {}
    for name, (prior_of, values) in columns.items():
        low, high = prior_of.support
        # An eccentricity of zero is no edge: vectors pass it on all sides.
        if math.isfinite(low) and not (name.endswith(".eccentricity") and low == 0.0):
            shares[f"{name}, lower"] = float(np.mean(values <= prior_of.quantile(EDGE)))
        if math.isfinite(high):
            shares[f"{name}, upper"] = float(np.mean(values >= prior_of.quantile(1.0 - EDGE)))
    return shares


def _best(gained: Mapping[str, float]) -> Row:
    masses = {name: value for name, value in gained.items() if name.endswith(".mass")}
    asked = masses or gained
    unknown = [name for name, value in asked.items() if not math.isfinite(value)]
    name = unknown[0] if unknown else max(asked, key=lambda name: asked[name])
    value = asked[name]
    text = f"The data say most of {name}: {value:.1f} bits more than its prior."
    if unknown:
        text = f"The information on {name} cannot be computed from these draws."
    elif value < LEAST_BITS:
        kind = "mass" if masses else "parameter"
        text = (
            f"The data constrain no {kind}: the most is {value:.1f} bits, of {name}. You see the "
            "priors; only more or better transit times help."
        )
    title = "Information on the masses" if masses else "Information"
    return Row("information", Word.INFORMATIVE, title, value, LEAST_BITS, Relation.AT_LEAST, text)


def _one(name: str, value: float) -> Row:
    text = f"The data say {value:.1f} bits of {name}."
    if not math.isfinite(value):
        text = f"The information on {name} cannot be computed from these draws."
    elif value < LEAST_BITS:
        text = f"The data do not constrain {name} ({value:.1f} bits): you see its prior."
    return Row(
        f"information.{name}",
        Word.INFORMATIVE,
        f"Information on {name}",
        value,
        LEAST_BITS,
        Relation.AT_LEAST,
        text,
        counts=False,
    )


def _edges(problem: Problem, draws: Floats) -> Row:
    shares = edge_shares(problem, draws)
    beyond = sorted(
        (name for name, share in shares.items() if share > MAX_EDGE_SHARE),
        key=lambda name: -shares[name],
    )
    value = max(shares.values(), default=0.0)
    text = "The posterior piles up at no edge of the priors."
    if beyond:
        told = [
            f"{name} edge of its prior ({100 * shares[name]:.0f} % in the last "
            f"{100 * EDGE:g} % of it)"
            for name in beyond
        ]
        text = (
            f"The posterior piles up at an edge: {'; '.join(told)}. Where the edge lies decides "
            "about the numbers: move it if it is no law of nature, or quote a limit."
        )
    title = "Edges of the priors"
    limit, relation = MAX_EDGE_SHARE, Relation.AT_MOST
    return Row("prior_edges", Word.INFORMATIVE, title, value, limit, relation, text, counts=False)


def _component(prior: Prior) -> Floats:
    """Return sorted values that stand for the prior of e cos w, float64 (n,)."""
    levels = (np.arange(_N_RADIUS) + 0.5) / _N_RADIUS
    radii = np.array([prior.quantile(float(level)) for level in levels])
    angles = (np.arange(_N_ANGLE) + 0.5) / _N_ANGLE * math.pi
    return np.sort(np.outer(radii, np.cos(angles)).ravel())


def _places(n: int) -> NDArray[np.int64]:
    return np.linspace(0, n - 1, min(n, MAX_DRAWS)).astype(np.int64)
