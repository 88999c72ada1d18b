"""Last draws of a posterior, in independent parts, for its evidence and the weights of modes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from apps.ttv.population.proposal import Proposal
from apps.ttv.population.refining import (
    RESAMPLED,
    Cover,
    Densities,
    Look,
    Rounds,
    joined,
    look_at,
    refitted,
)

LAST = 10
"""Draws of a last look, for each point of the population."""
MOST_LOOKS = 6
"""Such looks at most, of `ENOUGH` effective draws in all."""
ENOUGH = 1
"""Effective draws that are enough, for each point: with 2000 points widths are known to 2 %."""
N_LOOK = 8
"""Independent parts of the last draws: they differ by the error of the evidence."""


def look_last(
    target: Densities,
    proposal: Proposal,
    rounds: Rounds,
    cover: Cover,
    order: Sequence[int],
    random: np.random.RandomState,
    n_point: int,
) -> tuple[Proposal, tuple[Look, ...]]:
    """Look until enough draws are effective, with a proposal that is made again after each look.

    A look that is worth too little has often reached a narrow part of the posterior for the first
    time. Its draws help to fit the next proposal, and the weights of all looks are by all of their
    proposals, so that the part is neither chosen away nor left to one draw of a huge weight.

    Parameters
    ----------
    target, proposal, cover, order, random, n_point
        See `refine`.
    rounds : Rounds
        That the proposal was fitted to; the draws of looks are added to it.

    Returns
    -------
    proposal : Proposal
        The last one.
    looks : tuple[Look, ...]
        `N_LOOK` independent parts of equal size.
    """
    looks, size = Rounds(), LAST * n_point // N_LOOK
    while True:
        look = joined([look_at(target, proposal, size, random) for _ in range(N_LOOK)])
        looks.add(look, proposal)
        if looks.all().effective >= ENOUGH * n_point or len(looks.looks) == MOST_LOOKS:
            break
        rounds.add(look, proposal)
        if np.isfinite(look.logs).any():
            proposal = refitted(rounds.all(), cover, order, RESAMPLED * n_point, random)
    each = looks.each()
    return proposal, tuple(
        joined([_part(look, slice(number * size, (number + 1) * size)) for look in each])
        for number in range(N_LOOK)
    )


def _part(look: Look, where: slice) -> Look:
    return Look(look.y[where], look.logs[where], look.target[where])
