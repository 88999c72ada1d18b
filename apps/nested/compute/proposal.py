"""What the unit cube of a nested run stands for, if the unit says where the posterior is.

Transit times leave a thin, bent sheet, e^-30 and less of the prior's volume. A run that begins with
points of the prior has all that way to go, and its walks hardly move on the sheet. Evidence and
posterior stay what they are if prior and likelihood are divided otherwise, L pi = L* p* ("posterior
repartitioning": Chen, Hobson, Das & Gelderblom 2019, Statistics and Computing 29, 835), so the cube
here stands for ::

    p*(x) = (1 - share) pi(x) + share sum_k w_k q_k(x),    log L* = log L + log pi - log p*,

the prior, superposed with a mixture that was fitted to the posterior beforehand (compare Petrosyan
& Handley 2022, arXiv:2212.01760). The better the fit, the flatter is L*: the run has only as far to
go as the fit is wrong, and whatever the fit is, evidence and posterior are those of L and pi.

The cube has one coordinate more than there are parameters. The first, in bands as wide as the
shares, tells which part of p* a point is of. The others are quantiles: of the prior in the first
band, else of a standardised distribution in each of the component's coordinates.

Only + - * / in a fixed order and `apps.ttv.compute.exact`: equal units give equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute import exact
from apps.ttv.compute.fields import integer_of, number_of, only_keys, table_of
from apps.ttv.compute.sampler_settings import (
    COMPONENT_KEYS,
    MAX_CORRECTIONS,
    parse_components,
    parse_shear,
)
from apps.ttv.compute.shear import Shear
from boinc_project.errors import UnitError

SPREAD = math.sqrt(3.0) / math.pi
"""Scale of the logistic distribution whose variance is 1. Its quantile is of logarithms only; its
tails fall more slowly than those of a Gaussian, so that L* stays small there. A Gaussian of the
same variance is 0.0105 nats from it, a coordinate: that is all it costs."""

Floats = NDArray[np.float64]
Transform = Callable[[Floats], Floats]


class Frame(Protocol):
    """The coordinates that a proposal is stated in: `apps.ttv.compute.coordinates.Coordinates`."""

    def to_points(self, y: Floats) -> Floats:
        """Return the parameters of coordinates, (n, n_dim); NaN rows where there are none."""

    def from_points(self, points: Floats) -> Floats:
        """Return the coordinates of parameters inside the priors, (n, n_dim)."""

    def log_jacobians(self, points: Floats, y: Floats) -> Floats:
        """Return log |dy / dx| at points that have the coordinates y, (n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """Where the posterior is, as far as is known before the run.

    Attributes
    ----------
    share : float
        Part of the cube that is the mixture's, between 0 and 1; the rest is the prior's.
    corrections : int
        Of the coordinates that the map straightens; see `apps.ttv.compute.coordinates`.
    shear : Shear
        The map that straightens the posterior; the components are in its coordinates.
    weights : ndarray
        float64 (n_component,), summing to 1.
    means : ndarray
        float64 (n_component, n_dim).
    choleskys : ndarray
        float64 (n_component, n_dim, n_dim), lower triangles of the covariances.
    """

    share: float
    corrections: int
    shear: Shear
    weights: Floats
    means: Floats
    choleskys: Floats


def parse_proposal(raw: Mapping[str, Any], n_dim: int) -> Proposal:
    """Read ``settings["sampler"]["proposal"]`` of a unit with `n_dim` free parameters.

    Raises
    ------
    UnitError
        Naming the key that is missing, unknown, of a wrong type or out of range.
    """
    where = "settings.sampler.proposal"
    only_keys(raw, {"share", "corrections", "shear", *COMPONENT_KEYS}, where)
    share = number_of(raw, "share", where)
    if not 0.0 < share < 1.0:
        raise UnitError(f"{where}.share is {share:g}, not between 0 and 1.", key="share")
    shear = parse_shear(table_of(raw, "shear", where), n_dim, f"{where}.shear")
    corrections = integer_of(raw, "corrections", where, 0, MAX_CORRECTIONS)
    return Proposal(share, corrections, shear, *parse_components(raw, n_dim, where))


class Superposition:
    """Turns uniform numbers into points of p*, and tells its density.

    Parameters
    ----------
    proposal : Proposal
        The mixture, and its share.
    prior : Callable
        From points of the prior's own cube to parameters, (n, n_dim) -> (n, n_dim).
    coordinates : Frame
        In which the proposal is stated.
    """

    def __init__(self, proposal: Proposal, prior: Transform, coordinates: Frame) -> None:
        self._proposal, self._prior, self._coordinates = proposal, prior, coordinates
        edges = np.add.accumulate(proposal.weights) * proposal.share + (1.0 - proposal.share)
        # The ends of all bands but the last, which ends with the cube.
        self._edges = np.concatenate([[1.0 - proposal.share], edges[:-1]])
        # A row for each coordinate: points and components stand side by side.
        self._means = np.ascontiguousarray(proposal.means.T)
        self._factors = np.ascontiguousarray(proposal.choleskys.transpose(1, 2, 0))
        self._constants = _log_constants(proposal)

    def __call__(self, cube: Floats) -> Floats:
        """Return the parameters of points of the cube, (n, n_dim + 1) -> (n, n_dim)."""
        band = np.searchsorted(self._edges, cube[:, 0], side="right")
        values = np.empty((len(cube), cube.shape[1] - 1))
        own, other = band == 0, band > 0
        values[own] = self._prior(cube[own, 1:])
        values[other] = self._propose(band[other] - 1, cube[other, 1:])
        return values

    def log_ratios(self, values: Floats, log_priors: Floats) -> Floats:
        """Return log(p* / pi) of points, (n, n_dim) and (n,) -> (n,); inf outside the prior."""
        ratios = np.full(len(values), math.inf)
        inside = np.flatnonzero(log_priors > -math.inf)
        if len(inside):
            share = self._proposal.share
            own, other = exact.log([1.0 - share, share])
            mixture = other + self._log_mixture(values[inside]) - log_priors[inside]
            ratios[inside] = _log_sum(np.stack([np.full(len(inside), own), mixture]))
        return ratios

    def _propose(self, component: NDArray[np.intp], p: Floats) -> Floats:
        """Return the points of the mixture at quantiles `p`, (n,) and (n, n_dim) -> (n, n_dim)."""
        t = SPREAD * (exact.log(p) - exact.log(1.0 - p)).T
        u = self._means[:, component]
        # A quantile of 0 is at infinity; such a point is outside of every prior.
        with np.errstate(invalid="ignore"):
            for j, step in enumerate(t):
                u[j:] += self._factors[j:, j, component] * step
            y = self._proposal.shear.bend(np.ascontiguousarray(u.T))
        return self._coordinates.to_points(y)

    def _log_mixture(self, values: Floats) -> Floats:
        """Return the log density of the mixture at points, (n, n_dim) -> (n,)."""
        y = self._coordinates.from_points(values)
        u = self._proposal.shear.straighten(y)
        t = u.T[:, None, :] - self._means[:, :, None]
        for j in range(len(t)):  # forward substitution, in place
            t[j] /= self._factors[j, j, :, None]
            t[j + 1 :] -= self._factors[j + 1 :, j, :, None] * t[j]
        size = np.abs(t) / SPREAD
        densities = -size - 2.0 * exact.log1p(exact.exp(-size))
        logs = _log_sum(self._constants[:, None] + np.add.accumulate(densities, axis=0)[-1])
        return logs + self._coordinates.log_jacobians(values, y)


def _log_constants(proposal: Proposal) -> Floats:
    """Return what the log density of each component is made of beside its shape, (n_component,).

    Its weight, the widths of its logistic distributions, and the Jacobians of its triangle and of
    the shear, which is that of its scales.
    """
    widths = _sum_of_logs(SPREAD * proposal.shear.scale)
    factors = [_sum_of_logs(np.diagonal(one)) for one in proposal.choleskys]
    return np.asarray(exact.log(proposal.weights) - widths - np.array(factors))


def _sum_of_logs(values: Floats) -> float:
    return math.fsum(exact.log(values).tolist())


def _log_sum(logs: Floats) -> Floats:
    """Return the logarithms of sums over the first axis, (m, n) -> (n,)."""
    peak = np.maximum.reduce(logs)
    return np.asarray(peak + exact.log(np.add.accumulate(exact.exp(logs - peak), axis=0)[-1]))
