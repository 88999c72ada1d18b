"""What a campaign will take: units, seconds, bytes, money, and where it is best computed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from boinc_project.campaign import Campaign
from work_generator.advice import Advice, advise
from work_generator.costs import Bill, Work, bills
from work_generator.estimate import Estimate
from work_generator.expectation import Expectation, expect, generations
from work_generator.fleet import Fleet, WallTime, local_seconds, wall_time
from work_generator.prices import Prices


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine that plans.

    Attributes
    ----------
    cores : int
        Processors that may be used.
    speed : float
        How many reference cores one of them is worth.
    """

    cores: int
    speed: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a number of units takes.

    Attributes
    ----------
    words : str
        Which number this is.
    work : Work
        The work itself.
    generations : tuple[int, ...]
        Units of each generation.
    wall : WallTime
        On the fleet.
    local_seconds : float
        On this machine.
    bills : tuple[Bill, ...]
        What it costs everywhere.
    advice : Advice
        Where to compute it.
    """

    words: str
    work: Work
    generations: tuple[int, ...]
    wall: WallTime
    local_seconds: float
    bills: tuple[Bill, ...]
    advice: Advice


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a campaign takes.

    Attributes
    ----------
    told : Estimate
        What one unit costs.
    machine : Machine
        Where that was measured.
    fleet : Fleet
        The volunteers' computers.
    prices : Prices
        What the bills were made from.
    expectation : Expectation
        How many units there will be.
    outlooks : tuple[Outlook, ...]
        Of the first generation, of the expected units if known, and of the most there can be.
    """

    told: Estimate
    machine: Machine
    fleet: Fleet
    prices: Prices
    expectation: Expectation
    outlooks: tuple[Outlook, ...]

    @property
    def reference_seconds(self) -> float:
        """CPU seconds of a unit on the reference host."""
        return self.told.unit_seconds * self.machine.speed

    @property
    def deciding(self) -> Outlook:
        """The outlook that the advice is about: the expected units, else the most there can be."""
        for one in self.outlooks:
            if one.work.n_unit == self.expectation.likely:
                return one
        return self.outlooks[-1]


def forecast(
    campaign: Campaign, told: Estimate, *, machine: Machine, fleet: Fleet, prices: Prices
) -> Forecast:
    """Return what a campaign takes.

    Parameters
    ----------
    campaign : Campaign
        Prepared.
    told : Estimate
        What one unit costs, measured on `machine`.
    machine, fleet, prices
        See `Forecast`.
    """
    expectation = expect(campaign, told.cost.n_call)
    counts = {expectation.first: "First generation"}
    counts.setdefault(expectation.most, "At most")
    if expectation.likely is not None:
        counts[expectation.likely] = "Expected"
    outlooks = tuple(
        _outlook(campaign, told, n_unit, counts[n_unit], machine, fleet, prices)
        for n_unit in sorted(counts)
    )
    return Forecast(told, machine, fleet, prices, expectation, outlooks)


def _outlook(
    campaign: Campaign,
    told: Estimate,
    n_unit: int,
    words: str,
    machine: Machine,
    fleet: Fleet,
    prices: Prices,
) -> Outlook:
    seconds = told.unit_seconds * machine.speed
    work = Work(
        n_unit=n_unit,
        copies=told.results_per_unit,
        unit_seconds=seconds,
        bytes_down=told.cost.bytes_down,
        bytes_up=told.cost.bytes_up,
        bytes_shared=told.cost.bytes_shared,
    )
    sizes = generations(campaign, n_unit)
    wall = wall_time(
        fleet,
        sizes,
        copies=work.copies,
        unit_seconds=seconds,
        deadline=campaign.quorum.delay_bound,
    )
    here = local_seconds(sizes, unit_seconds=seconds, cores=machine.cores, speed=machine.speed)
    made = bills(work, prices, fleet=fleet, wall_seconds=wall.seconds, speed=machine.speed)
    advice = advise(work, made, prices, local_seconds=here, wall_seconds=wall.seconds)
    return Outlook(words, work, sizes, wall, here, made, advice)


def to_plain(one: Forecast) -> dict[str, Any]:
    """Return a forecast as plain JSON values: the numbers that the tables show, and their terms."""
    told = one.told
    return {
        "unit": {
            **asdict(told.cost),
            "seconds_per_call": told.seconds_per_call,
            "cpu_seconds_here": told.unit_seconds,
            "cpu_seconds_reference": one.reference_seconds,
            "copies": told.results_per_unit,
        },
        "machine": asdict(one.machine),
        "fleet": asdict(one.fleet),
        "prices": asdict(one.prices),
        "units": asdict(one.expectation),
        "outlooks": [_plain(outlook) for outlook in one.outlooks],
        "advice": {
            "n_unit": one.deciding.work.n_unit,
            "venue": one.deciding.advice.venue.value,
            "text": one.deciding.advice.text,
        },
    }


def _plain(outlook: Outlook) -> dict[str, Any]:
    work = outlook.work
    return {
        "what": outlook.words,
        "n_unit": work.n_unit,
        "generations": list(outlook.generations),
        "cpu_hours_reference": work.core_hours,
        "cpu_hours_volunteers": work.core_hours * work.copies,
        "bytes_down": work.n_unit * work.copies * work.bytes_down,
        "bytes_up": work.n_unit * work.copies * work.bytes_up,
        "wall_seconds": outlook.wall.seconds,
        "wall_arithmetic": outlook.wall.text,
        "local_seconds": outlook.local_seconds,
        "advice": outlook.advice.venue.value,
        "bills": {
            bill.venue.value: {
                "total": bill.total,
                "terms": [asdict(term) for term in bill.terms],
                "not_in_total": [asdict(term) for term in bill.asides],
            }
            for bill in outlook.bills
        },
    }
