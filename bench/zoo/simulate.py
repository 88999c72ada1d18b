"""One simulated system: a true point from the priors of its own campaign file, and its table.

The times are TTVFast's, at a step far finer than a campaign's, and the fit is done with the batch
engine: neither can hide its own mistakes.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.engine import make_engine
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.priors import Prior
from apps.ttv.compute.settings import JITTER, Problem
from apps.ttv.compute.table import TransitTable, parse_table
from apps.ttv.plan.campaign_file import posterior_of
from bench.zoo.files import Times, sigmas, write_system
from bench.zoo.kinds import EPOCH, MINUTE, Kind, Planet
from work_generator.campaign_file import load_campaign

_FINE = 1.0 / 100.0
"""Step of the simulation in the shortest period: errors are below 1e-3 of any sigma of the zoo for
small eccentricities, and below 0.1 at e = 0.5 (`tests/science/test_zoo.py` measures it)."""
_PARTS, _STEP_ERROR = (1.0, 1.3, 1.7, 2.2, 3.0, 4.0, 6.0, 12.0), 0.03
"""Steps that are tried for the reference, as parts of a twentieth of the shortest period, and the
shift of any transit that the first one may cause, in its sigma."""
_MOST_DRAWS = 2000
_OUTLIER = (20.0, 60.0)
"""Least and largest offset of an outlier in its sigma."""


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """A simulated system.

    Attributes
    ----------
    kind : Kind
        Whose it is.
    seed : int
        Decides everything.
    path : Path
        The campaign file.
    posterior : Posterior
        Of the file and the table that were written; see `with_step`.
    truth : ndarray
        float64 (n_dim,).
    n_redrawn : int
        Draws of the prior that no engine can integrate, before the truth.
    """

    kind: Kind
    seed: int
    path: Path
    posterior: Posterior
    truth: NDArray[np.float64]
    n_redrawn: int

    @property
    def digest(self) -> str:
        """SHA-256 of campaign file and table, in hexadecimal."""
        digest = hashlib.sha256(self.path.read_bytes())
        digest.update((self.path.parent / "transits.csv").read_bytes())
        return digest.hexdigest()


def simulate(kind: Kind, seed: int, directory: Path) -> System:
    """Draw a system and write its files into `directory`.

    Raises
    ------
    RuntimeError
        If hardly any draw of the prior can be integrated: the kind is not well made.
    """
    rng = np.random.default_rng([seed, *kind.name.encode()])
    problem = nominal_problem(kind)
    for n_redrawn in range(_MOST_DRAWS):
        truth = draw_prior(problem, rng)
        times = true_times(kind, problem, truth)
        if times is None:
            continue
        path = write_system(directory, kind, seed, _scattered(kind, problem, truth, times, rng))
        posterior = with_step(stated_posterior(path), truth)
        if posterior is not None and np.isfinite(posterior(truth.tolist())):
            return System(kind, seed, path, posterior, truth, n_redrawn)
    raise RuntimeError(f"no draw of the prior of {kind.name} can be integrated")


def nominal_problem(kind: Kind) -> Problem:
    """Return the problem that a kind's file states, read from a file with an even table."""
    times = {
        planet.name: _typical(planet, "t0") + _typical(planet, "period") * np.array(planet.epochs)
        for planet in kind.planets
    }
    with tempfile.TemporaryDirectory() as directory:
        return stated_posterior(write_system(Path(directory), kind, 0, times)).problem


def stated_posterior(path: Path) -> Posterior:
    """Return the posterior of a campaign file; its step is a twentieth of the shortest period."""
    campaign = load_campaign(path)
    return posterior_of(campaign.settings, campaign.inputs)


def with_step(posterior: Posterior, truth: NDArray[np.float64]) -> Posterior | None:
    """Return a posterior with the longest step that is good at the truth, modified kick.

    None if there is no model there. A campaign allows its step three times as much.
    """
    problem, table = posterior.problem, posterior.table
    problem = replace(problem, model=replace(problem.model, modified_kick=True))
    steps = [problem.model.dt / part for part in _PARTS]
    (*coarse, exact) = (Posterior(problem, table, dt=dt) for dt in steps)
    true, codes = exact.residuals_of(truth[np.newaxis])
    if codes[0]:
        return None
    for candidate in coarse:
        residuals, codes = candidate.residuals_of(truth[np.newaxis])
        if not codes[0] and float(np.abs(residuals - true).max()) < _STEP_ERROR:
            return candidate
    return exact


def draw_prior(problem: Problem, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a point from the prior, (n_dim,)."""
    values: dict[str, float] = {}
    for parameter in problem.free:
        if isinstance(parameter.prior, Prior):
            values[parameter.name] = parameter.prior.sample(rng)
    for planet, prior in problem.eccentricities.items():
        values[f"{planet}.ecosw"], values[f"{planet}.esinw"] = prior.sample(rng)
    return np.array([values[name] for name in problem.parameter_names])


def true_times(
    kind: Kind, problem: Problem, truth: NDArray[np.float64], share: float = _FINE
) -> Times | None:
    """Return the true times of all measured transits; None if there is no model.

    The transit nearest to t0 has the number 0.
    """
    values = dict(zip(problem.parameter_names, truth.tolist(), strict=True))
    # Enough for every measured transit, at the latest period and phase.
    ends = [
        float(values.get(f"{p.name}.t0", 0.0)) + (max(p.epochs) + 1.5) * values[f"{p.name}.period"]
        for p in kind.planets
        if p.observed
    ]
    shortest = min(values[f"{planet.name}.period"] for planet in kind.planets)
    model = replace(
        problem.model, end=max(ends), dt=share * shortest, engine="ttvfast", modified_kick=False
    )
    engine = make_engine(replace(problem, model=model), _any_table(kind))
    (every,) = engine.all_times(truth[np.newaxis])
    if every is None:
        return None
    times: Times = {}
    for planet, computed in zip(kind.planets, every, strict=True):
        if planet.observed:
            nearest = int(np.abs(computed - values[f"{planet.name}.t0"]).argmin())
            places = np.array(planet.epochs) + nearest
            if places[-1] >= len(computed):
                return None
            times[planet.name] = computed[places]
    return times


def _scattered(
    kind: Kind,
    problem: Problem,
    truth: NDArray[np.float64],
    times: Times,
    rng: np.random.Generator,
) -> Times:
    """Return measured times: by the noise model, unless the kind violates it."""
    noise, names = problem.noise, problem.parameter_names
    jitter = MINUTE * float(truth[names.index(JITTER)]) if JITTER in names else 0.0
    measured: Times = {}
    for planet in kind.planets:
        if planet.observed:
            errors = np.hypot(kind.scatter * sigmas(planet), jitter)
            n = len(errors)
            heavy = noise.kind == "student_t"
            z = rng.standard_t(noise.degrees, n) if heavy else rng.standard_normal(n)
            measured[planet.name] = times[planet.name] + errors * z
    every = [(name, place) for name, values in measured.items() for place in range(len(values))]
    for chosen in rng.choice(len(every), size=kind.n_outlier, replace=False).tolist():
        name, place = every[chosen]
        stated = sigmas(next(planet for planet in kind.planets if planet.name == name))
        measured[name][place] += rng.choice([-1.0, 1.0]) * rng.uniform(*_OUTLIER) * stated[place]
    return measured


def _typical(planet: Planet, key: str) -> float:
    stated = planet.stated[key]
    if "value" in stated:
        return float(str(stated["value"]))
    if "mean" in stated:
        return float(str(stated["mean"]))
    return 0.5 * (float(str(stated["low"])) + float(str(stated["high"])))


def _any_table(kind: Kind) -> TransitTable:
    """Return a table that satisfies an engine's constructor, because it asks for one."""
    rows = [f"{p.name},0,{EPOCH + 1.0},0.1" for p in kind.planets if p.observed]
    return parse_table("\n".join(["planet,epoch,bkjd,sigma_days", *rows]).encode())
