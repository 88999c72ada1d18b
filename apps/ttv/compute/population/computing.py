"""Some independent populations, one after the other, and the state of their computing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.anneal import Annealer, Annealing
from apps.ttv.compute.population.importance import kish
from apps.ttv.compute.population.proposal import Proposal, fit_proposal
from apps.ttv.compute.population.refining import Cover, Refiner, draws_of_round
from apps.ttv.compute.population.rounds import Look
from apps.ttv.compute.population.settings import Islands
from apps.ttv.compute.population.straightening import dependence_order
from apps.ttv.compute.population.target import Target
from apps.ttv.compute.whitening import Whitening
from boinc_project.seeds import Stream, step_bits, stream_key

# Draws around each peak that the first proposal is fitted to.
_PEAK_DRAWS = 1000
# Rounds of a usual conclusion. Its progress is counted by it.
_ROUNDS = 6
_ARRAYS = ("points", "broad", "target", "wide")

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Island:
    """A population that has arrived.

    Attributes
    ----------
    points, wide : ndarray
        float64 (n_point, n_dim), parameters: draws of the posterior, and wider ones.
    log_density : ndarray
        float64 (n_point,), log prior times likelihood of `points`.
    log_z : float
        Logarithm of the evidence, without the likelihood's constant.
    memory : float
        See `apps.ttv.compute.population.anneal.Annealing`.
    n_step : int
        Steps from the broad distribution to the posterior.
    """

    points: Array
    wide: Array
    log_density: Array
    log_z: float
    memory: float
    n_step: int


@dataclass(frozen=True, slots=True, eq=False)
class Conclusion:
    """What the islands say together, by importance draws.

    Attributes
    ----------
    proposal : Proposal
        Fitted to islands and peaks, and made again from weighted draws.
    looks : tuple[Look, ...]
        Draws that nothing was fitted to, in independent parts.
    islands : tuple[Island, ...]
        That it began with.
    n_call : int
        Points integrated in all.
    """

    proposal: Proposal
    looks: tuple[Look, ...]
    islands: tuple[Island, ...]
    n_call: int

    @property
    def logs(self) -> Array:
        """Log weights of all draws, (n,)."""
        return np.concatenate([look.logs for look in self.looks])

    @property
    def effective(self) -> float:
        """Kish's effective size of all draws."""
        return kish(self.logs)


@dataclass(slots=True, eq=False)
class Archipelago:
    """Populations of a unit on their way.

    Attributes
    ----------
    islands : list of Island
        That have arrived.
    moving : Annealing | None
        One on its way.
    looked : list of ndarray
        Log densities of the draws of the conclusion, (n,) each, in the order in which they are
        drawn. The draws themselves follow from the islands and these.
    n_call : int
        Points integrated in all of these.
    """

    islands: list[Island] = field(default_factory=list)
    moving: Annealing | None = None
    looked: list[Array] = field(default_factory=list)
    n_call: int = 0


class Computer:
    """Computes the islands of a unit, a step at a time.

    Parameters
    ----------
    settings : Islands
        What to compute.
    posterior : Posterior
        Of its problem.
    seed : SeedSequence
        The unit's.
    poll : Callable
        Called every fraction of a second; may raise to leave the computation.
    """

    def __init__(
        self,
        settings: Islands,
        posterior: Posterior,
        seed: np.random.SeedSequence,
        poll: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.coordinates = Coordinates(
            settings.problem, posterior.engine, posterior.observations, settings.corrections
        )
        self.target = Target(posterior, self.coordinates, poll)
        self._order = dependence_order(settings.problem.parameter_names)
        self._whitening = Whitening(settings.problem)
        self._key = stream_key(seed, Stream.POPULATION)
        self._annealers = [
            Annealer(
                self.target,
                settings.n_point,
                self._order,
                stream_key(
                    np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number)),
                    Stream.POPULATION,
                ),
            )
            for number in range(settings.n_island)
        ]

    def is_complete(self, state: Archipelago) -> bool:
        """Whether all islands have arrived."""
        return len(state.islands) == self.settings.n_island

    def fraction(self, state: Archipelago) -> float:
        """Return the share of the work that is done, 0 to 1."""
        done = float(len(state.islands))
        if state.moving is not None:
            done += self._annealers[len(state.islands)].fraction(state.moving)
        n_draw = sum(len(densities) for densities in state.looked)
        done += min(n_draw / (_ROUNDS * draws_of_round(self.settings.n_point)), 1.0)
        # The conclusion takes about as long as an island.
        return done / (self.settings.n_island + 1.0)

    def advance(self, state: Archipelago) -> None:
        """Do one step of the island that is on its way.

        Raises
        ------
        UnitError
            If no draw of the broad distribution has a model.
        """
        annealer = self._annealers[len(state.islands)]
        before = self.target.n_call
        if state.moving is None:
            state.moving = annealer.begin()
        else:
            annealer.advance(state.moving)
        state.n_call += self.target.n_call - before
        if state.moving.is_done:
            state.islands.append(self._arrived(state.moving))
            state.moving = None

    def conclude(self, state: Archipelago, noted: Callable[[], None] = lambda: None) -> Conclusion:
        """Fit a proposal to what has arrived, and to the peaks; weigh its draws.

        It follows from the islands alone. Interrupted, it is done again, but for the densities that
        the state has.

        Parameters
        ----------
        state : Archipelago
            Complete.
        noted : Callable
            Called after each part of the draws, when the state is whole.
        """
        random = np.random.RandomState(step_bits(self._key, 0))
        target = _Looking(self.target, state, noted)
        cover = self._cover(state.islands, random)
        first = self._first_proposal(state.islands, cover)
        size = draws_of_round(self.settings.n_point)
        proposal, looks = Refiner(target, cover, self._order, random, size).conclude(first)
        return Conclusion(proposal, looks.parts(), tuple(state.islands), state.n_call)

    def _cover(self, islands: Sequence[Island], random: np.random.RandomState) -> Cover:
        """Return the peaks, and what the islands were at half the power of the posterior."""
        around: Sequence[Array] = ()
        if self.settings.peaks is not None:
            around = self.settings.peaks.draws(self.coordinates, _PEAK_DRAWS, random)
        wide = self.coordinates.from_points(np.concatenate([island.wide for island in islands]))
        return Cover(tuple(around), self._labels, wide[np.isfinite(wide).all(axis=1)])

    def _first_proposal(self, islands: Sequence[Island], cover: Cover) -> Proposal:
        """Return a fit to the islands' draws, and beside it to the known peaks."""
        arrived = self.coordinates.from_points(
            np.concatenate([island.points for island in islands])
        )
        n_peak = len(cover.around)
        weights = [0.5, *[0.5 / n_peak] * n_peak] if n_peak else [1.0]
        return fit_proposal([arrived, *cover.around], weights, self._order)

    def _labels(self, y: Array) -> NDArray[np.intp]:
        """Return the peak that each of the coordinates is nearest to; 0 if no peak is known."""
        if self.settings.peaks is None or len(self.settings.peaks.points) == 1:
            return np.zeros(len(y), dtype=np.intp)
        return self.settings.peaks.nearest(self._whitening, self.coordinates.to_points(y))

    def _arrived(self, now: Annealing) -> Island:
        points = self.coordinates.to_points(now.points)
        return Island(
            points=points,
            wide=self.coordinates.to_points(now.wide),
            log_density=self.target.posterior.log_densities(points),
            log_z=now.log_z,
            memory=now.memory,
            n_step=now.n_step,
        )


class _Looking:
    """The target of a conclusion: densities that the state has are not computed again."""

    def __init__(self, target: Target, state: Archipelago, noted: Callable[[], None]) -> None:
        self._target, self._state, self._noted = target, state, noted
        self._place = 0

    def evaluate(self, y: Array) -> tuple[Array, Array]:
        """Return log densities as `Target.evaluate` does; those of the broad one may be NaN."""
        state, place = self._state, self._place
        self._place += 1
        if place < len(state.looked) and len(state.looked[place]) == len(y):
            return np.full(len(y), np.nan), state.looked[place]
        del state.looked[place:]
        before = self._target.n_call
        broad, densities = self._target.evaluate(y)
        state.looked.append(densities)
        state.n_call += self._target.n_call - before
        self._noted()
        return broad, densities


def to_arrays(state: Archipelago) -> dict[str, NDArray[Any]]:
    """Return the state as arrays by name."""
    arrays: dict[str, NDArray[Any]] = {"n_call": np.array(state.n_call)}
    for number, island in enumerate(state.islands):
        arrays[f"points{number}"], arrays[f"wide{number}"] = island.points, island.wide
        arrays[f"log_density{number}"] = island.log_density
        arrays[f"numbers{number}"] = np.array([island.log_z, island.memory, island.n_step])
    for number, densities in enumerate(state.looked):
        arrays[f"looked{number}"] = densities
    if state.moving is not None:
        for name in _ARRAYS:
            arrays[f"moving_{name}"] = getattr(state.moving, name)
        now = state.moving
        arrays["moving_numbers"] = np.array([now.power, now.log_z, now.n_step, now.memory])
        arrays["moving_powers"] = np.array(now.powers)
    return arrays


def from_arrays(arrays: Mapping[str, NDArray[Any]], settings: Islands) -> Archipelago:
    """Return the state that was stored.

    Raises
    ------
    ValueError, KeyError, TypeError, OverflowError
        If the arrays are not those of a state of these settings.
    """
    shape = (settings.n_point, settings.problem.n_dim)
    state = Archipelago(n_call=int(arrays["n_call"]))
    while f"points{len(state.islands)}" in arrays:
        number = len(state.islands)
        log_z, memory, n_step = arrays[f"numbers{number}"].tolist()
        island = Island(
            arrays[f"points{number}"],
            arrays[f"wide{number}"],
            arrays[f"log_density{number}"],
            log_z,
            memory,
            int(n_step),
        )
        if island.points.shape != shape or island.wide.shape != shape:
            raise ValueError(f"island {number} has another shape")
        state.islands.append(island)
    if len(state.islands) > settings.n_island:
        raise ValueError("there are too many islands")
    while f"looked{len(state.looked)}" in arrays:
        densities = arrays[f"looked{len(state.looked)}"]
        if densities.ndim != 1 or densities.dtype != np.float64:
            raise ValueError("the conclusion's densities have another shape")
        state.looked.append(densities)
    if "moving_numbers" in arrays:
        power, log_z, n_step, memory = arrays["moving_numbers"].tolist()
        points, broad, target, wide = (arrays[f"moving_{name}"] for name in _ARRAYS)
        fits = points.shape[1:] == shape[1:] and wide.shape in (shape, (0, *shape[1:]))
        if not fits or broad.shape != points.shape[:1] or target.shape != points.shape[:1]:
            raise ValueError("the moving island has another shape")
        state.moving = Annealing(
            points,
            broad,
            target,
            power,
            log_z,
            int(n_step),
            wide,
            memory,
            arrays["moving_powers"].tolist(),
        )
    return state
