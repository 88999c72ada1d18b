"""The proposals of the sampler: emcee's moves, and one that learns from earlier draws.

``de``
    Differential evolution (ter Braak 2006; Nelson et al. 2014, ApJS 210, 11): a walker moves along
    the difference of two others, times 2.38 / sqrt(2 n_dim), jittered by 1 %.
``de_gamma1``
    The same with factor 1, which leads from one mode to another.
``snooker``
    A walker moves along the line through another one (ter Braak & Vrugt 2008, Stat. Comput. 18,
    435).
``stretch``
    emcee's own (Goodman & Weare 2010, CAMCoS 5, 65).
``mixture``
    Independent of where the walker is: a point from a mixture of Student t distributions that was
    fitted to an earlier posterior.

Where emcee's code adds with BLAS, the move is written here with numpy's own sums: BLAS adds in
another order on another processor, and equal units should give equal bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from emcee.moves import DEMove, DESnookerMove, Move, StretchMove
from emcee.state import State
from numpy.typing import NDArray

from apps.ttv.compute import exact
from apps.ttv.compute.mixture import log_mixture, sample_mixture
from apps.ttv.compute.sampler_settings import Mixture, SamplerSettings

# Nelson et al. 2014 jitter gamma so that a walker does not stay on a lattice.
_JITTER = 0.01

Vector = NDArray[np.float64]


class SnookerMove(DESnookerMove):
    """The snooker update, for all walkers of a group at once."""

    def get_proposal(
        self, s: Vector, c: list[Vector], random: np.random.RandomState
    ) -> tuple[Vector, Vector]:
        """Return proposals and the logarithms of their Metropolis factors.

        Parameters
        ----------
        s : ndarray
            Walkers to move, (n, n_dim).
        c : list of ndarray
            The three other groups.
        random : RandomState
            Of this step.
        """
        n, n_dim = s.shape
        # Three walkers, one of each other group, in random order: no two of them are the same.
        order = np.argsort(random.rand(n, 3), axis=1)
        picked = np.stack([group[random.randint(len(group), size=n)] for group in c], axis=1)
        shuffled = picked[np.arange(n)[:, None], order]
        z, z1, z2 = shuffled[:, 0], shuffled[:, 1], shuffled[:, 2]
        line = s - z
        distance2 = np.sum(line * line, axis=1)
        along = np.sum(line * (z1 - z2), axis=1) / distance2
        q = s + self.gammas * along[:, None] * line
        new_distance2 = np.sum((q - z) ** 2, axis=1)
        return q, 0.5 * (n_dim - 1.0) * (np.log(new_distance2) - np.log(distance2))


class MixtureMove(Move):
    """Independence Metropolis-Hastings with a fixed mixture as the proposal."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def propose(self, model: Any, state: State) -> tuple[State, NDArray[np.bool_]]:
        """Move every walker once; see `emcee.moves.Move`."""
        q = sample_mixture(self.mixture, len(state.coords), model.random)
        log_probs, blobs = model.compute_log_prob_fn(q)
        factors = log_mixture(self.mixture, state.coords) - log_mixture(self.mixture, q)
        thresholds = exact.log(model.random.rand(len(q)))
        accepted = log_probs - state.log_prob + factors > thresholds
        return self.update(state, State(q, log_prob=log_probs, blobs=blobs), accepted), accepted


def make_moves(sampler: SamplerSettings) -> tuple[list[Any], list[float]]:
    """Return emcee moves and their probabilities."""
    return [_make(name, sampler) for name, _ in sampler.moves], [w for _, w in sampler.moves]


def _make(name: str, sampler: SamplerSettings) -> Any:
    if name == "mixture":
        assert sampler.mixture is not None  # settings without one are refused
        return MixtureMove(sampler.mixture)
    return {
        "de": lambda: DEMove(sigma=_JITTER),
        "de_gamma1": lambda: DEMove(sigma=_JITTER, gamma0=1.0),
        "snooker": SnookerMove,
        "stretch": StretchMove,
    }[name]()
