"""Independent groups of a tempered run, each with a ladder of its own, in blocks of steps.

A block's random stream follows from (seed, group, block), so that a stored ladder is all that is
needed to go on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bench.zoo.ascent import build
from bench.zoo.tempering import Ladder, Proposals, Target

Array = NDArray[np.float64]

BLOCK = 200
"""Steps of a block."""
N_WARM = 3
"""Blocks that do not count: after each of them proposals are fitted anew to it."""
_THIN = 4
_N_ARCHIVE = 1000


@dataclass(slots=True, eq=False)
class Group:
    """One group of walkers.

    Attributes
    ----------
    key : tuple[int, int]
        Seed and number.
    ladder : Ladder
        Its walkers.
    n_block : int
        Blocks that are done.
    draws : list[ndarray]
        Of the last level, (n_draw, n_walker, n_dim) for each block that counts.
    stones : list[ndarray]
        Logarithms of the mean ratios of all levels, (n_level,) for each block that counts.
    """

    key: tuple[int, int]
    ladder: Ladder
    n_block: int = 0
    draws: list[Array] = field(default_factory=list)
    stones: list[Array] = field(default_factory=list)

    def log_z(self, first: int, end: int) -> float:
        """Return the evidence by stepping stones, of the counted blocks from `first` to `end`."""
        means = logsumexp(self.stones[first:end], axis=0) - np.log(end - first)
        return self.ladder.first_stone() + float(means.sum())

    def advance(self, target: Target) -> None:
        """Make one block of steps."""
        rng = np.random.default_rng([*self.key, 1, self.n_block])
        warm = self.n_block < N_WARM
        history, stones = [], []
        for step in range(BLOCK):
            self.ladder.step(target, rng)
            stones.append(self.ladder.stones())
            if step % _THIN == _THIN - 1:
                history.append((self.ladder.points if warm else self.ladder.points[-1]).copy())
        self.n_block += 1
        if warm:
            self._refit(np.array(history), target, rng)
        else:
            self.draws.append(np.array(history))
            self.stones.append(np.asarray(logsumexp(stones, axis=0) - np.log(BLOCK)))

    def _refit(self, history: Array, target: Target, rng: np.random.Generator) -> None:
        """Fit proposals to (n_draw, n_level, n_walker, n_dim); the earlier half is forgotten."""
        late = history[len(history) // 2 :].transpose(1, 0, 2, 3)
        points = late.reshape(late.shape[0], -1, late.shape[3])
        chosen = rng.permutation(points.shape[1])[:_N_ARCHIVE]
        self.ladder.proposals = Proposals.fit(points[:, chosen], target.bent)


def begin(target: Target, seed: int, number: int, n_walker: int, truth: Array | None) -> Group:
    """Return a new group; one walker of each level begins at `truth`, if it is given."""
    ladder = build(target, n_walker, np.random.default_rng([seed, number, 0]))
    if truth is not None:
        likelihoods, priors = target.log_terms(truth[None])
        ladder.points[:, 0] = truth
        ladder.likelihoods[:, 0], ladder.priors[:, 0] = likelihoods[0], priors[0]
    return Group((seed, number), ladder)


def store(group: Group, path: Path) -> None:
    """Write a group; the file appears whole or not at all."""
    ladder, straight = group.ladder, group.ladder.proposals.straight
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        counts=np.array([*group.key, group.n_block, ladder.n_call]),
        powers=ladder.powers,
        points=ladder.points,
        likelihoods=ladder.likelihoods,
        priors=ladder.priors,
        pool=ladder.pool,
        pool_likelihoods=ladder.pool_likelihoods,
        archive=straight.bend(ladder.proposals.archive),
        bent=np.array(straight.bent, dtype=np.int64),
        draws=np.array(group.draws).reshape(-1, BLOCK // _THIN, *ladder.points.shape[1:]),
        stones=np.array(group.stones).reshape(-1, len(ladder.powers) - 1),
    )
    partial.replace(path)


def restore(path: Path) -> Group:
    """Read a group that `store` has written."""
    with np.load(path) as file:
        seed, number, n_block, n_call = file["counts"].tolist()
        ladder = Ladder(
            file["powers"],
            file["points"],
            file["likelihoods"],
            file["priors"],
            Proposals.fit(file["archive"], tuple(file["bent"].tolist())),
            file["pool"],
            file["pool_likelihoods"],
            n_call,
        )
        return Group((seed, number), ladder, n_block, list(file["draws"]), list(file["stones"]))
