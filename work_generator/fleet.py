"""How long a campaign takes on volunteers' computers: a formula with every term on the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from work_generator.estimate import duration
from work_generator.prices import Volunteers


@dataclass(frozen=True, slots=True)
class Fleet:
    """The computers at hand.

    Attributes
    ----------
    hosts : int
        Computers.
    cores : float
        Their processors, together.
    reference_cores : float
        How many cores of the reference host those are worth while they compute.
    availability : float
        Part of the time that they do.
    lost : float
        Part of the tasks that never come back.
    words : str
        What fleet this is, for people.
    """

    hosts: int
    cores: float
    reference_cores: float
    availability: float
    lost: float
    words: str

    @property
    def capacity(self) -> float:
        """Reference cores that compute at any moment."""
        return self.reference_cores * self.availability


def example_fleet(assumed: Volunteers, hosts: int | None = None) -> Fleet:
    """Return a fleet of average hosts, as the price file describes them."""
    n_host = assumed.hosts if hosts is None else hosts
    cores = n_host * assumed.cores_per_host
    return Fleet(
        hosts=n_host,
        cores=cores,
        reference_cores=cores * assumed.speed,
        availability=assumed.availability,
        lost=assumed.lost,
        words=f"{'example' if hosts is None else 'assumed'} fleet of {n_host} average hosts",
    )


@dataclass(frozen=True, slots=True)
class WallTime:
    """How long a campaign takes, by its parts.

    Attributes
    ----------
    computing : float
        Seconds in which the fleet computes.
    tail : float
        Seconds of waiting for tasks that never come back, until their deadlines.
    text : str
        The arithmetic.
    """

    computing: float
    tail: float
    text: str

    @property
    def seconds(self) -> float:
        """The whole."""
        return self.computing + self.tail


def wall_time(
    fleet: Fleet, generations: Sequence[int], *, copies: int, unit_seconds: float, deadline: float
) -> WallTime:
    """Return how long a campaign probably takes.

    A generation of n units is n c tasks of u CPU seconds. The fleet does them in n c u / C seconds,
    but a single task takes u / (s a) at least. A generation ends with its last task, since the next
    one starts from all its draws: with the probability 1 - (1 - p)^(n c) at least one task is lost,
    and its copy is made when its deadline d has passed. So a generation takes::

        max(n c u / C, u / (s a)) + d (1 - (1 - p)^(n c))

    C is the fleet's capacity, s a core's speed, a the availability, p the part that is lost.

    Parameters
    ----------
    fleet : Fleet
        The computers.
    generations : Sequence[int]
        Units of each generation.
    copies : int
        Tasks of each unit.
    unit_seconds : float
        CPU seconds of a unit on the reference host.
    deadline : float
        Seconds until a task is given up (``delay_bound``).
    """
    one = unit_seconds * fleet.cores / fleet.capacity
    computing = tail = 0.0
    for n_unit in generations:
        tasks = n_unit * copies
        if tasks:
            computing += max(tasks * unit_seconds / fleet.capacity, one)
            tail += deadline * -math.expm1(tasks * math.log1p(-fleet.lost))
    text = (
        f"{len(generations)} generations, {sum(generations)} units x {copies} copies x "
        f"{unit_seconds / 3600:.2f} CPU-h on {fleet.cores:.0f} cores worth "
        f"{fleet.reference_cores:.0f} reference cores, there {100 * fleet.availability:.0f} % of "
        f"the time, at least {duration(one)} a generation: {duration(computing)}; "
        f"{100 * fleet.lost:.0f} % of tasks lost, {duration(deadline)} each until a copy: "
        f"{duration(tail)}"
    )
    return WallTime(computing, tail, text)


def local_seconds(
    generations: Sequence[int], *, unit_seconds: float, cores: int, speed: float
) -> float:
    """Return how long a campaign takes on this machine: whole rounds of one unit a core."""
    rounds = sum(math.ceil(n_unit / cores) for n_unit in generations)
    return rounds * unit_seconds / speed
