"""A mixture of Student's t distributions in straightened coordinates, fitted to draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.mixture import log_mixture, sample_mixture
from apps.ttv.compute.population import gaussian_mixture
from apps.ttv.compute.population.fitting import with_tails
from apps.ttv.compute.population.gaussian_mixture import Components
from apps.ttv.compute.population.straightening import fit_shear, to_json
from apps.ttv.compute.sampler_settings import COMPONENT_KEYS, MAX_COMPONENTS, Mixture
from apps.ttv.compute.shear import Shear

# Distributions for each group of draws, and the draws that each of them needs for each parameter.
_COMPONENTS = 8
_DRAWS_PER_PARAMETER = 50
# Draws that a fit is made of at most: more make it slower and hardly better.
_MOST_DRAWS = 20_000

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """A density in the coordinates of `apps.ttv.compute.coordinates`.

    Attributes
    ----------
    shear, mixture : Shear, Mixture
        The map that straightens the coordinates, and the mixture in what it gives.
    """

    shear: Shear
    mixture: Mixture

    def sample(self, n: int, random: np.random.RandomState) -> Array:
        """Draw coordinates, float64 (n, n_dim)."""
        return self.shear.bend(sample_mixture(self.mixture, n, random))

    def log_densities(self, y: Array) -> Array:
        """Return log densities of coordinates, (n,), normalised."""
        u = self.shear.straighten(y)
        return np.asarray(log_mixture(self.mixture, u) - math.fsum(np.log(self.shear.scale)))

    def to_json(self) -> dict[str, Any]:
        """Return the ``shear`` and ``mixture`` of ``settings["sampler"]``."""
        mixture = {
            "weights": self.mixture.weights.tolist(),
            "means": self.mixture.means.tolist(),
            "choleskys": self.mixture.choleskys.tolist(),
            "degrees": self.mixture.degrees,
        }
        return {"shear": to_json(self.shear), "mixture": mixture}

    def for_cube(self, share: float, corrections: int) -> dict[str, Any]:
        """Return the ``proposal`` of nested units; the tails of its components are the app's own.

        Parameters
        ----------
        share, corrections : float, int
            See `apps.nested.compute.proposal.Proposal`.
        """
        raw = self.to_json()
        components = {key: raw["mixture"][key] for key in COMPONENT_KEYS}
        return {"share": share, "corrections": corrections, "shear": raw["shear"], **components}


def fit_proposal(
    draws: Sequence[Array], weights: Sequence[float] | Array, order: Sequence[int]
) -> Proposal:
    """Fit a proposal to groups of draws.

    Parameters
    ----------
    draws : sequence of ndarray
        Coordinates of each group, float64 (n_draw, n_dim), at least 2 of them different in every
        coordinate.
    weights : sequence of float
        The groups' parts of the posterior, not all zero.
    order : sequence of int
        In which the parameters depend on each other; see
        `apps.ttv.compute.population.straightening`.
    """
    parts = np.asarray(weights, dtype=np.float64)
    shear = fit_shear(_thinned(draws[int(np.argmax(parts))]), order)
    room = MAX_COMPONENTS
    fits, shares = [], []
    places = [place for place in np.argsort(-parts, kind="stable").tolist() if parts[place] > 0.0]
    for number, place in enumerate(places[:MAX_COMPONENTS], start=1):
        # Each of the groups that follow needs a component.
        left = max(0, min(len(places), MAX_COMPONENTS) - number)
        fit = _components(shear.straighten(_thinned(draws[place])), room - left)
        room -= len(fit.weights)
        fits.append(fit)
        shares.append(parts[place] * fit.weights)
    all_shares = np.concatenate(shares)
    together = Components(
        all_shares / math.fsum(all_shares),
        np.concatenate([fit.means for fit in fits]),
        np.concatenate([fit.covariances for fit in fits]),
    )
    return Proposal(shear, with_tails(together))


def proposal_of(raw: Mapping[str, Any]) -> Proposal:
    """Return a proposal from its JSON values."""
    shear, mixture = raw["shear"], raw["mixture"]
    return Proposal(
        Shear(
            np.array(shear["order"], dtype=np.int64),
            np.array(shear["center"]),
            np.array(shear["scale"]),
            tuple(np.array(row) for row in shear["coefficients"]),
        ),
        Mixture(
            np.array(mixture["weights"]),
            np.array(mixture["means"]),
            np.array(mixture["choleskys"]),
            float(mixture["degrees"]),
        ),
    )


def _thinned(draws: Array) -> Array:
    return draws[:: max(1, math.ceil(len(draws) / _MOST_DRAWS))]


def _components(u: Array, room: int) -> Components:
    enough = len(np.unique(u, axis=0)) // (_DRAWS_PER_PARAMETER * u.shape[1])
    return gaussian_mixture.fit(u, max(1, min(_COMPONENTS, room, enough)))
