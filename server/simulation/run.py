"""One simulation from beginning to end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, select

from boinc_project.states import ErrorMask
from server.models import CampaignRow, Workunit
from server.simulation.fleet import Fleet
from server.simulation.hosts import Population
from server.simulation.report import Report, report
from server.simulation.world import Work, World


@dataclass(frozen=True, slots=True)
class Simulation:
    """What to simulate.

    Attributes
    ----------
    population : Population
        The hosts.
    work : Work
        The campaign.
    seed : int
        Of everything: the same simulation gives the same numbers, real times aside.
    days : float
        Virtual days after which it ends in any case.
    sections : dict[str, dict[str, Any]]
        Sections of ``openastro.toml`` that are not at their defaults.
    """

    population: Population = field(default_factory=Population)
    work: Work = field(default_factory=Work)
    seed: int = 1
    days: float = 90.0
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for cyclic garbage rarely: of many short-lived rows that takes an eighth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@_rare_collections()
def run(simulation: Simulation, root: Path) -> Report:
    """Simulate in an empty directory; what is left there is the project at the end."""
    of_server, of_fleet = np.random.SeedSequence(simulation.seed).spawn(2)
    world = World(
        root, simulation.work, simulation.sections, np.random.Generator(np.random.PCG64(of_server))
    )
    try:
        world.publish()
        world.issue()
        rng = np.random.Generator(np.random.PCG64(of_fleet))
        fleet = Fleet(world, simulation.population, rng)

        def count_open() -> int:
            with world.database.read() as session:
                undecided = select(func.count()).where(
                    Workunit.canonical_resultid.is_(None), Workunit.error_mask == ErrorMask.NONE
                )
                return session.scalar(undecided) or 0

        fleet.run(simulation.work.units, count_open, days=simulation.days)
        with world.database.read() as session:
            state = session.scalars(select(CampaignRow.state)).one()
        return report(world, fleet.truth, state)
    finally:
        world.database.dispose()
