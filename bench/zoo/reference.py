"""The long independent run that a campaign's product is compared with.

It shares with a campaign the posterior's density and the prior's coordinates (`apps.ttv`), and
nothing of the preparation: no search, no map, no population, no sampler. Half of the groups have a
walker at the true point from the beginning, the others have only draws of the prior; that their
marginals agree says that the prior's draws have reached what is around the truth.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute import normal
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.whitening import Whitening
from bench.zoo import groups
from bench.zoo.agreement import halves, rhats
from bench.zoo.groups import Group
from bench.zoo.simulate import draw_prior
from bench.zoo.tempering import Target

Array = NDArray[np.float64]

N_GROUP = 4
LARGEST_RHAT = 1.005
QUANTILES = (0.05, 0.158655, 0.5, 0.841345, 0.95)
VERSION = 2
"""Of this method: references of another version are made anew."""
_N_KEPT = 4000
_FEWEST_BLOCKS = 2
_FEW = 1.5
"""Three standard errors are to mean 99.7 %, and the scatter is that of eight halves: Student's t
with 7 degrees of freedom has 4.5 there."""


class ScaledPosterior:
    """A posterior in the coordinates of the reference run.

    Periods and phases of observed planets are counted from the prior's middle in its widths: at an
    edge of their priors, too, they depend on masses and eccentricities as transit times do, about
    linearly. All other parameters have the coordinates of `apps.ttv.compute.whitening`.

    Parameters
    ----------
    posterior : Posterior
        Whose density it is.
    """

    def __init__(self, posterior: Posterior) -> None:
        self.posterior = posterior
        problem = posterior.problem
        self.whitening = Whitening(problem)
        self.n_dim = problem.n_dim
        observed = [planet.name for planet in problem.model.planets if planet.observed]
        measured = {f"{name}.{key}" for name in observed for key in ("period", "t0")}
        priors = {
            place: parameter.prior
            for place, parameter in enumerate(problem.free)
            if parameter.name in measured and parameter.prior is not None
        }
        self.bent = tuple(priors)
        self._columns = list(priors)
        self._middles = np.array([prior.quantile(0.5) for prior in priors.values()])
        self._widths = np.array([prior.width for prior in priors.values()])
        self._linear = list(priors.values())

    def to_parameters(self, points: Array) -> Array:
        """Return the parameters of points (n, n_dim); NaN where there are none."""
        return self._coloured(points)[0]

    def of_parameters(self, parameters: Array) -> Array:
        """Return the coordinates of parameters (n, n_dim)."""
        points = self.whitening.whiten(parameters)
        points[:, self._columns] = (parameters[:, self._columns] - self._middles) / self._widths
        return points

    def log_terms(self, points: Array) -> tuple[Array, Array]:
        """See `bench.zoo.tempering.Target`."""
        x, w = self._coloured(points)
        likelihoods = np.full(len(x), -math.inf)
        priors = np.full(len(x), -math.inf)
        finite = np.flatnonzero(np.isfinite(x).all(axis=1))
        inside = self.posterior.log_priors(x[finite])
        finite, inside = finite[inside > -math.inf], inside[inside > -math.inf]
        priors[finite] = inside - self._log_jacobians(x[finite], w[finite])
        likelihoods[finite] = self.posterior.log_likelihoods(x[finite])
        return likelihoods, priors

    def draw_prior(self, n: int, rng: np.random.Generator) -> Array:
        """See `bench.zoo.tempering.Target`."""
        problem = self.posterior.problem
        return self.of_parameters(np.array([draw_prior(problem, rng) for _ in range(n)]))

    def _coloured(self, points: Array) -> tuple[Array, Array]:
        """Return parameters, and whitened coordinates that are 0 where linear ones are used."""
        w = points.copy()
        w[:, self._columns] = 0.0
        x = self.whitening.colour(w)
        x[:, self._columns] = self._middles + self._widths * points[:, self._columns]
        return x, w

    def _log_jacobians(self, x: Array, w: Array) -> Array:
        """Return log |d(coordinates) / dx|, (n,)."""
        total = self.whitening.log_jacobians(x, w) - float(np.log(self._widths).sum())
        # The whitening's own factors for these parameters are prior(x) / normal(0).
        for column, prior in zip(self._columns, self._linear, strict=True):
            total += normal.log_density(w[:, column]) - prior.log_density(x[:, column])
        return np.asarray(total)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A reference run's result.

    Attributes
    ----------
    draws : ndarray
        float64 (n_group, n_draw, n_dim), in the target's coordinates or coloured.
    log_z, log_z_error : float
        Evidence by stepping stones, without what the likelihood leaves out; its error from the
        scatter of the groups.
    rhat : float
        The largest of any parameter.
    n_call : int
        Likelihoods.
    seconds : float
        Of CPU.
    """

    draws: Array
    log_z: float
    log_z_error: float
    rhat: float
    n_call: int
    seconds: float

    @property
    def settled(self) -> bool:
        """Whether the groups agree; a run that has not settled is no reference."""
        return self.rhat < LARGEST_RHAT

    def quantiles(self) -> Array:
        """Return the quantiles `QUANTILES` of each parameter, (n_quantile, n_dim)."""
        return np.asarray(np.quantile(self.draws.reshape(-1, self.draws.shape[2]), QUANTILES, 0))

    def widths_with_errors(self) -> tuple[Array, Array]:
        """Return widths 5-95 % and 16-84 %, (2, n_dim), and their relative errors.

        The errors follow from the scatter of the halves of the groups.
        """
        parts = np.quantile(halves(self.draws), QUANTILES, axis=1)
        widths = _widths(self.quantiles())
        scatter = _widths(parts).std(axis=1, ddof=1) / math.sqrt(parts.shape[1])
        return widths, scatter / widths

    def quantile_errors(self) -> Array:
        """Return the errors of `quantiles`, (n_quantile, n_dim)."""
        parts = np.quantile(halves(self.draws), QUANTILES, axis=1)
        return np.asarray(parts.std(axis=1, ddof=1) / math.sqrt(parts.shape[1]))


def _widths(quantiles: Array) -> Array:
    return np.stack([quantiles[4] - quantiles[0], quantiles[3] - quantiles[1]])


def run(
    target: Target,
    *,
    seed: int,
    budget: float,
    truth: Array | None = None,
    directory: Path | None = None,
    told: Callable[[str], None] | None = None,
) -> Reference | None:
    """Advance four groups until they agree or the budget ends; draws are the target's coordinates.

    Parameters
    ----------
    target : Target
        The density.
    seed : int
        Decides the result, but for where the budget ends it.
    budget : float
        Seconds of CPU from here on.
    truth : ndarray, optional
        Where one walker of each level of every second group begins, (n_dim,).
    directory : Path, optional
        Where groups are kept after each block, so that a run that was interrupted goes on.
    told : Callable, optional
        Told how it goes.

    Returns
    -------
    Reference | None
        None if the budget ended before two blocks of every group counted.
    """
    n_walker = 16 if target.n_dim <= 15 else 32
    began = time.process_time()
    members: list[Group] = []
    for number in range(N_GROUP):
        path = None if directory is None else directory / f"group-{number}.npz"
        if path is not None and path.exists():
            members.append(groups.restore(path))
            continue
        start = truth if number % 2 else None
        members.append(groups.begin(target, seed, number, n_walker, start))
    while True:
        done = min(group.n_block for group in members)
        for number, group in enumerate(members):
            if group.n_block == done and time.process_time() - began < budget:
                group.advance(target)
                if directory is not None:
                    groups.store(group, directory / f"group-{number}.npz")
        spent = time.process_time() - began
        n_counted = min(len(group.draws) for group in members)
        if n_counted < _FEWEST_BLOCKS:
            if spent > budget:
                return None
            continue
        result = _result(members, n_counted, spent)
        if told is not None:
            told(
                f"{n_counted} blocks of {len(members[0].ladder.powers)} levels, {spent:.0f} s: "
                f"R-hat {result.rhat:.4f}, log Z {result.log_z:.2f} +- {result.log_z_error:.2f}"
            )
        if result.settled or spent > budget:
            return result


def _result(members: list[Group], n_block: int, seconds: float) -> Reference:
    # The draws of one time stand together; the first quarter is forgotten with the warm blocks.
    per_group = [np.concatenate(group.draws[n_block // 4 : n_block]) for group in members]
    draws = np.array([draws.reshape(-1, draws.shape[2]) for draws in per_group])
    middle = n_block // 2
    evidences = np.array(
        [group.log_z(*part) for group in members for part in ((0, middle), (middle, n_block))]
    )
    scatter = float(evidences.std(ddof=1) / math.sqrt(len(evidences)))
    return Reference(
        draws=draws[:, :: max(1, draws.shape[1] // _N_KEPT)],
        log_z=float(np.mean([group.log_z(0, n_block) for group in members])),
        log_z_error=_FEW * scatter,
        rhat=float(np.nan_to_num(rhats(draws), nan=math.inf).max()),
        n_call=sum(group.ladder.n_call for group in members),
        seconds=seconds,
    )


def of_posterior(
    posterior: Posterior,
    truth: Array,
    *,
    seed: int,
    budget: float,
    directory: Path,
    told: Callable[[str], None] | None = None,
) -> Reference | None:
    """Return the reference of a posterior in its own parameters, from `directory` if it is there.

    A run that has not settled goes on where it was if it is asked for again with a larger budget.
    """
    kept = directory / f"reference-{VERSION}.npz"
    if kept.exists():
        stored = _read(kept)
        if stored.settled or stored.seconds >= budget:
            return stored
        budget -= stored.seconds
    target = ScaledPosterior(posterior)
    start = target.of_parameters(truth[None])[0]
    groups_at = directory / f"groups-{VERSION}"
    groups_at.mkdir(parents=True, exist_ok=True)
    result = run(target, seed=seed, budget=budget, truth=start, directory=groups_at, told=told)
    if result is None:
        return None
    whole = result.draws.reshape(-1, target.n_dim)
    before = _read(kept).seconds if kept.exists() else 0.0
    reference = replace(
        result,
        draws=target.to_parameters(whole).reshape(result.draws.shape),
        seconds=result.seconds + before,
    )
    _write(reference, kept)
    if reference.settled:
        for path in groups_at.glob("*.npz"):
            path.unlink()
    return reference


def _write(reference: Reference, path: Path) -> None:
    numbers = {key: value for key, value in asdict(reference).items() if key != "draws"}
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, draws=reference.draws, numbers=np.array(json.dumps(numbers)))
    partial.replace(path)


def _read(path: Path) -> Reference:
    with np.load(path) as file:
        return Reference(draws=file["draws"], **json.loads(str(file["numbers"])))
