"""One band of a stack: what is clipped, what is averaged, and the same bits from every level."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from apps.images.merge.coadd.clip import (
    PLAIN,
    Clip,
    Matching,
    Stacked,
    levels,
    sorting_network,
    stack_band,
)

Floats = NDArray[np.float32]


def matching(n_frame: int, n_row: int, n_x: int, seed: int | None = None) -> Matching:
    if seed is None:
        return Matching(
            np.zeros(n_x), np.zeros((n_frame, n_row, 3)), np.ones(n_frame), np.ones(n_frame)
        )
    rng = np.random.default_rng(seed)
    return Matching(
        x=np.linspace(-1, 1, n_x),
        surface=rng.normal(0, 3, (n_frame, n_row, 3)),
        scale=rng.uniform(0.5, 2, n_frame),
        weight=rng.uniform(0.01, 1, n_frame),
        photon=rng.uniform(0, 2, n_frame),
    )


def pixels(n_frame: int, n_row: int, n_x: int, seed: int) -> Floats:
    """Noise with outliers, holes, infinities, ties and columns of nothing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(100, 5, (n_frame, n_row, n_x)).astype(np.float32)
    values[rng.random(values.shape) < 0.02] += 300
    values[rng.random(values.shape) < 0.05] = np.nan
    values[rng.random(values.shape) < 0.01] = np.inf
    values[:, :, 3] = np.nan
    values[:, :, 4] = 7.0
    values[1:, :, 5] = np.nan
    return values


def bytes_of(band: Stacked) -> list[bytes]:
    assert band.variance is not None
    return [
        plane.tobytes()
        for plane in (band.image, band.weight, band.variance, band.count, band.rejected)
    ]


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("n_frame", [1, 2, 3, 20, 37])
@pytest.mark.parametrize("clip", [Clip(), Clip(1.2, 2), Clip(1.2, 3), Clip(1.0, 30), Clip(3, 0)])
def test_all_levels_give_the_same_bits(level: str, n_frame: int, clip: Clip) -> None:
    values = pixels(n_frame, 3, 101, seed=n_frame)
    rng = np.random.default_rng(n_frame)
    variance = rng.uniform(10, 40, values.shape).astype(np.float32)
    variance[rng.random(values.shape) < 0.05] = np.nan
    variance[rng.random(values.shape) < 0.05] = 0
    how = matching(n_frame, 3, 101, seed=1)
    plain = stack_band(values, variance, how, clip, PLAIN)
    assert bytes_of(stack_band(values, variance, how, clip, level)) == bytes_of(plain)


def test_astropy_clips_the_same_values() -> None:
    stats = pytest.importorskip("astropy.stats")
    values = pixels(25, 4, 500, seed=5)
    values[~np.isfinite(values)] = np.nan
    for sigma, iterations in ((3.0, 3), (2.0, 1), (1.5, 10)):
        found = stack_band(values, None, matching(25, 4, 500), Clip(sigma, iterations))
        with pytest.warns(match="invalid values"):
            kept = stats.sigma_clip(values, sigma=sigma, maxiters=iterations, axis=0)
        assert (kept.count(axis=0) == found.count).all()
        assert (np.isfinite(values).sum(axis=0) - kept.count(axis=0) == found.rejected).all()
        np.testing.assert_allclose(
            found.image, kept.astype(float).mean(axis=0).filled(np.nan), rtol=1e-7
        )


def test_an_outlier_is_rejected_and_counted_once() -> None:
    values = np.random.default_rng(1).normal(0, 1, (12, 1, 2)).astype(np.float32)
    values[4, 0, 1] = 1000
    found = stack_band(values, None, matching(12, 1, 2), Clip())
    assert found.rejected.tolist() == [[0, 1]]
    assert found.count.tolist() == [[12, 11]]
    assert abs(found.image[0, 1]) < 1.5


@pytest.mark.parametrize(("n_frame", "rejected"), [(7, 0), (8, 1)])
def test_fewer_than_eight_frames_cannot_reject_at_three_sigma(n_frame: int, rejected: int) -> None:
    # One value far off is n / sqrt(n - 1) standard deviations from the median of n.
    values = np.zeros((n_frame, 1, 1), np.float32)
    values[0] = 1e6
    found = stack_band(values, None, matching(n_frame, 1, 1), Clip())
    assert found.rejected[0, 0] == rejected


def two_pixels() -> tuple[Floats, Floats, Matching]:
    """Two frames of a pixel whose skies have variances of 1 and, scaled, 16 * 0.25 = 4."""
    values = np.array([10.0, 20.0], np.float32).reshape(2, 1, 1)
    variance = np.array([1.0, 16.0], np.float32).reshape(2, 1, 1)
    how = Matching(
        x=np.zeros(1),
        surface=np.array([2.0, 0, 0, 0, 0, 0]).reshape(2, 1, 3),
        scale=np.array([1.0, 0.5]),
        weight=np.array([3.0, 7.0]),
        photon=np.array([0.5, 2.0]),
    )
    return values, variance, how


@pytest.mark.parametrize("level", levels())
def test_pixels_weigh_by_their_own_variances(level: str) -> None:
    values, variance, how = two_pixels()
    made = stack_band(values, variance, how, Clip(), level)
    assert made.image[0, 0] == pytest.approx((1 * 8 + 0.25 * 10) / 1.25)
    assert made.weight[0, 0] == 1.25
    light = (1 * 0.5 + 0.25**2 * 2) / 1.25**2
    assert made.variance is not None
    assert made.variance[0, 0] == pytest.approx(light)
    whole = made.with_photons(np.full((1, 1), 5.0)).variance
    assert whole is not None
    assert whole[0, 0] == pytest.approx(0.8 + light * (8.4 - 5.0))


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("unknown", [0.0, np.nan, np.inf])
def test_frames_weigh_as_such_where_a_pixel_has_no_variance(level: str, unknown: float) -> None:
    values, variance, how = two_pixels()
    variance[0] = unknown
    made = stack_band(values, variance, how, Clip(), level)
    assert made.weight[0, 0] == 3.25
    assert stack_band(values, None, how, Clip(), level).weight[0, 0] == 10


def test_noise_alone_adds_no_variance() -> None:
    values, variance, how = two_pixels()
    made = stack_band(values, variance, how, Clip())
    # 8.4 is 1.6 over a sky of 6.8, less than two deviations of 0.8^0.5.
    whole = made.with_photons(np.full((1, 1), 6.8)).variance
    assert whole is not None
    assert whole[0, 0] == pytest.approx(0.8)


def test_where_there_is_nothing_is_nothing() -> None:
    values = np.full((3, 1, 1), np.nan, np.float32)
    found = stack_band(values, None, matching(3, 1, 1), Clip())
    assert np.isnan(found.image).all()
    assert (found.weight, found.count, found.rejected) == (0, 0, 0)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13])
def test_the_network_sorts_every_sequence_of_zeros_and_ones(n: int) -> None:
    # The zero-one principle: a network that sorts these sorts everything.
    values = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    for low, high in sorting_network(n):
        pair = values[:, [low, high]]
        values[:, low], values[:, high] = pair.min(axis=1), pair.max(axis=1)
    assert (np.diff(values, axis=1) >= 0).all()
