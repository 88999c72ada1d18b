"""Faults told apart, and the false-alarm rate that is claimed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from boinc_project.lifecycle.faults import (
    ALLOWED_RATE,
    Blame,
    Cell,
    Factor,
    binomial_tail,
    blame,
    fisher,
    must_stop,
)

LINUX, WINDOWS, MAC = "x86_64-pc-linux-gnu", "windows_x86_64", "arm64-apple-darwin"
PLATFORMS = (LINUX, WINDOWS, MAC)


def fleet(
    rng: np.random.Generator,
    *,
    rate: float = 0.05,
    hosts: int = 60,
    campaigns: int = 3,
    bad: dict[tuple[str, int | str], float] | None = None,
    results: int = 4,
) -> list[Cell]:
    """Return what honest hosts do, each on one platform, in all campaigns and two app versions."""
    cells = []
    for host in range(hosts):
        platform = PLATFORMS[host % 3]
        for campaign in range(campaigns):
            version = 10 * (host % 3) + campaign % 2
            factors = {
                ("host", host),
                ("campaign", campaign),
                ("version", version),
                ("platform", platform),
            }
            p = max([rate, *(one for key, one in (bad or {}).items() if key in factors)])
            failed = int(rng.binomial(results, p))
            cells.append(Cell(host, campaign, version, platform, results, failed))
    return cells


def names(found: tuple[Blame, ...]) -> set[tuple[Factor, int | str]]:
    return {(one.factor, one.name) for one in found}


@pytest.mark.parametrize("seed", range(5))
def test_a_bad_campaign_is_blamed_and_no_host(seed: int) -> None:
    cells = fleet(np.random.default_rng(seed), bad={("campaign", 1): 0.9})
    assert names(blame(cells)) == {(Factor.CAMPAIGN, 1)}
    assert must_stop([cell for cell in cells if cell.campaign == 1], {}) < 1.0
    assert must_stop([cell for cell in cells if cell.campaign == 0], {}) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_a_bad_host_is_blamed_and_no_campaign(seed: int) -> None:
    cells = fleet(np.random.default_rng(seed), bad={("host", 7): 1.0}, results=12)
    assert names(blame(cells)) == {(Factor.HOST, 7)}
    assert all(
        must_stop([cell for cell in cells if cell.campaign == one], {}) == 1.0 for one in range(3)
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_bad_platform_is_blamed_and_not_the_campaigns_on_it(seed: int) -> None:
    cells = fleet(np.random.default_rng(seed), bad={("platform", WINDOWS): 0.9})
    found = blame(cells)
    assert names(found) == {(Factor.PLATFORM, WINDOWS)}
    innocent = {Factor.PLATFORM: frozenset({WINDOWS})}
    for campaign in range(3):
        own = [cell for cell in cells if cell.campaign == campaign]
        assert must_stop(own, innocent) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_a_bad_app_version_is_blamed_and_not_its_platform(seed: int) -> None:
    cells = fleet(np.random.default_rng(seed), bad={("version", 11): 0.95}, hosts=120)
    assert names(blame(cells)) == {(Factor.APP_VERSION, 11)}


def test_what_cannot_be_told_apart_is_blamed_together() -> None:
    cells = [Cell(host, 1, 1, LINUX, 4, 0) for host in range(30)]
    cells += [Cell(host, 2, 2, LINUX, 4, 4) for host in range(30)]
    (found,) = blame(cells)
    assert (found.factor, found.name) == (Factor.CAMPAIGN, 2)
    assert found.also == ((Factor.APP_VERSION, 2),)


def test_one_look_raises_no_false_alarm_more_often_than_it_says() -> None:
    """Five per cent asked for; 400 looks give at most 36 false ones but for one in 10,000."""
    rng = np.random.default_rng(20240501)
    looks, alpha = 400, 0.05
    alarms = sum(bool(blame(fleet(rng, rate=0.15), alpha=alpha)) for _ in range(looks))
    assert alarms <= stats.binom.ppf(1 - 1e-4, looks, alpha)


def test_a_campaign_of_the_allowed_rate_hardly_ever_stops() -> None:
    """One in a thousand claimed, over the whole life; 2000 lives give at most 9 (1 in 10,000)."""
    rng = np.random.default_rng(7)
    stopped = 0
    for _ in range(2000):
        failing = rng.random(60) < ALLOWED_RATE
        cells = [Cell(i, 1, 1, LINUX, 1, int(bad)) for i, bad in enumerate(failing)]
        stopped += any(must_stop(cells[:n], {}) < 1.0 for n in range(1, 61))
    assert stopped <= stats.binom.ppf(1 - 1e-4, 2000, 1e-3)


def test_seven_failing_hosts_stop_a_campaign_and_six_do_not() -> None:
    cells = [Cell(host, 1, 1, LINUX, 1, 1) for host in range(7)]
    assert must_stop(cells[:6], {}) == 1.0
    assert must_stop(cells, {}) < 1e-4
    # One host that fails a hundred times is one host.
    assert must_stop([Cell(1, 1, 1, LINUX, 100, 100)], {}) == 1.0


def test_exact_tests_agree_with_scipy() -> None:
    for table in ((3, 10, 2, 40), (0, 5, 3, 5), (10, 10, 0, 10), (1, 1, 0, 1)):
        failed, ended, other, others = table
        expected = stats.fisher_exact(
            [[failed, ended - failed], [other, others - other]], alternative="greater"
        ).pvalue
        assert fisher(*table) == pytest.approx(expected, rel=1e-9)
    assert binomial_tail(7, 20, 0.2) == pytest.approx(stats.binom.sf(6, 20, 0.2), rel=1e-9)
    assert binomial_tail(0, 5, 0.2) == 1.0
