from __future__ import annotations

import math
from dataclasses import replace

import pytest

from work_generator.costs import Bill, Venue, Work, bills, machines_needed
from work_generator.fleet import Fleet
from work_generator.prices import Origin, Prices, load_prices

EUR = Origin("EUR", 1.0, "2026-01-01", "made up")
USD = Origin("USD", 0.5, "2026-01-01", "made up")
MONTH = 730.5 * 3600


@pytest.fixture
def prices() -> Prices:
    """Round numbers: a dollar is half a euro, work costs 10 an hour."""
    base = load_prices()
    cloud = replace(
        base.cloud_spot,
        origin=USD,
        per_core_hour=0.2,
        speed=0.5,
        lost=0.2,
        egress_per_gb=4.0,
        admin_hours=3.0,
    )
    return replace(
        base,
        admin_per_hour=10.0,
        wanted_days=100.0,
        cloud_spot=cloud,
        cloud_on_demand=replace(cloud, lost=0.0, per_core_hour=0.4),
        rented=replace(
            base.rented, origin=EUR, per_month=50.0, cores=4, speed=1.0, utilisation=0.5
        ),
        owned=replace(
            base.owned,
            origin=EUR,
            purchase=1000.0,
            years=2.0,
            watts=100.0,
            per_kwh=0.5,
            machines=0,
            cores=10,
            speed=1.0,
            utilisation=0.5,
            admin_hours_per_year=8.0,
        ),
        volunteers=replace(
            base.volunteers,
            origin=EUR,
            server_per_month=20.0,
            egress_per_gb=2.0,
            setup_hours=5.0,
            admin_hours_per_month=1.0,
            watts_per_core=20.0,
            per_kwh=0.5,
        ),
    )


# 2000 units of an hour: 2000 core-hours; 2 GB up, and 0.4 GB down for each copy.
WORK = Work(2000, 3, 3600.0, 200_000, 1_000_000, 50_000_000)
FLEET = Fleet(10, 40.0, 20.0, 0.5, 0.05, "ten")


def billed(prices: Prices, work: Work = WORK, wall_seconds: float = MONTH) -> dict[Venue, Bill]:
    made = bills(work, prices, fleet=FLEET, wall_seconds=wall_seconds, speed=2.0)
    assert [bill.venue for bill in made] == list(Venue)
    return {bill.venue: bill for bill in made}


def amounts(bill: Bill) -> list[float]:
    assert bill.total == pytest.approx(sum(term.amount for term in bill.terms))
    return [term.amount for term in bill.terms]


def test_a_cloud_costs_hours_traffic_and_work(prices: Prices) -> None:
    spot = billed(prices)[Venue.CLOUD_SPOT]
    # 2000 h at half the speed, a fifth of it paid in vain: 5000 h x 0.2 dollars of 0.5 euros.
    assert amounts(spot) == pytest.approx([500.0, 2 * 4 * 0.5, 30.0])
    assert spot.terms[0].arithmetic == (
        "2,000 core-h / speed 0.5 / (1 - 0.2 lost) x 0.2 USD x rate 0.5"
    )
    on_demand = billed(prices)[Venue.CLOUD_ON_DEMAND]
    assert amounts(on_demand) == pytest.approx([800.0, 4.0, 30.0])


def test_servers_are_rented_by_whole_months(prices: Prices) -> None:
    # A server's month is 4 x 0.5 x 730.5 = 1461 core-hours.
    assert amounts(billed(prices)[Venue.RENTED]) == pytest.approx([100.0, 60.0])
    small = replace(WORK, n_unit=1461)
    assert amounts(billed(prices, small)[Venue.RENTED])[0] == pytest.approx(50.0)


def test_machines_to_be_bought_are_paid_whole(prices: Prices) -> None:
    owned = billed(prices)[Venue.OWNED]
    # 200 machine-hours: 10 kWh per 100 hours, and 8 h of work per 4383 busy hours.
    assert amounts(owned) == pytest.approx([1000.0, 10.0, 200 / 4383 * 80])
    (left,) = owned.asides
    assert left.amount == pytest.approx(1000 * (1 - 200 / 8766))
    # In 100 days a machine works 1200 hours.
    assert machines_needed(replace(WORK, n_unit=12_000), prices) == 1
    assert machines_needed(replace(WORK, n_unit=12_010), prices) == 2
    assert amounts(billed(prices, replace(WORK, n_unit=12_010))[Venue.OWNED])[0] == 2000.0


def test_a_machine_that_is_there_costs_its_share(prices: Prices) -> None:
    there = replace(prices, owned=replace(prices.owned, machines=1))
    owned = billed(there)[Venue.OWNED]
    assert amounts(owned)[0] == pytest.approx(1000 * 200 / 8766)
    assert owned.asides == ()


def test_volunteers_cost_a_server_and_pay_their_power_themselves(prices: Prices) -> None:
    bill = billed(prices)[Venue.VOLUNTEERS]
    # 6000 tasks of 200 kB, and 50 MB once for each of ten hosts: 1.7 GB.
    assert amounts(bill) == pytest.approx([20.0, 50.0, 10.0, 3.4])
    (power,) = bill.asides
    # 6000 reference hours are 12,000 on cores of half the speed, 20 W each: 240 kWh.
    assert power.amount == pytest.approx(120.0)
    assert "volunteers" in power.name
    assert amounts(billed(prices, wall_seconds=1.01 * MONTH)[Venue.VOLUNTEERS])[0] == 40.0


def test_this_machine_costs_its_electricity(prices: Prices) -> None:
    # 2000 h at twice the speed, 10 W for a core.
    assert amounts(billed(prices)[Venue.LOCAL]) == pytest.approx([5.0])


def test_free_is_free(prices: Prices) -> None:
    free = replace(prices.volunteers, server_per_month=0.0, setup_hours=0.0, per_kwh=0.0)
    bill = billed(replace(prices, volunteers=free, admin_per_hour=0.0))[Venue.VOLUNTEERS]
    assert math.isclose(bill.total, 3.4)
