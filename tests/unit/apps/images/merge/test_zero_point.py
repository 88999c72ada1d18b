"""The zero point against stars of known magnitude."""

from __future__ import annotations

import json

import numpy as np
import pytest

from apps.images.merge.zero_point import FEWEST_STARS, Standards, fit_zero_point, match


def test_errors_of_zero_points_are_what_they_scatter_by() -> None:
    rng = np.random.default_rng(11)
    pulls = []
    for _ in range(400):
        n = 60
        flux = 10 ** rng.uniform(3, 5, n)
        error, star_error = np.full(n, 20.0), np.full(n, 0.02)
        magnitude = 25.0 - 2.5 * np.log10(flux) + rng.normal(0, star_error)
        fit = fit_zero_point(flux + rng.normal(0, error), error, magnitude, star_error)
        assert fit is not None
        pulls.append((fit[0] - 25.0) / fit[1])
    # 400 runs: 4 standard deviations of their mean are 0.2, of their spread 0.14.
    assert abs(np.mean(pulls)) < 0.2
    assert np.std(pulls) == pytest.approx(1.0, abs=0.2)


def test_variables_and_mistaken_stars_are_set_apart() -> None:
    rng = np.random.default_rng(12)
    flux = 10 ** rng.uniform(3.5, 5, 50)
    magnitude = 27.3 - 2.5 * np.log10(flux) + rng.normal(0, 0.01, 50)
    magnitude[:8] += rng.uniform(0.3, 2.0, 8)
    fit = fit_zero_point(flux, np.full(50, 5.0), magnitude, np.full(50, 0.01))
    assert fit is not None
    value, error, scatter, kept = fit
    assert abs(value - 27.3) < 5 * error < 0.02
    assert not kept[:8].any()
    assert kept[8:].sum() >= 40
    assert scatter == pytest.approx(0.01, rel=0.5)


def test_few_stars_or_stars_that_contradict_each_other_give_none() -> None:
    flux = np.full(FEWEST_STARS - 1, 1e4)
    assert fit_zero_point(flux, np.ones(4), np.full(4, 15.0), np.zeros(4)) is None
    assert fit_zero_point(np.empty(0), np.empty(0), np.empty(0), np.empty(0)) is None
    nothing = np.full(20, np.nan)
    assert fit_zero_point(np.full(20, 1e4), np.ones(20), nothing, np.zeros(20)) is None


def test_sources_are_the_stars_that_are_nearest_both_ways() -> None:
    ra = np.array([359.9999, 10.0, 10.0])
    dec = np.array([0.0, 80.0, -40.0])
    star_ra = np.array([0.0001, 10.0 + 0.4 / 3600 / np.cos(np.radians(80)), 10.0, 200.0])
    star_dec = np.array([0.0, 80.0, 80.0 + 0.9 / 3600, 0.0])
    mine, theirs = match(ra, dec, star_ra, star_dec, 1.0)
    assert (mine.tolist(), theirs.tolist()) == ([0, 1], [0, 1])
    assert [len(each) for each in match(ra, dec, np.empty(0), np.empty(0), 1.0)] == [0, 0]


def test_a_table_of_stars_is_read_as_it_was_written() -> None:
    data = {"ra": [1.0], "dec": [2.0], "mag": [15.0], "error": [0.0], "band": "r", "radius": None}
    stars = Standards.read(json.dumps(data).encode())
    assert (stars.ra[0], stars.magnitude[0], stars.band, stars.radius) == (1.0, 15.0, "r", None)
