"""How a unit's chain is run: walkers, moves, what they propose from, and the map they move in.

::

    {"n_walker": 40, "n_step": 5000, "thin": 10, "moves": [["de", 0.4], ["mixture", 0.6]],
     "coordinates": {"corrections": 1},
     "shear": {"order": [...], "center": [...], "scale": [...], "coefficients": [[...], ...]},
     "mixture": {"weights": [...], "means": [...], "choleskys": [...], "degrees": 30}}

``coordinates`` says in which coordinates the moves are made, see `apps.ttv.compute.coordinates`;
without it they are the parameters themselves. ``shear`` is `apps.ttv.compute.shear.Shear`, a map
that straightens the posterior in them, and the mixture is one of what it straightens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.fields import array_of, integer_of, list_of, only_keys, positive_of, table_of
from apps.ttv.compute.shear import Shear, n_feature
from boinc_project.errors import UnitError

MOVES = ("de", "de_gamma1", "snooker", "stretch", "mixture")
"""The proposals of `apps.ttv.compute.moves`."""
MAX_WALKERS = 4096
MAX_STEPS = 10**8
MAX_COMPONENTS = 64
MAX_CORRECTIONS = 8
"""Of ephemerides; see `apps.ttv.compute.coordinates`."""
COMPONENT_KEYS = ("weights", "means", "choleskys")
"""What describes the components of a mixture."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A mixture of normal distributions that the ``mixture`` move proposes from.

    Attributes
    ----------
    weights : ndarray
        float64 (n_component,), summing to 1.
    means : ndarray
        float64 (n_component, n_dim).
    choleskys : ndarray
        float64 (n_component, n_dim, n_dim), lower triangles of the covariances.
    degrees : float
        Degrees of freedom of the multivariate Student t distributions.
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    choleskys: NDArray[np.float64]
    degrees: float


@dataclass(frozen=True, slots=True, eq=False)
class SamplerSettings:
    """How the chain is run.

    Attributes
    ----------
    n_walker, n_step, thin : int
        Walkers; steps, each of which moves every walker once; steps between stored draws.
    moves : tuple[tuple[str, float], ...]
        Names of `MOVES`, and their probabilities.
    mixture : Mixture | None
        For the ``mixture`` move.
    shear : Shear | None
        The map that straightens the posterior; None: there is none.
    corrections : int | None
        Of `apps.ttv.compute.coordinates.Coordinates`; None: the moves are those of parameters.
    """

    n_walker: int
    n_step: int
    thin: int
    moves: tuple[tuple[str, float], ...]
    mixture: Mixture | None = None
    shear: Shear | None = None
    corrections: int | None = None


def parse_sampler(raw: Mapping[str, Any], n_dim: int) -> SamplerSettings:
    """Read ``settings.sampler`` of a unit with `n_dim` free parameters.

    Raises
    ------
    UnitError
        Naming the key that is missing, unknown or of a wrong type.
    """
    where = "settings.sampler"
    only_keys(
        raw, {"n_walker", "n_step", "thin", "moves", "mixture", "shear", "coordinates"}, where
    )
    n_walker = integer_of(raw, "n_walker", where, 1, MAX_WALKERS)
    n_step = integer_of(raw, "n_step", where, 1, MAX_STEPS)
    thin = integer_of(raw, "thin", where, 1, n_step)
    # Fewer would confine the ensemble to a subspace (Goodman & Weare 2010, CAMCoS 5, 65).
    if n_walker < 2 * n_dim or n_walker < 8:
        raise UnitError(f"{where}.n_walker is {n_walker}, less than {max(2 * n_dim, 8)}.")
    if n_step % thin:
        raise UnitError(f"{where}.n_step is not a multiple of {where}.thin.")
    moves = _parse_moves(list_of(raw, "moves", where))
    mixture = None
    if "mixture" in raw:
        mixture = _parse_mixture(table_of(raw, "mixture", where), n_dim, f"{where}.mixture")
    if mixture is None and any(name == "mixture" for name, _ in moves):
        raise UnitError(f"{where}.moves has mixture, but {where}.mixture is missing.")
    shear = None
    if "shear" in raw:
        shear = parse_shear(table_of(raw, "shear", where), n_dim, f"{where}.shear")
    corrections = None
    if "coordinates" in raw:
        coordinates = table_of(raw, "coordinates", where)
        only_keys(coordinates, {"corrections"}, f"{where}.coordinates")
        corrections = integer_of(
            coordinates, "corrections", f"{where}.coordinates", 0, MAX_CORRECTIONS
        )
    return SamplerSettings(n_walker, n_step, thin, moves, mixture, shear, corrections)


def _parse_moves(raw: Sequence[Any]) -> tuple[tuple[str, float], ...]:
    where = "settings.sampler.moves"
    moves = []
    for item in raw:
        if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != 2:
            raise UnitError(f"{where} has an item that is not a name and a weight.")
        name, weight = item
        if name not in MOVES:
            raise UnitError(f"{where} has {name!r}, which is not one of {', '.join(MOVES)}.")
        if type(weight) not in (int, float) or not 0.0 < weight < math.inf:
            raise UnitError(f"{where}: the weight of {name} is not a positive number.")
        moves.append((str(name), float(weight)))
    if not moves or len({name for name, _ in moves}) != len(moves):
        raise UnitError(f"{where} is empty or has a move twice.")
    total = math.fsum(weight for _, weight in moves)
    return tuple((name, weight / total) for name, weight in moves)


def _parse_mixture(raw: Mapping[str, Any], n_dim: int, where: str) -> Mixture:
    only_keys(raw, {*COMPONENT_KEYS, "degrees"}, where)
    weights, means, choleskys = parse_components(raw, n_dim, where)
    return Mixture(weights, means, choleskys, positive_of(raw, "degrees", where))


def parse_components(
    raw: Mapping[str, Any], n_dim: int, where: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Read the weights, means and lower triangles of a mixture's components.

    Parameters
    ----------
    raw : Mapping
        With the keys `COMPONENT_KEYS`.
    n_dim : int
        Number of coordinates.
    where : str
        The table's place in the unit.

    Raises
    ------
    UnitError
        Naming the key that is missing or of a wrong type.
    """
    n = len(list_of(raw, "weights", where))
    if not 1 <= n <= MAX_COMPONENTS:
        raise UnitError(f"{where}.weights has {n} components, not 1 to {MAX_COMPONENTS}.")
    weights = array_of(raw, "weights", where, (n,))
    choleskys = array_of(raw, "choleskys", where, (n, n_dim, n_dim))
    if not (weights > 0).all() or abs(math.fsum(weights) - 1.0) > 1e-9:
        raise UnitError(f"{where}.weights are not positive numbers that sum to 1.")
    diagonal = np.diagonal(choleskys, axis1=1, axis2=2)
    if not (diagonal > 0).all() or np.triu(choleskys, 1).any():
        raise UnitError(f"{where}.choleskys are not lower triangles with positive diagonals.")
    return weights, array_of(raw, "means", where, (n, n_dim)), choleskys


def parse_shear(raw: Mapping[str, Any], n_dim: int, where: str) -> Shear:
    """Read a map that straightens a posterior, of a table whose place in the unit is `where`.

    Raises
    ------
    UnitError
        Naming the key that is missing, unknown or of a wrong type.
    """
    only_keys(raw, {"order", "center", "scale", "coefficients"}, where)
    order = array_of(raw, "order", where, (n_dim,))
    if sorted(order.tolist()) != list(range(n_dim)):
        raise UnitError(f"{where}.order does not name every parameter once.")
    scale = array_of(raw, "scale", where, (n_dim,))
    if not (scale > 0).all():
        raise UnitError(f"{where}.scale has a number that is not positive.")
    rows = list_of(raw, "coefficients", where)
    if len(rows) != n_dim:
        raise UnitError(f"{where}.coefficients has {len(rows)} rows, not {n_dim}.")
    coefficients = tuple(
        array_of({"coefficients": row}, "coefficients", f"{where}, row {k}", (n_feature(k),))
        for k, row in enumerate(rows)
    )
    return Shear(
        order.astype(np.int64), array_of(raw, "center", where, (n_dim,)), scale, coefficients
    )
