"""Proposals made again from weighted draws, and looks at the posterior that nothing is fitted to.

A population may weigh the parts of a posterior wrongly, because it comes from few ancestors, or
miss one. Importance weights put that right, if proposals cover every part. So each peak that is
known keeps a share of all draws and is fitted by its own ones. A proposal is made again from the
draws of all rounds before, each weighed by the mean density of all proposals (adaptive multiple
importance sampling: Cornuet, Marin, Mira & Robert 2012, Scand. J. Stat. 39, 798): a narrow part
that one round in ten reaches is not forgotten by the other nine, and no round is chosen because its
weights are even, as they are where none of its draws lies at a part of the posterior. While the
weights at a peak are poor they are tempered, so that a fit never follows two or three points of
huge weight.

The evidence comes from other draws, the looks, because draws that proposals were fitted to weigh
too little (`apps.ttv.compute.population.rounds`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.population.importance import largest_power, picked
from apps.ttv.compute.population.proposal import Proposal, fit_proposal
from apps.ttv.compute.population.rounds import N_PART, Densities, Look, Rounds, look_at

ENOUGH = 2000.0
"""Effective draws that are enough: widths are known to 2 %."""
LOOK, MOST_LOOKS = 2, 6
"""Rounds that a look has as many draws as, and looks at most; a posterior of which there are still
too few effective draws then is said to be one."""
DEFENSIVE = 0.1
"""Part of a proposal that covers wider draws: the weights of draws there are at most 10 times too
large, and a tenth of all draws is lost."""
SHARED = 0.2
"""Part of a proposal's draws that all known peaks have in equal parts, whatever they weigh."""
# Draws of a round for each point of the population, and at most: a population of 500 points has
# rounds as large as one of 2000, because it knows its posterior less well.
_PER_POINT, _MOST_DRAWS = 16, 8000
# Draws that each peak is fitted to, for each draw of a round.
_RESAMPLED = 2
# Effective draws per parameter that a fit needs, and to which weights are tempered.
_LEAST_EFFECTIVE = 30.0
# Share of a round's draws that is effective, from which on a proposal is good enough; rounds in a
# row without a gain, after which it is not made better; rounds before the first look and before
# each of the others at least and at most. The first rounds follow the population alone.
_GOOD, _PATIENCE = 0.5, 3
_FIRST, _LATER = (3, 12), (2, 4)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """The parts of a posterior that every proposal covers.

    Attributes
    ----------
    around : tuple of ndarray
        For each peak that is known, draws of an approximation, coordinates (n, n_dim); they stand
        for the peak as long as there are too few others.
    labels : Callable
        From coordinates (n, n_dim) to the number of the peak that each of them belongs to, (n,);
        zeros if no peak is known.
    wide : ndarray
        float64 (n, n_dim), coordinates wider than the posterior, because a part of it that no draw
        of a round has reached gets a huge weight in the next one (Hesterberg 1995, Technometrics
        37, 185); empty if there are none.
    """

    around: tuple[Array, ...]
    labels: Callable[[Array], NDArray[np.intp]]
    wide: Array


def draws_of_round(n_point: int) -> int:
    """Return the draws of a round for a population of `n_point`: as many of each part."""
    return N_PART * max(1, min(_PER_POINT * n_point, _MOST_DRAWS) // N_PART)


@dataclass(frozen=True, slots=True, eq=False)
class Refiner:
    """Makes proposals of a posterior good, and looks with them.

    Attributes
    ----------
    target : Densities
        The posterior.
    cover : Cover
        Of every proposal.
    order : sequence of int
        See `fit_proposal`.
    random : RandomState
        Decides the draws.
    size : int
        Draws of a round; see `draws_of_round`.
    """

    target: Densities
    cover: Cover
    order: Sequence[int]
    random: np.random.RandomState
    size: int

    def conclude(self, proposal: Proposal) -> tuple[Proposal, Rounds]:
        """Refine a proposal and look with it, until enough draws of all looks are effective.

        Returns
        -------
        proposal : Proposal
            The last one.
        looks : Rounds
            Draws that no proposal was fitted to: `ENOUGH` of them are effective, or there have been
            `MOST_LOOKS`.
        """
        rounds, looks = Rounds(), Rounds()
        for fewest, most in (_FIRST, *[_LATER] * (MOST_LOOKS - 1)):
            proposal = self.refined(proposal, rounds, fewest, most)
            look = look_at(self.target, proposal, LOOK * self.size, self.random)
            looks.add(look, proposal)
            if looks.all().effective >= ENOUGH:
                break
        return proposal, looks

    def refined(self, proposal: Proposal, rounds: Rounds, fewest: int, most: int) -> Proposal:
        """Return a proposal made again from the draws of all rounds, while that helps.

        Parameters
        ----------
        proposal : Proposal
            The one before.
        rounds : Rounds
            Those of before; the new ones are added.
        fewest, most : int
            New rounds.
        """
        best, idle = 0.0, 0
        for n_round in range(1, most + 1):
            look = look_at(self.target, proposal, self.size, self.random)
            rounds.add(look, proposal)
            together, n_fitted = rounds.all(), _RESAMPLED * self.size
            if together.effective:
                proposal = refitted(together, self.cover, self.order, n_fitted, self.random)
            idle = 0 if look.effective > 1.1 * best else idle + 1
            best = max(best, look.effective)
            is_good = look.effective >= _GOOD * self.size or idle == _PATIENCE
            if n_round >= fewest and is_good:
                break
        return proposal


def refitted(
    look: Look, cover: Cover, order: Sequence[int], n: int, random: np.random.RandomState
) -> Proposal:
    """Fit a proposal to weighted draws, each peak to its own ones.

    Parameters
    ----------
    look : Look
        Of which at least one draw has a weight.
    cover, order, random
        See `Refiner`.
    n : int
        Draws that each peak is fitted to, at most, with repetitions.
    """
    places = np.flatnonzero(np.isfinite(look.logs))
    of_peak = cover.labels(look.y[places])
    weights = np.exp(look.logs[places] - look.logs[places].max())
    groups, parts = [], []
    for peak in range(max(1, len(cover.around))):
        own = places[of_peak == peak]
        draws = _tempered(look.y[own], look.logs[own], n, random)
        if draws is None and cover.around:
            draws = cover.around[peak]
        if draws is not None:
            groups.append(draws)
            parts.append(float(weights[of_peak == peak].sum()))
    shares = (1.0 - SHARED) * np.array(parts) / sum(parts) + SHARED / len(parts)
    if not len(cover.wide):
        return fit_proposal(groups, shares, order)
    return fit_proposal([*groups, cover.wide], [*((1.0 - DEFENSIVE) * shares), DEFENSIVE], order)


def _tempered(y: Array, logs: Array, n: int, random: np.random.RandomState) -> Array | None:
    """Return draws by tempered weights, with repetitions; None if there are too few for a fit."""
    # Fewer draws would have a singular covariance.
    if len(y) <= 2 * y.shape[1]:
        return None
    power = largest_power(logs, min(_LEAST_EFFECTIVE * y.shape[1], 0.5 * len(y)))
    return y[picked(power * logs, n, random)]
