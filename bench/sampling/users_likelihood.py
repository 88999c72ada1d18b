"""The likelihood that a user of ttvfast-python writes."""

from __future__ import annotations

import math

import numpy as np
import ttvfast

from apps.ttv.compute.failures import IntegrationFailed
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.matching import Matcher
from apps.ttv.compute.model import TimingModel, ttvfast_parameters
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable


class UsersLikelihood:
    """The posterior that a user writes with ttvfast-python's public function.

    Priors, matching and conversion of elements are ours, so that both sample the same density; the
    integration and the way its results are read are those of the package's documentation.
    """

    def __init__(self, problem: Problem, table: TransitTable) -> None:
        self.problem = problem
        self.prior = Posterior(problem, table).log_prior
        self.model = TimingModel(problem)
        self.matchers = [
            (place, Matcher(row), row)
            for place, planet in enumerate(problem.model.planets)
            if (row := table.of(planet.name)) is not None
        ]

    def __call__(self, values: np.ndarray) -> float:
        """Return the log posterior density of one point."""
        prior = self.prior(values)
        if not prior > -math.inf:
            return -math.inf
        try:
            times = self.times(values)
        except IntegrationFailed:
            return -math.inf
        return prior - 0.5 * sum(
            float(np.sum(((row.times - modelled) / row.sigmas) ** 2))
            for (_, _, row), modelled in zip(self.matchers, times, strict=True)
        )

    def times(self, values: np.ndarray) -> list[np.ndarray]:
        """Return the model's times of the measured transits of each observed planet."""
        model = self.problem.model
        orbits = self.model.orbits(values)
        order = sorted(range(len(orbits)), key=lambda place: orbits[place].period)
        raw = ttvfast_parameters([orbits[i] for i in order], model.star_mass, model.epoch)
        planets = [_Cartesian(raw[2 + 7 * i : 9 + 7 * i]) for i in range(len(orbits))]
        result = ttvfast.ttvfast(
            planets,
            model.star_mass,
            0.0,
            model.dt,
            model.end - model.epoch,
            input_flag=2,
        )
        which, _, passed, *_ = result["positions"]
        which, passed = np.array(which), np.array(passed)
        used = passed != -2.0
        which, passed = which[used], passed[used] + model.epoch
        return [
            matcher.times(
                passed[which == order.index(place)], orbits[place].t0, orbits[place].period
            )
            for place, matcher, _ in self.matchers
        ]


class _Cartesian:
    """A planet as ttvfast-python's function reads it, by the names of its attributes."""

    def __init__(self, values: list[float]) -> None:
        self.mass, *rest = values
        names = ("period", "eccentricity", "inclination", "longnode", "argument", "mean_anomaly")
        for name, value in zip(names, rest, strict=True):
            setattr(self, name, value)
