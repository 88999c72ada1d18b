"""Coordinates that are whitened, and timed by the table."""

from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.compute.coordinates import TIMED_WIDTH, Coordinates
from apps.ttv.compute.engine import Observations, make_engine
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import PlanetTransits, TransitTable
from apps.ttv.compute.whitening import Whitening
from tests.unit.apps.ttv.compute.population import two_planets

TIMED = ["b.period", "b.t0", "c.period", "c.t0"]


@pytest.fixture(scope="module")
def problem() -> Problem:
    return two_planets.problem()


def coordinates_of(
    problem: Problem, corrections: int, table: TransitTable | None = None
) -> Coordinates:
    table = two_planets.table() if table is None else table
    return Coordinates(
        problem, make_engine(problem, table), Observations.of(problem, table), corrections
    )


def some_coordinates(coordinates: Coordinates, n: int, seed: int) -> np.ndarray:
    """Return coordinates whose parameters have a model, (n, n_dim)."""
    rng = np.random.default_rng(seed)
    return coordinates.widened(0.7 * rng.standard_normal((n, 10)))


def departures(problem: Problem, points: np.ndarray) -> np.ndarray:
    """Return what the line of (table - model) is in standard errors, (n, 4), by numpy's own fit."""
    table = two_planets.table()
    times, codes = make_engine(problem, table).observed_times(points)
    assert not codes.any()
    seen = Observations.of(problem, table)
    found = []
    for begin, end in zip(seen.first[:-1], seen.first[1:], strict=True):
        sigmas = seen.sigmas[begin:end]
        epochs = seen.epochs[begin:end] - np.average(seen.epochs[begin:end], weights=sigmas**-2.0)
        residuals = (seen.times - times)[:, begin:end].T
        slope, middle = np.polyfit(epochs, residuals, 1, w=1.0 / sigmas)
        found += [slope * np.sqrt(np.sum((epochs / sigmas) ** 2))]
        found += [middle * np.sqrt(np.sum(sigmas**-2.0))]
    return np.stack(found, axis=1)


@pytest.mark.parametrize("corrections", [0, 1, 3])
def test_there_and_back(problem: Problem, corrections: int) -> None:
    coordinates = coordinates_of(problem, corrections)
    y = some_coordinates(coordinates, 60, 1)
    points = coordinates.to_points(y)
    assert np.isfinite(points).all()
    np.testing.assert_allclose(coordinates.from_points(points), y, atol=1e-6)
    again = coordinates.to_points(coordinates.from_points(points))
    np.testing.assert_allclose(again, points, rtol=1e-10, atol=1e-12)


def test_a_point_depends_on_its_own_coordinates_only(problem: Problem) -> None:
    coordinates = coordinates_of(problem, 2)
    y = some_coordinates(coordinates, 30, 2)
    whole = coordinates.to_points(y)
    np.testing.assert_array_equal(coordinates.to_points(y[7:9]), whole[7:9])


@pytest.mark.parametrize("corrections", [0, 1, 3])
def test_the_jacobian_is_that_of_finite_differences(problem: Problem, corrections: int) -> None:
    coordinates = coordinates_of(problem, corrections)
    y = some_coordinates(coordinates, 8, 3)
    points = coordinates.to_points(y)
    step = 1e-4
    columns = []
    for place in range(10):
        side = np.zeros(10)
        side[place] = step
        change = coordinates.to_points(y + side) - coordinates.to_points(y - side)
        columns.append(change / (2.0 * step))
    _, logs = np.linalg.slogdet(np.stack(columns, axis=2))
    np.testing.assert_allclose(coordinates.log_jacobians(points, y), -logs, atol=1e-4)


def test_corrected_models_have_the_lines_of_the_table(problem: Problem) -> None:
    """To a part of a standard error that falls with the number of corrections."""
    sizes = []
    for corrections in (1, 2, 4):
        coordinates = coordinates_of(problem, corrections)
        y = some_coordinates(coordinates, 60, 4)
        y[:, list(coordinates.timed)] = 0.0
        left = np.abs(departures(problem, coordinates.to_points(y))).max(axis=1)
        sizes.append(float(np.quantile(left, 0.9)))
    assert sizes[0] > sizes[1] > sizes[2]
    assert sizes[2] < 0.05


def test_without_corrections_the_lines_are_far_off(problem: Problem) -> None:
    """So that the test above means something: by a hundred standard errors and more."""
    coordinates = coordinates_of(problem, 0)
    points = coordinates.to_points(some_coordinates(coordinates, 60, 4))
    assert np.median(np.abs(departures(problem, points)).max(axis=1)) > 100.0


def test_timed_coordinates_count_standard_errors(problem: Problem) -> None:
    """A shift of the mean ephemeris by so many; what the interaction adds is small."""
    coordinates = coordinates_of(problem, 4)
    y = some_coordinates(coordinates, 20, 5)
    y[:, list(coordinates.timed)] = 0.0
    for number, place in enumerate(coordinates.timed):
        shifted = y.copy()
        shifted[:, place] = 2.0
        change = departures(problem, coordinates.to_points(shifted)) - departures(
            problem, coordinates.to_points(y)
        )
        wanted = np.zeros(4)
        wanted[number] = -2.0
        np.testing.assert_allclose(np.median(change, axis=0), wanted, atol=0.1)


def test_periods_and_conjunctions_of_observed_planets_are_timed(problem: Problem) -> None:
    coordinates = coordinates_of(problem, 1)
    assert [problem.parameter_names[place] for place in coordinates.timed] == TIMED
    assert coordinates_of(problem, 0).timed == ()


def test_a_planet_with_one_transit_is_only_whitened(problem: Problem) -> None:
    table = two_planets.table(kept={"c": [1]})
    coordinates = coordinates_of(problem, 1, table)
    assert [problem.parameter_names[place] for place in coordinates.timed] == TIMED[:2]
    y = some_coordinates(coordinates, 30, 6)
    points = coordinates.to_points(y)
    plain = [place for place in range(10) if place not in coordinates.timed]
    whitening = Whitening(problem)
    np.testing.assert_array_equal(points[:, plain], whitening.colour(y)[:, plain])
    np.testing.assert_allclose(coordinates.from_points(points), y, atol=1e-6)


def repeated(table: TransitTable, planet: str, number: int) -> TransitTable:
    """Return a table in which one transit of a planet was measured twice."""

    def again(own: PlanetTransits) -> PlanetTransits:
        if own.planet != planet:
            return own
        (place,) = np.flatnonzero(own.epochs == number)
        columns = (
            np.insert(column, place + 1, column[place] + more)
            for column, more in ((own.epochs, 0), (own.times, 1e-4), (own.sigmas, 0.0))
        )
        return PlanetTransits(planet, *columns)

    return TransitTable(tuple(again(own) for own in table.planets))


def test_one_transit_measured_twice_makes_no_line(problem: Problem) -> None:
    table = repeated(two_planets.table(kept={"c": [1]}), "c", 1)
    coordinates = coordinates_of(problem, 1, table)
    assert [problem.parameter_names[place] for place in coordinates.timed] == TIMED[:2]


def test_transits_measured_twice_are_lines_as_others(problem: Problem) -> None:
    table = repeated(two_planets.table(), "b", 2)
    coordinates = coordinates_of(problem, 2, table)
    assert [problem.parameter_names[place] for place in coordinates.timed] == TIMED
    y = some_coordinates(coordinates, 30, 6)
    points = coordinates.to_points(y)
    assert np.isfinite(points).all()
    np.testing.assert_allclose(coordinates.from_points(points), y, atol=1e-6)


def test_a_planet_whose_period_is_fixed_is_only_whitened() -> None:
    problem = two_planets.problem(**{"c.period": {"fixed": 20.3}})
    coordinates = coordinates_of(problem, 1)
    assert [problem.parameter_names[place] for place in coordinates.timed] == TIMED[:2]


def test_the_density_to_begin_with_is_that_of_widened_normal_numbers(problem: Problem) -> None:
    coordinates = coordinates_of(problem, 1)
    z = np.random.default_rng(7).standard_normal((20, 10))
    y = coordinates.widened(z)
    np.testing.assert_allclose(coordinates.narrowed(y), z, rtol=1e-15)
    timed = list(coordinates.timed)
    np.testing.assert_array_equal(y[:, timed], TIMED_WIDTH * z[:, timed])
    wanted = -0.5 * np.sum(z * z, axis=1) - 5.0 * np.log(2.0 * np.pi) - 4.0 * np.log(TIMED_WIDTH)
    np.testing.assert_allclose(coordinates.log_broad(y), wanted, rtol=1e-13)


def test_integrations_are_counted(problem: Problem) -> None:
    coordinates = coordinates_of(problem, 3)
    coordinates.to_points(some_coordinates(coordinates, 11, 8))
    assert coordinates.n_call == 33


def test_coordinates_of_no_point_have_none(problem: Problem) -> None:
    coordinates = coordinates_of(problem, 2)
    y = some_coordinates(coordinates, 3, 9)
    y[1, 0] = np.nan
    y[2, 2] = 1e3
    known = np.isfinite(coordinates.to_points(y)).all(axis=1)
    assert known.tolist() == [True, False, False]


@pytest.mark.parametrize("corrections", [0, 2])
def test_without_a_point_or_a_possible_one_there_are_no_coordinates(
    problem: Problem, corrections: int
) -> None:
    coordinates = coordinates_of(problem, corrections)
    assert coordinates.from_points(np.empty((0, 10))).shape == (0, 10)
    assert np.isnan(coordinates.to_points(np.full((2, 10), np.nan))).any(axis=1).all()
