"""The unit cube: from uniform numbers to parameters, and the likelihood there.

The numbers are the prior's quantiles, or those of `apps.nested.compute.proposal` where the unit
has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.nested.compute.proposal import Frame, Proposal, Superposition
from apps.ttv.compute import exact
from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.likelihood import JointPrior, Posterior
from apps.ttv.compute.priors import LogUniform, Prior, Uniform
from apps.ttv.compute.settings import Problem

Floats = NDArray[np.float64]

CHOICE = "cube.part"
"""The name of the coordinate that tells which part of a superposition a point is of."""
OUTSIDE = "outside_prior"
"""Beside `apps.ttv.compute.failures.FailureKind`, the name under which a proposal's points are
counted that have no prior density."""

_TWO_PI = 2.0 * math.pi


class Target(Protocol):
    """What nested sampling needs to know of a posterior."""

    n_dim: int
    periodic: tuple[int, ...]
    """Coordinates of the cube whose ends are one place."""

    def log_likelihoods(self, cube: Floats) -> Floats:
        """Return the log-likelihoods of points of the cube, (n, n_dim) -> (n,).

        -inf where there is no model; never NaN.
        """
        ...


class PriorTransform:
    """Turns independent uniform numbers into parameters distributed as the prior.

    Every free parameter has the coordinate of its own place. Where the prior is on a planet's
    eccentricity, the coordinate of e cos w stands for e, and that of e sin w for w, uniform over
    the circle; so the density in the plane needs no Jacobian.

    Parameters
    ----------
    problem : Problem
        The posterior's definition.
    """

    def __init__(self, problem: Problem) -> None:
        names = problem.parameter_names
        self._plain = [
            (place, parameter.prior)
            for place, parameter in enumerate(problem.free)
            if parameter.prior is not None
        ]
        self._eccentric = [
            (names.index(f"{planet}.ecosw"), names.index(f"{planet}.esinw"), prior.prior)
            for planet, prior in problem.eccentricities.items()
        ]
        self.periodic = _periodic(problem, [places[1] for places in self._eccentric])

    def __call__(self, cube: Floats) -> Floats:
        """Return the parameters of points of the cube, (n, n_dim) -> (n, n_dim)."""
        values = np.empty_like(cube)
        for place, prior in self._plain:
            values[:, place] = quantiles(prior, cube[:, place])
        for along, across, prior in self._eccentric:
            e = quantiles(prior, cube[:, along])
            omega = _TWO_PI * cube[:, across]
            values[:, along], values[:, across] = e * np.cos(omega), e * np.sin(omega)
        return values


def quantiles(prior: Prior, p: Floats) -> Floats:
    """Return the values that are exceeded with probabilities 1 - `p`, (n,) -> (n,)."""
    if isinstance(prior, Uniform):
        found = prior.low + p * (prior.high - prior.low)
    elif isinstance(prior, LogUniform):
        found = exact.exp(math.log(prior.low) + p * math.log(prior.high / prior.low))
    else:
        return np.array([prior.quantile(one) for one in p.tolist()], dtype=np.float64)
    return np.clip(found, prior.low, prior.high)


class Cube:
    """What the unit cube of a run stands for.

    Parameters
    ----------
    problem : Problem
        The posterior's definition.
    proposal : Proposal | None
        Where the posterior is; None: the cube is the prior's.
    frame : Frame | None
        In which the proposal is stated; needed if there is one.

    Attributes
    ----------
    names : tuple[str, ...]
        Of the coordinates.
    periodic : tuple[int, ...]
        See `Target`.
    """

    def __init__(
        self, problem: Problem, proposal: Proposal | None, frame: Frame | None = None
    ) -> None:
        prior = PriorTransform(problem)
        self.names = coordinates(problem, proposal)
        # No coordinate of a proposal has ends that meet, and those of the prior share its axes.
        self.periodic = prior.periodic if proposal is None else ()
        self._prior = JointPrior(problem)
        self._superposition = None
        if proposal is not None:
            assert frame is not None
            self._superposition = Superposition(proposal, prior, frame)
        self._transform = self._superposition or prior

    @property
    def n_dim(self) -> int:
        """Number of coordinates."""
        return len(self.names)

    def transform(self, cube: Floats) -> Floats:
        """Return the parameters of points, (n, n_coordinate) -> (n, n_dim)."""
        return self._transform(cube)

    def log_ratios(self, values: Floats) -> Floats:
        """Return log(p* / pi): of the density that uniform points of the cube have, to the prior's.

        Parameters
        ----------
        values : ndarray
            Parameters, float64 (n, n_dim).

        Returns
        -------
        ndarray
            float64 (n,); 0 if the cube is the prior's, inf where the prior has no density.
        """
        if self._superposition is None:
            return np.zeros(len(values))
        return self._superposition.log_ratios(values, self._prior.log_densities(values))


def cube_of(posterior: Posterior, proposal: Proposal | None) -> Cube:
    """Return the cube of runs of a posterior."""
    if proposal is None:
        return Cube(posterior.problem, None)
    frame = Coordinates(
        posterior.problem, posterior.engine, posterior.observations, proposal.corrections
    )
    return Cube(posterior.problem, proposal, frame)


def coordinates(problem: Problem, proposal: Proposal | None) -> tuple[str, ...]:
    """Return the names of the cube's coordinates; all but `CHOICE` are those of parameters."""
    names = problem.parameter_names
    return names if proposal is None else (CHOICE, *names)


class CubeLikelihood:
    """A timing model's likelihood over the unit cube, and counts of what happened.

    If the cube is not the prior's, it is L* of `apps.nested.compute.proposal`: likelihood times
    prior over the density that the cube gives.

    Parameters
    ----------
    posterior : Posterior
        Its own count of failures is used.
    proposal : Proposal | None
        What the cube stands for beside the prior.
    poll : Callable
        Called before every batch; may raise to leave it.

    Attributes
    ----------
    cube : Cube
        What the cube stands for.
    n_call : int
        Points evaluated so far, those outside the prior among them.
    """

    def __init__(
        self,
        posterior: Posterior,
        proposal: Proposal | None,
        poll: Callable[[], None] = lambda: None,
    ) -> None:
        self.posterior = posterior
        self.cube = cube_of(posterior, proposal)
        self.n_dim = self.cube.n_dim
        self.periodic = self.cube.periodic
        self.n_call = 0
        self._poll = poll

    def transform(self, cube: Floats) -> Floats:
        """Return the parameters of points of the cube."""
        return self.cube.transform(cube)

    def log_likelihoods(self, cube: Floats) -> Floats:
        """Return the log-likelihoods of points of the cube; -inf where there is no model."""
        self._poll()
        self.n_call += len(cube)
        values = self.transform(cube)
        ratios = self.cube.log_ratios(values)
        inside = np.flatnonzero(ratios < math.inf)
        if len(inside) < len(cube):
            self.posterior.failures[OUTSIDE] += len(cube) - len(inside)
        found = np.full(len(cube), -math.inf)
        if len(inside):
            found[inside] = self.posterior.log_likelihoods(values[inside]) - ratios[inside]
        return found


def _periodic(problem: Problem, omegas: list[int]) -> tuple[int, ...]:
    """Return the coordinates whose two ends give one and the same model.

    They are arguments of periapsis, nodes that are free over the whole circle, and a conjunction
    time that is free over one period, if that is fixed; with a free period the ends do not meet.
    """
    fixed = {one.name: one.fixed for one in problem.parameters if one.fixed is not None}
    found = list(omegas)
    for place, parameter in enumerate(problem.free):
        planet, _, element = parameter.name.partition(".")
        turn = {"node": 360.0, "t0": fixed.get(f"{planet}.period")}.get(element)
        prior = parameter.prior
        if turn is not None and isinstance(prior, Uniform):
            width = prior.high - prior.low
            if math.isclose(width, turn, rel_tol=1e-9):
                found.append(place)
    return tuple(sorted(found))
