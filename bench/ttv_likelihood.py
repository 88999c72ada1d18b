"""How many transit-timing likelihoods a second: ``python bench/ttv_likelihood.py``.

Four systems over four years with a step of a twentieth of the innermost period, every transit
observed, one thread. In each round of one process, one after the other:

user
    The log-likelihood that a user writes with the public functions of ttvfast-python: planets as
    `ttvfast.models.Planet`, results as arrays, transits matched by number, chi-square.
extension
    ``ttvfast._ttvfast._ttvfast`` alone, with its arguments ready.
ours
    `apps.ttv.compute.likelihood.Posterior.log_likelihoods` of an ensemble of 64 points.

Ratios are medians over the rounds of ratios within a round, in CPU time: the machine may be shared.
The last line is JSON: the ratios of the system where we do worst.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ttvfast
from numpy.typing import NDArray
from ttvfast._ttvfast import _ttvfast

from apps.ttv.compute import engine
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.model import EARTH_MASS, TimingModel, mean_anomaly, ttvfast_parameters
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import PlanetTransits, TransitTable

SPAN = 4 * 365.25
ELEMENTS = ("mass", "period", "ecosw", "esinw", "t0")
WIDTHS = (0.02, 1e-4, 3e-3, 3e-3, 2e-4)
"""Widths of the ensemble: relative for masses and periods, t0 in periods."""
N_POINT = 64
N_SINGLE = 8
"""Points of the ensemble that TTVFast does in a round."""
SECOND = 1.0 / 86400.0


@dataclass(frozen=True)
class System:
    """A star and its planets.

    Attributes
    ----------
    star_mass : float
        Solar masses.
    sigma : float
        Error of a transit time, days.
    planets : tuple
        Mass (Earth masses), period (days), e cos w, e sin w and t0 (days after the epoch) of each.
    """

    star_mass: float
    sigma: float
    planets: tuple[tuple[float, float, float, float, float], ...]


SYSTEMS = {
    # Borsato et al. 2019, MNRAS 484, 3233.
    "Kepler-9": System(
        1.02, 6e-4, ((43.4, 19.238756, 0.058, -0.007, 1.6), (29.9, 38.986097, -0.067, 0.008, 11.4))
    ),
    # Nesvorny et al. 2013, ApJ 777, 3: the outer planet shifts the inner by half a day.
    "Kepler-88-like": System(
        0.956, 8e-4, ((8.7, 10.95416, 0.055, 0.001, 5.1), (198.8, 22.3395, 0.0547, -0.0105, 13.2))
    ),
    # Carter et al. 2012, Science 337, 556: 7:6.
    "Kepler-36-like": System(
        1.071, 3e-3, ((4.45, 13.83989, 0.01, 0.008, 2.1), (8.08, 16.23855, -0.005, 0.006, 7.7))
    ),
    # Agol et al. 2021, PSJ 2, 1: TRAPPIST-1.
    "7 planets": System(
        0.0898,
        3e-4,
        (
            (1.374, 1.510826, -0.002, 0.002, 0.7),
            (1.308, 2.421937, 0.0001, 0.0001, 1.9),
            (0.388, 4.049219, -0.006, 0.001, 0.3),
            (0.692, 6.101013, 0.0065, -0.004, 4.6),
            (1.039, 9.207540, -0.009, 0.0005, 2.8),
            (1.321, 12.352446, 0.004, 0.001, 7.3),
            (0.326, 18.772866, -0.0045, 0.0001, 11.1),
        ),
    ),
}


class Case:
    """A system with its simulated table, its ensemble and the three likelihoods."""

    def __init__(self, system: System, level: str) -> None:
        self.system = system
        problem = Problem.from_mapping(_settings(system))
        truth = np.array(system.planets)
        rng = np.random.default_rng(20260101)
        self.table = _table(problem, truth, system.sigma, rng)
        scale = np.array(WIDTHS) * np.ones_like(truth)
        scale[:, [0, 1]] *= truth[:, [0, 1]]
        scale[:, 4] *= truth[:, 1]
        offsets = rng.standard_normal((N_POINT, *truth.shape))
        self.points = (truth + scale * offsets).reshape(N_POINT, -1)
        self.posterior = Posterior(problem, self.table)
        self.posterior.engine = engine.BatchEngine(problem, self.table, level=level)
        self.model = TimingModel(problem)
        self._inputs = [
            ttvfast_parameters(self.model.orbits(point), system.star_mass, 0.0)
            for point in self.points[:N_SINGLE].tolist()
        ]

    @property
    def n_planet_step(self) -> float:
        """Steps of all planets in one likelihood."""
        return SPAN / self.model.dt * len(self.system.planets)

    def ours(self) -> NDArray[np.float64]:
        """Return the ensemble's log-likelihoods, by the compiled engine."""
        return self.posterior.log_likelihoods(self.points)

    def user(self) -> list[float]:
        """Return the first log-likelihoods, as a user of ttvfast-python computes them."""
        return [self._user_log_likelihood(point) for point in self.points[:N_SINGLE].tolist()]

    def extension(self) -> list[Any]:
        """Return what the extension function gives for the first points."""
        n = len(self.system.planets)
        return [_ttvfast(one, self.model.dt, 0.0, SPAN, n, 2, 0, None) for one in self._inputs]

    def _user_log_likelihood(self, point: Sequence[float]) -> float:
        planets = []
        for orbit in self.model.orbits(point):
            planets.append(
                ttvfast.models.Planet(
                    mass=orbit.mass * EARTH_MASS,
                    period=orbit.period,
                    eccentricity=math.hypot(orbit.ecosw, orbit.esinw),
                    inclination=90.0,
                    longnode=0.0,
                    argument=math.degrees(math.atan2(orbit.esinw, orbit.ecosw)),
                    mean_anomaly=math.degrees(mean_anomaly(orbit, 0.0)),
                )
            )
        found = ttvfast.ttvfast(planets, self.system.star_mass, 0.0, self.model.dt, SPAN)
        planet, number, times = (np.array(column) for column in found["positions"][:3])
        used = times > -2.0
        chi2 = 0.0
        for place, observed in enumerate(self.table.planets):
            mine = used & (planet == place)
            of_number = np.full(number[mine].max() + 1, np.nan)
            of_number[number[mine]] = times[mine]
            residuals = (observed.times - of_number[observed.epochs]) / observed.sigmas
            chi2 += np.sum(residuals**2)
        return float(-0.5 * chi2)

    def difference(self) -> float:
        """Root mean square difference of all transit times from TTVFast's, seconds."""
        reference = engine.TtvfastEngine(self.posterior.problem, self.table)
        theirs, failed = reference.observed_times(self.points[:N_SINGLE])
        ours, lost = self.posterior.engine.observed_times(self.points[:N_SINGLE])
        if failed.any() or lost.any():
            raise SystemExit("A point of the ensemble has no transit times.")
        return float(np.sqrt(np.mean((ours - theirs) ** 2)) / SECOND)


def _settings(system: System) -> dict[str, Any]:
    names = "bcdefghij"[: len(system.planets)]
    lines = [
        {"name": f"{planet}.{element}", "prior": {"kind": "uniform", "low": low, "high": 1e6}}
        for planet in names
        for element in ELEMENTS
        for low in [1e-9 if element in ("mass", "period") else -1e6]
    ]
    return {
        "model": {
            "star_mass": system.star_mass,
            "epoch": 0.0,
            "end": SPAN,
            "dt": system.planets[0][1] / 20.0,
            "engine": "batch",
            "planets": [{"name": planet, "observed": True} for planet in names],
        },
        "parameters": lines,
    }


def _table(
    problem: Problem, truth: NDArray[np.float64], sigma: float, rng: np.random.Generator
) -> TransitTable:
    """Return the model's own transits but the last of each planet, with Gaussian errors."""
    planets = []
    times_of = TimingModel(problem).transit_times(truth.ravel().tolist())
    for planet, times in zip(problem.model.planets, times_of, strict=True):
        n = len(times) - 1
        noisy = times[:n] + sigma * rng.standard_normal(n)
        planets.append(PlanetTransits(planet.name, np.arange(n), noisy, np.full(n, sigma)))
    return TransitTable(tuple(planets))


def cpu_seconds(function: Callable[[], Sequence[Any]], repeat: int) -> float:
    """Return the CPU time of one likelihood, of `repeat` calls."""
    start, n = time.thread_time(), 0
    for _ in range(repeat):
        n += len(function())
    return (time.thread_time() - start) / n


def measure(case: Case, rounds: int) -> dict[str, float]:
    """Return microseconds per likelihood, and the ratios."""
    functions = {"ours": case.ours, "user": case.user, "extension": case.extension}
    ours, user = np.array(case.ours()), np.array(case.user())
    if not np.allclose(ours[:N_SINGLE], user, rtol=1e-3, atol=0.1):
        raise SystemExit("The likelihoods compared are not the same function.")
    once = {name: cpu_seconds(function, 1) for name, function in functions.items()}
    # Each turn takes about a tenth of a second.
    repeats = {
        name: max(1, round(0.1 / (seconds * (N_POINT if name == "ours" else N_SINGLE))))
        for name, seconds in once.items()
    }
    rows = np.array(
        [
            [cpu_seconds(function, repeats[name]) for name, function in functions.items()]
            for _ in range(rounds)
        ]
    )
    return {
        **dict(zip(functions, (1e6 * np.median(rows, axis=0)).tolist(), strict=True)),
        "vs_user": float(np.median(rows[:, 1] / rows[:, 0])),
        "vs_extension": float(np.median(rows[:, 2] / rows[:, 0])),
    }


def main() -> int:
    """Measure and print."""
    available = engine.levels()
    if not available:
        raise SystemExit("The kernel was not built: install a C compiler and install again.")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--level", choices=available, default=available[0], help="vector width (default: fastest)"
    )
    arguments = parser.parse_args()
    print(f"Level {arguments.level}; microseconds per likelihood, one thread.")
    heads = ("ours", "user", "extension", "vs user", "vs ext.", "ns/pl-step", "rms s")
    print(f"{'':16}" + "".join(f"{head:>12}" for head in heads))
    worst = {"vs_user": math.inf, "vs_extension": math.inf}
    for name, system in SYSTEMS.items():
        case = Case(system, arguments.level)
        found = measure(case, arguments.rounds)
        step = 1000.0 * found["ours"] / case.n_planet_step
        print(
            f"{name:16}{found['ours']:12.1f}{found['user']:12.1f}{found['extension']:12.1f}"
            f"{found['vs_user']:12.1f}{found['vs_extension']:12.1f}{step:12.1f}"
            f"{case.difference():12.4f}"
        )
        worst = {key: min(value, found[key]) for key, value in worst.items()}
    print(json.dumps({key: round(value, 2) for key, value in worst.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
