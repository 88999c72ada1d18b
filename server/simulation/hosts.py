"""What simulated hosts are like: speed, availability, platform, errors, time-outs, cheating.

The numbers are assumptions; most of them are fields of `Population`, so that a run can ask what
happens if they are otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from server.simulation.app import SEGMENTS

PLATFORMS = (
    ("x86_64-pc-linux-gnu", "Linux", 0.55),
    ("windows_x86_64", "Microsoft Windows 11", 0.35),
    ("arm64-apple-darwin", "Darwin", 0.10),
)
"""Platform, system, and its share of the fleet."""
CORE_FPOPS = 3e9
"""FLOP/s of the core that work is measured in, the median of the fleet."""
NOISE = (0.0, 3e-11, -3e-11)
"""By how much each platform's arithmetic is off: far inside of the app's tolerance."""


class Character(StrEnum):
    """How a host behaves."""

    HONEST = "honest"
    """It computes what it is asked."""
    BROKEN = "broken"
    """Half of its results end in an error, and one in five of the others is wrong in a segment."""
    FORGER = "forger"
    """It makes all of every result up."""
    LAZY = "lazy"
    """It computes nine tenths of a result, and makes the rest up."""
    TURNCOAT = "turncoat"
    """It is honest until it has a record, then a forger."""
    COLLUDER = "colluder"
    """A forger; all of them make the same things up."""
    SLY = "sly"
    """A colluder that makes things up only where it knows that another one has the same unit."""


@dataclass(frozen=True, slots=True)
class Population:
    """A fleet.

    Attributes
    ----------
    hosts : int
        How many.
    cheaters : float
        Part of the hosts that are forgers, lazy, turncoats, colluders or sly ones, a fifth each.
    broken : float
        Part that is broken.
    error_rate : float
        Probability that a result of a sound host ends in an error.
    loss_rate : float
        Probability that a result is never returned.
    lifetime : float
        Mean days until a host leaves for ever.
    turncoat_after : int
        Honest results of a turncoat.
    """

    hosts: int = 1000
    cheaters: float = 0.02
    broken: float = 0.02
    error_rate: float = 0.01
    loss_rate: float = 0.03
    lifetime: float = 60.0
    turncoat_after: int = 30


@dataclass(slots=True)
class Traits:
    """What one host is like.

    Attributes
    ----------
    character : Character
        How it behaves.
    platform : int
        Index into `PLATFORMS`.
    cores : int
        Processors.
    speed : float
        FLOP/s of each.
    available : float
        Part of the time that it computes.
    buffer : float
        Seconds of work that it keeps.
    leaves : float
        Seconds from the start after which it is not heard of again.
    """

    character: Character
    platform: int
    cores: int
    speed: float
    available: float
    buffer: float
    leaves: float


def draw_traits(population: Population, rng: np.random.Generator) -> list[Traits]:
    """Draw a fleet."""
    cheats = [one for one in Character if one not in (Character.HONEST, Character.BROKEN)]
    shares = [share for *_, share in PLATFORMS]
    traits = []
    character: Character
    for _ in range(population.hosts):
        lot = rng.random()
        if lot < population.cheaters:
            character = cheats[int(rng.integers(len(cheats)))]
        elif lot < population.cheaters + population.broken:
            character = Character.BROKEN
        else:
            character = Character.HONEST
        traits.append(
            Traits(
                character=character,
                platform=int(rng.choice(len(PLATFORMS), p=shares)),
                cores=int(rng.choice([2, 4, 8, 16], p=[0.2, 0.4, 0.3, 0.1])),
                speed=float(CORE_FPOPS * rng.lognormal(0.0, 0.5)),
                available=float(rng.beta(4.0, 2.5)),
                buffer=float(rng.choice([0.1, 0.5, 1.0], p=[0.5, 0.3, 0.2])) * 86400.0,
                leaves=float(rng.exponential(population.lifetime)) * 86400.0,
            )
        )
    return traits


def wrong_segments(
    character: Character,
    done: int,
    population: Population,
    rng: np.random.Generator,
    *,
    accomplice: bool = False,
) -> frozenset[int]:
    """Return which segments of its next result a host does not compute as asked.

    Parameters
    ----------
    done : int
        Results that it has returned before.
    accomplice : bool
        Whether it knows of another one that has the same unit and will forge it.
    """
    everything = frozenset(range(SEGMENTS))
    if character is Character.LAZY:
        return frozenset(int(one) for one in rng.choice(SEGMENTS, SEGMENTS // 10, replace=False))
    if character is Character.BROKEN and rng.random() < 0.2:
        return frozenset({int(rng.integers(SEGMENTS))})
    if character is Character.TURNCOAT and done >= population.turncoat_after:
        return everything
    if character in (Character.FORGER, Character.COLLUDER):
        return everything
    if character is Character.SLY and accomplice:
        return everything
    return frozenset()
