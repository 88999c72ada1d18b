"""Merge sub-chains into one posterior: drop burn-in, set stuck ones apart, report disagreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.merge.modes import Mode, find_modes
from apps.ttv.merge.sub_chain import SubChain, burn_in, stuck_walkers

MIN_DRAWS = 4
"""Draws that a sub-chain must have after its burn-in; fewer have no split R-hat."""

MIN_WALKERS = 0.5
"""Share of walkers that must not be stuck; a sub-chain with fewer has no main ensemble."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What became of one sub-chain.

    Attributes
    ----------
    key : tuple[int, int, str]
        See `apps.ttv.merge.sub_chain.SubChain`.
    merged : bool
        Whether its draws are in the posterior.
    mode : int | None
        Place of its mode in `Merged.modes`; None if it was set apart before.
    burn_in, n_draw : int
        Stored draws dropped at the beginning, and stored draws in all.
    stuck_walkers : int
        Walkers left out.
    log_prob_median : float
        After the burn-in.
    remark : str
        Why it is not merged, or what is odd about it; else empty.
    """

    key: tuple[int, int, str]
    merged: bool
    mode: int | None
    burn_in: int
    n_draw: int
    stuck_walkers: int
    log_prob_median: float
    remark: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """A merged posterior.

    Attributes
    ----------
    draws : ndarray
        float64 (n_chain, n_draw, n_walker, n_dim): as many draws and walkers of every sub-chain as
        the poorest of them has; sub-chains by generation, index and digest.
    log_prob : ndarray
        float64 (n_chain, n_draw, n_walker).
    keys : tuple
        Which sub-chains those are.
    reports : tuple[ChainReport, ...]
        One for every sub-chain given, merged or not, in the same order.
    modes : tuple[Mode, ...]
        Modes found, with places in `reports`; the first is the one merged.
    """

    draws: Floats
    log_prob: Floats
    keys: tuple[tuple[int, int, str], ...]
    reports: tuple[ChainReport, ...]
    modes: tuple[Mode, ...]


def merge_chains(chains: Sequence[SubChain], n_dim: int) -> Merged:
    """Merge sub-chains; their order does not matter, and no clock or generator takes part.

    Parameters
    ----------
    chains : Sequence[SubChain]
        Any number, also none.
    n_dim : int
        Number of parameters.
    """
    ordered = sorted(chains, key=lambda chain: chain.key)
    skips = _burn_ins(ordered)
    kept = [chain.after(skip) for chain, skip in zip(ordered, skips, strict=True)]
    stuck = [stuck_walkers(chain) for chain in kept]
    sound = [
        place
        for place, chain in enumerate(kept)
        if len(chain.draws) >= MIN_DRAWS and np.mean(~stuck[place]) > MIN_WALKERS
    ]
    healthy = {place: kept[place].of_walkers(np.flatnonzero(~stuck[place])) for place in sound}
    modes = _at(sound, find_modes([healthy[place] for place in sound]))
    merged = modes[0].members if modes else ()
    draws, log_prob = _stack([healthy[place] for place in merged], n_dim)
    mode_of = {place: number for number, mode in enumerate(modes) for place in mode.members}
    return Merged(
        draws=draws,
        log_prob=log_prob,
        keys=tuple(ordered[place].key for place in merged),
        reports=tuple(
            ChainReport(
                key=chain.key,
                merged=place in merged,
                mode=mode_of.get(place),
                burn_in=skips[place],
                n_draw=len(chain.draws),
                stuck_walkers=int(stuck[place].sum()),
                log_prob_median=float(np.median(kept[place].log_prob)),
                remark=_remark(mode_of.get(place), len(kept[place].draws), int(stuck[place].sum())),
            )
            for place, chain in enumerate(ordered)
        ),
        modes=modes,
    )


def _burn_ins(ordered: Sequence[SubChain]) -> list[int]:
    """Return every sub-chain's burn-in: one for each generation (and length)."""
    alike: dict[tuple[int, int], list[SubChain]] = {}
    for chain in ordered:
        alike.setdefault((chain.key[0], len(chain.draws)), []).append(chain)
    found = {kind: burn_in(chains) for kind, chains in alike.items()}
    return [found[chain.key[0], len(chain.draws)] for chain in ordered]


def _at(places: Sequence[int], modes: tuple[Mode, ...]) -> tuple[Mode, ...]:
    return tuple(
        Mode(tuple(places[one] for one in mode.members), mode.log_prob_max, mode.log_evidence)
        for mode in modes
    )


def _stack(chains: Sequence[SubChain], n_dim: int) -> tuple[Floats, Floats]:
    """Return the last draws of the first walkers of every sub-chain, equally many of each."""
    if not chains:
        return np.empty((0, 0, 0, n_dim)), np.empty((0, 0, 0))
    n_draw = min(len(chain.draws) for chain in chains)
    n_walker = min(chain.draws.shape[1] for chain in chains)
    return (
        np.stack([chain.draws[-n_draw:, :n_walker] for chain in chains]),
        np.stack([chain.log_prob[-n_draw:, :n_walker] for chain in chains]),
    )


def _remark(mode: int | None, n_left: int, n_stuck: int) -> str:
    if n_left < MIN_DRAWS:
        return f"Not merged: it has only {n_left} draws."
    if mode is None:
        return "Not merged: most of its walkers are stuck."
    if mode > 0:
        return "Not merged: it samples another mode than the product."
    return f"{n_stuck} stuck walkers are left out." if n_stuck else ""
