"""What the same work costs on cloud, rented, owned and volunteers' machines, term by term.

Only seconds and bytes of a unit enter, so that any app's campaign can be priced. On machines that
one pays for, every unit is computed once; volunteers compute as many copies as the quorum asks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from work_generator.fleet import Fleet
from work_generator.prices import Cloud, Origin, Prices

HOURS_PER_MONTH = 730.5
"""A twelfth of a Julian year."""
_HOURS_PER_YEAR = 8766.0


class Venue(StrEnum):
    """Where work can be done, the simplest first: in this order ties are decided."""

    LOCAL = "local"
    CLOUD_SPOT = "cloud_spot"
    CLOUD_ON_DEMAND = "cloud_on_demand"
    RENTED = "rented"
    OWNED = "owned"
    VOLUNTEERS = "volunteers"


NAMES = {
    Venue.LOCAL: "this machine",
    Venue.CLOUD_SPOT: "cloud, spot",
    Venue.CLOUD_ON_DEMAND: "cloud, on demand",
    Venue.RENTED: "rented servers",
    Venue.OWNED: "an owned machine",
    Venue.VOLUNTEERS: "volunteers",
}


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done.

    Attributes
    ----------
    n_unit : int
        Units.
    copies : int
        Times that volunteers compute each.
    unit_seconds : float
        CPU seconds of one on the reference host.
    bytes_down, bytes_up : int
        What a task downloads for itself, and uploads.
    bytes_shared : int
        What a host downloads once.
    """

    n_unit: int
    copies: int
    unit_seconds: float
    bytes_down: int
    bytes_up: int
    bytes_shared: int

    @property
    def core_hours(self) -> float:
        """Hours of the reference host, every unit once."""
        return self.n_unit * self.unit_seconds / 3600


@dataclass(frozen=True, slots=True)
class Term:
    """One line of a bill.

    Attributes
    ----------
    name : str
        What is paid for.
    arithmetic : str
        How the amount comes about; what it works out to is `amount`, but for rounding in print.
    amount : float
        In the currency of the totals.
    """

    name: str
    arithmetic: str
    amount: float


@dataclass(frozen=True, slots=True)
class Bill:
    """What the work costs in one place.

    Attributes
    ----------
    venue : Venue
        Where.
    terms : tuple[Term, ...]
        What makes up the total.
    asides : tuple[Term, ...]
        What somebody else pays, or what is paid whether or not this is done; not in the total.
    """

    venue: Venue
    terms: tuple[Term, ...]
    asides: tuple[Term, ...] = ()

    @property
    def total(self) -> float:
        """Sum of the terms."""
        return math.fsum(term.amount for term in self.terms)


def bills(
    work: Work, prices: Prices, *, fleet: Fleet, wall_seconds: float, speed: float
) -> tuple[Bill, ...]:
    """Return what `work` costs everywhere, in the order of `Venue`.

    Parameters
    ----------
    work : Work
        What is to be done.
    prices : Prices
        From the price file.
    fleet : Fleet
        The volunteers' computers.
    wall_seconds : float
        How long they take: a project's server is paid until the end.
    speed : float
        How many reference cores a core of this machine is worth.
    """
    return (
        _local(work, prices, speed),
        _cloud(work, prices, Venue.CLOUD_SPOT, prices.cloud_spot),
        _cloud(work, prices, Venue.CLOUD_ON_DEMAND, prices.cloud_on_demand),
        _rented(work, prices),
        _owned(work, prices),
        _volunteers(work, prices, fleet, wall_seconds),
    )


def _local(work: Work, prices: Prices, speed: float) -> Bill:
    owned = prices.owned
    hours = work.core_hours / speed
    watts = owned.watts / owned.cores
    return Bill(Venue.LOCAL, (_energy(hours, watts, owned.per_kwh, owned.origin),))


def _cloud(work: Work, prices: Prices, venue: Venue, cloud: Cloud) -> Bill:
    hours = work.core_hours / cloud.speed / (1 - cloud.lost)
    shown = f"{work.core_hours:,.4g} core-h / speed {cloud.speed:g}"
    if cloud.lost:
        shown += f" / (1 - {cloud.lost:g} lost)"
    terms = (
        _term("cores", shown, hours, cloud.per_core_hour, cloud.origin),
        _egress(work.n_unit * work.bytes_up, cloud.egress_per_gb, cloud.origin),
        _work_hours("setting up", cloud.admin_hours, prices),
    )
    return Bill(venue, terms)


def _rented(work: Work, prices: Prices) -> Bill:
    rented = prices.rented
    per_month = rented.cores * rented.speed * rented.utilisation * HOURS_PER_MONTH
    months = math.ceil(work.core_hours / per_month)
    shown = (
        f"{months} server-months, of {rented.cores} cores x speed {rented.speed:g} x "
        f"{rented.utilisation:g} x {HOURS_PER_MONTH:g} h = {per_month:,.4g} core-h each,"
    )
    terms = (
        _term("servers", shown, float(months), rented.per_month, rented.origin),
        _work_hours("setting up", rented.admin_hours, prices),
    )
    return Bill(Venue.RENTED, terms)


def _owned(work: Work, prices: Prices) -> Bill:
    """Return the share of machines that are there, or the whole price of those to be bought."""
    owned = prices.owned
    hours = work.core_hours / (owned.cores * owned.speed)
    life = owned.years * _HOURS_PER_YEAR * owned.utilisation
    life_shown = f"{owned.years:g} years x {_HOURS_PER_YEAR:g} h x {owned.utilisation:g}"
    admin = owned.admin_hours_per_year * hours / (_HOURS_PER_YEAR * owned.utilisation)
    running = (
        _energy(hours * owned.cores, owned.watts / owned.cores, owned.per_kwh, owned.origin),
        _work_hours("looking after them", admin, prices),
    )
    share = hours / life
    if owned.machines:
        shown = f"{hours:,.4g} machine-h of {life_shown}: {share:.3g} machines"
        bought = _term("their purchase", shown, share, owned.purchase, owned.origin)
        return Bill(Venue.OWNED, (bought, *running))
    count = machines_needed(work, prices)
    shown = f"{count} to do {hours:,.4g} machine-h in {prices.wanted_days:g} days"
    bought = _term("buying machines", shown, float(count), owned.purchase, owned.origin)
    left = _term(
        "what they are worth after",
        f"{count} - {share:.3g}",
        count - share,
        owned.purchase,
        owned.origin,
    )
    return Bill(Venue.OWNED, (bought, *running), (left,))


def machines_needed(work: Work, prices: Prices) -> int:
    """Return how many owned machines do the work within the time that is wanted."""
    owned = prices.owned
    hours = work.core_hours / (owned.cores * owned.speed)
    return max(1, math.ceil(hours / (prices.wanted_days * 24 * owned.utilisation)))


def _volunteers(work: Work, prices: Prices, fleet: Fleet, wall_seconds: float) -> Bill:
    told = prices.volunteers
    months = max(1, math.ceil(wall_seconds / 3600 / HOURS_PER_MONTH))
    tasks = work.n_unit * work.copies
    hosts = min(fleet.hosts, tasks)
    nbytes = tasks * work.bytes_down + hosts * work.bytes_shared
    # A core of the fleet, not of the reference host, is what a volunteer pays the power of.
    hours = work.core_hours * work.copies * fleet.cores / fleet.reference_cores
    server = _term("server", f"{months} months", float(months), told.server_per_month, told.origin)
    terms = (
        server,
        _work_hours("setting up", told.setup_hours, prices),
        _work_hours("running it", told.admin_hours_per_month * months, prices),
        _egress(nbytes, told.egress_per_gb, told.origin),
    )
    power = _energy(hours, told.watts_per_core, told.per_kwh, told.origin)
    paid = Term("electricity, paid by volunteers", power.arithmetic, power.amount)
    return Bill(Venue.VOLUNTEERS, terms, (paid,))


def _energy(hours: float, watts: float, per_kwh: float, origin: Origin) -> Term:
    shown = f"{hours:,.4g} core-h x {watts:.3g} W / 1000"
    return _term("electricity", shown, hours * watts / 1000, per_kwh, origin)


def _egress(nbytes: float, per_gb: float, origin: Origin) -> Term:
    return _term("traffic out", f"{nbytes / 1e9:.3g} GB", nbytes / 1e9, per_gb, origin)


def _work_hours(name: str, hours: float, prices: Prices) -> Term:
    shown = f"{hours:.3g} h of work x {prices.admin_per_hour:g} {prices.currency}"
    return Term(name, shown, hours * prices.admin_per_hour)


def _term(name: str, shown: str, quantity: float, price: float, origin: Origin) -> Term:
    rate = "" if origin.rate == 1 else f" x rate {origin.rate:g}"
    shown = f"{shown} x {price:g} {origin.currency}{rate}"
    return Term(name, shown, quantity * price * origin.rate)
