from __future__ import annotations

from dataclasses import replace

import pytest

from work_generator.advice import Advice, advise, break_even_hours
from work_generator.costs import Bill, Term, Venue, Work, bills
from work_generator.fleet import example_fleet
from work_generator.prices import Prices, load_prices

DAY = 86400.0


def work(core_hours: float) -> Work:
    """Units of 45 minutes, each computed twice by volunteers."""
    return Work(round(core_hours / 0.75), 2, 2700.0, 20_000, 1_000_000, 5000)


def advised(
    core_hours: float,
    prices: Prices | None = None,
    *,
    local: float = 1e12,
    wall: float = 20 * DAY,
) -> Advice:
    prices = prices or load_prices()
    one = work(core_hours)
    fleet = example_fleet(prices.volunteers)
    made = bills(one, prices, fleet=fleet, wall_seconds=wall, speed=1.0)
    return advise(one, made, prices, local_seconds=local, wall_seconds=wall)


@pytest.mark.parametrize(
    ("core_hours", "venue"),
    [
        (200.0, Venue.CLOUD_ON_DEMAND),
        (4000.0, Venue.CLOUD_SPOT),
        (30_000.0, Venue.RENTED),
        (2_000_000.0, Venue.VOLUNTEERS),
    ],
)
def test_the_example_prices_by_size(core_hours: float, venue: Venue) -> None:
    assert advised(core_hours).venue is venue


def test_what_ends_within_a_day_is_computed_here_whatever_it_costs() -> None:
    here = advised(200.0, local=DAY)
    assert here.venue is Venue.LOCAL
    assert "openastro campaign run-local" in here.text
    assert advised(200.0, local=1.01 * DAY).venue is not Venue.LOCAL


def test_a_machine_that_is_there_is_used_unless_it_is_too_slow() -> None:
    prices = load_prices()
    there = replace(prices, owned=replace(prices.owned, machines=1))
    assert advised(4000.0, there).venue is Venue.OWNED
    # 16 cores at 70 % do 24,192 core-hours in 90 days.
    late = advised(30_000.0, there)
    assert late.venue is Venue.RENTED
    assert "Not within the 90 days wanted: an owned machine." in late.text


def test_machines_are_bought_where_everything_else_is_dear() -> None:
    prices = load_prices()
    dear = replace(
        prices,
        cloud_spot=replace(prices.cloud_spot, per_core_hour=1.0),
        cloud_on_demand=replace(prices.cloud_on_demand, per_core_hour=1.0),
        rented=replace(prices.rented, per_month=5000.0),
        volunteers=replace(prices.volunteers, setup_hours=1000.0),
    )
    bought = advised(20_000.0, dear)
    assert bought.venue is Venue.OWNED
    assert "what is left of their life afterwards" in bought.text


def test_volunteers_who_take_too_long_are_not_advised() -> None:
    assert advised(2_000_000.0, wall=89 * DAY).venue is Venue.VOLUNTEERS
    late = advised(2_000_000.0, wall=91 * DAY)
    assert late.venue is not Venue.VOLUNTEERS
    assert "Not within the 90 days wanted: volunteers." in late.text


def test_the_advice_to_ask_volunteers_says_what_they_pay() -> None:
    text = advised(2_000_000.0).text
    assert "pay" in text
    assert "electricity themselves" in text
    assert "Dearer: " in text


def test_of_equal_totals_the_simplest_is_advised() -> None:
    prices = load_prices()
    one = work(1000.0)
    totals = dict.fromkeys(Venue, 500.0) | {Venue.VOLUNTEERS: 456.0, Venue.CLOUD_SPOT: 505.0}

    def decided(totals: dict[Venue, float]) -> Advice:
        made = [
            Bill(venue, (Term("cores", "", totals[venue]), Term("", "", 0.0)), asides(venue))
            for venue in Venue
        ]
        return advise(one, made, prices, local_seconds=1e12, wall_seconds=DAY)

    def asides(venue: Venue) -> tuple[Term, ...]:
        return (Term("", "", 1.0),) if venue in (Venue.OWNED, Venue.VOLUNTEERS) else ()

    # 456 x 1.1 = 501.6: all but spot are equal, and on demand is the simplest of them.
    equal = decided(totals)
    assert equal.venue is Venue.CLOUD_ON_DEMAND
    assert "As cheap within a tenth, but more to look after: rented servers, an owned" in equal.text
    assert decided(totals | {Venue.VOLUNTEERS: 450.0}).venue is Venue.VOLUNTEERS
    assert decided(dict.fromkeys(Venue, 0.0)).venue is Venue.CLOUD_SPOT


def test_at_the_break_even_volunteers_cost_what_the_dearest_hired_line_does() -> None:
    prices = load_prices()
    fleet = example_fleet(prices.volunteers)

    def totals(core_hours: float) -> tuple[dict[Venue, Bill], Work]:
        one = work(core_hours)
        made = bills(one, prices, fleet=fleet, wall_seconds=DAY, speed=1.0)
        return {bill.venue: bill for bill in made}, one

    hours = break_even_hours(totals(1000.0)[1], totals(1000.0)[0], prices)
    assert hours is not None
    there, _ = totals(hours)
    # Whole months of servers: at most one more than the straight line has.
    assert there[Venue.RENTED].total == pytest.approx(there[Venue.VOLUNTEERS].total, abs=45.0)
    assert there[Venue.CLOUD_SPOT].total > there[Venue.VOLUNTEERS].total


def test_free_machines_leave_no_size_for_volunteers() -> None:
    prices = load_prices()
    free = replace(prices, rented=replace(prices.rented, per_month=0.0))
    assert "no size makes volunteers cheaper" in advised(1000.0, free).text
