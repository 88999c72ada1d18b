"""Which way of computing makes sense at a campaign's size: one paragraph, from its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from work_generator.costs import HOURS_PER_MONTH, NAMES, Bill, Venue, Work, machines_needed
from work_generator.estimate import duration
from work_generator.prices import Prices

TIE = 1.1
"""Totals within a tenth of the least count as equal: no price here is known better. Of equals the
simplest is advised, in the order of `Venue`."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Where to compute.

    Attributes
    ----------
    venue : Venue
        There.
    text : str
        One paragraph that says so, and why.
    """

    venue: Venue
    text: str


def advise(
    work: Work,
    bills: Sequence[Bill],
    prices: Prices,
    *,
    local_seconds: float,
    wall_seconds: float,
) -> Advice:
    """Return where to compute `work`.

    Parameters
    ----------
    work : Work
        What is to be done.
    bills : Sequence[Bill]
        What it costs everywhere.
    prices : Prices
        What the bills were made from.
    local_seconds, wall_seconds : float
        How long it takes on this machine, and on the volunteers'.
    """
    by_venue = {bill.venue: bill for bill in bills}
    size = f"{work.n_unit} units, {_number(work.core_hours)} CPU-hours on the reference host"
    took = duration(local_seconds)
    if local_seconds <= prices.local_hours * 3600:
        text = (
            f"Compute it here: `openastro campaign run-local` takes about {took} for {size}, less "
            f"than the {prices.local_hours:g} hours from which anything else is worth its trouble. "
            + _threshold(work, by_venue, prices)
        )
        return Advice(Venue.LOCAL, text)
    slow = _too_slow(work, prices, wall_seconds)
    paid = [bill for bill in bills if bill.venue not in (Venue.LOCAL, *slow)]
    least = min(bill.total for bill in paid)
    equal = [bill for bill in paid if bill.total <= TIE * least]
    order = list(Venue)
    chosen = min(equal, key=lambda bill: order.index(bill.venue))
    text = (
        f"{_HOW[chosen.venue]}: {_money(chosen.total, prices)} for {size}. Here it would take "
        f"{took}. {_others(chosen, equal, paid, prices)} {_slow_words(slow, prices)}"
        f"{_why(chosen, prices, wall_seconds)}"
        f"{_threshold(work, by_venue, prices)}"
    )
    return Advice(chosen.venue, text)


_HOW = {
    Venue.CLOUD_SPOT: "Take spot machines of a cloud",
    Venue.CLOUD_ON_DEMAND: "Take on-demand machines of a cloud",
    Venue.RENTED: "Rent servers by the month",
    Venue.OWNED: "Take a machine that you own",
    Venue.VOLUNTEERS: "Give it to volunteers",
}


def _others(chosen: Bill, equal: Sequence[Bill], paid: Sequence[Bill], prices: Prices) -> str:
    same = [NAMES[bill.venue] for bill in equal if bill is not chosen]
    more = [
        f"{NAMES[bill.venue]} {_money(bill.total, prices)}"
        for bill in sorted(paid, key=lambda bill: bill.total)
        if bill not in equal
    ]
    text = ""
    if same:
        text += f"As cheap within a tenth, but more to look after: {', '.join(same)}. "
    if more:
        text += f"Dearer: {', '.join(more)}."
    return text.strip()


def _too_slow(work: Work, prices: Prices, wall_seconds: float) -> list[Venue]:
    """Return where the work takes longer than is wanted; a cloud and rented servers only grow."""
    slow = []
    if prices.owned.machines and machines_needed(work, prices) > prices.owned.machines:
        slow.append(Venue.OWNED)
    if wall_seconds > prices.wanted_days * 86400:
        slow.append(Venue.VOLUNTEERS)
    return slow


def _slow_words(slow: Sequence[Venue], prices: Prices) -> str:
    if not slow:
        return ""
    names = " and ".join(NAMES[venue] for venue in slow)
    return f"Not within the {prices.wanted_days:g} days wanted: {names}. "


def _why(chosen: Bill, prices: Prices, wall_seconds: float) -> str:
    if chosen.venue is Venue.OWNED and chosen.asides:
        (left,) = chosen.asides
        return (
            f"That buys them; what is left of their life afterwards is worth "
            f"{_money(left.amount, prices)} if other work fills it. "
        )
    if chosen.venue is Venue.VOLUNTEERS:
        (power,) = chosen.asides
        return (
            f"They take about {duration(wall_seconds)}, and pay {_money(power.amount, prices)} of "
            "electricity themselves: the work should be worth that to them, too. "
        )
    return ""


def _threshold(work: Work, by_venue: dict[Venue, Bill], prices: Prices) -> str:
    """Say from which size volunteers are cheaper than hired machines."""
    hours = break_even_hours(work, by_venue, prices)
    if hours is None:
        return "At these prices no size makes volunteers cheaper than hired machines."
    return (
        "At these prices volunteers become cheaper than cloud and rented servers from about "
        f"{float(f'{hours:.2g}'):,.0f} CPU-hours, if they need no more months than here."
    )


def break_even_hours(work: Work, by_venue: dict[Venue, Bill], prices: Prices) -> float | None:
    """Return the CPU-hours from which volunteers cost less than any hired machine; None: never.

    Cores, servers and traffic grow with the size, setting up and a project's server do not: two
    straight lines ``fixed + growing * hours`` meet where the differences cancel.
    """
    volunteers = _line(by_venue[Venue.VOLUNTEERS], work)
    rented = prices.rented
    core_month = rented.cores * rented.speed * rented.utilisation * HOURS_PER_MONTH
    _, *rest = by_venue[Venue.RENTED].terms
    hired = [_line(by_venue[venue], work) for venue in (Venue.CLOUD_SPOT, Venue.CLOUD_ON_DEMAND)]
    # Months of servers are whole ones; on the average over sizes they are a straight line, too.
    per_hour = rented.per_month * rented.origin.rate / core_month
    hired.append((math.fsum(term.amount for term in rest), per_hour))
    meetings = [0.0]
    for fixed, growing in hired:
        if growing > volunteers[1]:
            meetings.append((volunteers[0] - fixed) / (growing - volunteers[1]))
        elif fixed < volunteers[0]:
            return None
    return max(meetings)


_GROWING = ("cores", "traffic out")


def _line(bill: Bill, work: Work) -> tuple[float, float]:
    """Return the part of a bill that is fixed, and what grows with every CPU-hour."""
    growing = math.fsum(term.amount for term in bill.terms if term.name in _GROWING)
    return bill.total - growing, growing / work.core_hours


def _money(amount: float, prices: Prices) -> str:
    return f"{money(amount)} {prices.currency}"


def money(amount: float) -> str:
    """Return an amount for people: cents only where they matter."""
    return f"{amount:,.2f}" if amount < 100 else f"{amount:,.0f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
