"""Clipping by known noise: what goes and what stays, and the same bits from every level."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from apps.images.merge.coadd.clip import PLAIN, Clip, Matching, Stacked, levels
from apps.images.merge.coadd.noise import (
    REACH,
    Centre,
    Surroundings,
    centre_band,
    stack_band,
    surroundings,
)
from tests.unit.apps.images.merge.coadd.test_clip import matching, pixels

Floats = NDArray[np.float32]
CLIP = Clip(4.0, 3)


def stacked(
    values: Floats,
    clip: Clip = CLIP,
    *,
    variance: Floats | None = None,
    how: Matching | None = None,
    core: float = 0.1,
    level: str | None = None,
) -> Stacked:
    """Stack a band that is the whole grid."""
    n_frame, n_row, n_x = values.shape
    how = how or matching(n_frame, n_row, n_x)
    around = surroundings(centre_band(values, how, level), 0, n_row)
    return stack_band(values, variance, how, np.full(n_frame, core), around, clip, level)


def normal(n_frame: int, seed: int = 1, size: int = 100) -> Floats:
    return np.random.default_rng(seed).normal(0, 1, (n_frame, size, size)).astype(np.float32)


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("n_frame", [1, 2, 3, 4, 20, 37])
@pytest.mark.parametrize("clip", [CLIP, Clip(1.2, 5), Clip(3, 1), Clip(3, 0)])
def test_all_levels_give_the_same_bits(level: str, n_frame: int, clip: Clip) -> None:
    values = pixels(n_frame, 7, 101, seed=n_frame)
    rng = np.random.default_rng(2)
    variance = rng.uniform(0, 50, values.shape).astype(np.float32)
    variance[rng.random(values.shape) < 0.02] = np.nan
    variance[rng.random(values.shape) < 0.02] = np.inf
    how = matching(n_frame, 7, 101, seed=1)
    first, second = centre_band(values, how, PLAIN), centre_band(values, how, level)
    for name in Centre.__slots__:
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name
    for given in (variance, None):
        plain, other = (
            stacked(values, clip, variance=given, how=how, level=one) for one in (PLAIN, level)
        )
        for name in ("image", "weight", "variance", "count", "rejected", "doubtful"):
            ours, theirs = getattr(plain, name), getattr(other, name)
            assert (ours is None and theirs is None) or ours.tobytes() == theirs.tobytes(), name


def test_rows_do_not_depend_on_how_bands_are_cut() -> None:
    values = pixels(5, 20, 60, seed=3)
    how = matching(5, 20, 60, seed=2)
    centre = centre_band(values, how)
    whole = surroundings(centre, 0, 20)
    for start, stop in ((0, 3), (3, 10), (10, 20)):
        low, high = max(0, start - REACH), min(20, stop + REACH)
        part = surroundings(centre.rows(low, high), start - low, stop - low)
        for name in Surroundings.__slots__:
            if name == "light":  # nobody has said where the sky is
                continue
            wanted = getattr(whole, name)[start:stop]
            assert np.array_equal(getattr(part, name), wanted, equal_nan=True)


@pytest.mark.parametrize("n_frame", [3, 4, 5, 12])
def test_one_spoilt_value_goes_from_three_frames_on(n_frame: int) -> None:
    values = normal(n_frame)
    values[1, 5:95:10, 5:95:10] += 12
    found = stacked(values)
    hit = found.rejected[5:95:10, 5:95:10]
    assert (hit == 1).all()
    assert np.abs(found.image[5:95:10, 5:95:10]).max() < 5 / np.sqrt(n_frame - 1)


@pytest.mark.parametrize("n_frame", [3, 4, 5, 8, 12, 30])
def test_false_alarms_are_as_rare_as_stated(n_frame: int) -> None:
    """At 4 sigma at most 6.3e-5 of good values go; 10^4 pixels of n frames are enough to see."""
    found = stacked(normal(n_frame, size=300))
    assert found.rejected.sum() / (n_frame * 90_000) < 6.3e-5 * 1.5
    assert found.image.std() * np.sqrt(n_frame) == pytest.approx(1.0, rel=0.01)
    assert found.doubtful is not None
    assert not found.doubtful.any()


def test_more_than_half_may_be_spoilt_only_if_light_falls_on_half() -> None:
    values = normal(4)
    values[:2, 50, 50] += [30, 40]
    found = stacked(values)
    assert found.rejected[50, 50] == 2
    assert abs(found.image[50, 50]) < 4


def test_of_two_values_the_brighter_goes_with_a_doubt() -> None:
    values = normal(2)
    values[0, 50, 50] += 20
    found = stacked(values)
    assert np.argwhere(found.rejected).tolist() == [[50, 50]]
    assert abs(found.image[50, 50]) < 4
    assert found.doubtful is not None
    assert np.argwhere(found.doubtful).tolist() == [[50, 50]]


def test_of_two_values_neither_goes_if_the_fainter_is_the_odd_one() -> None:
    values = normal(2)
    values[0, 50, 50] -= 20
    found = stacked(values)
    assert not found.rejected.any()
    assert found.doubtful is not None
    assert np.argwhere(found.doubtful).tolist() == [[50, 50]]


def test_a_majority_that_is_missing_is_said() -> None:
    values = normal(3)
    values[:, 50, 50] = (0, 30, 60)
    found = stacked(values)
    assert found.doubtful is not None
    assert found.doubtful[50, 50] == 1
    assert found.count[50, 50] >= 1


def test_a_deep_frame_stays_beside_shallow_ones() -> None:
    """Three standard deviations of the shallow frames are thirty of the deep one."""
    values = normal(4)
    values[1:] *= 10
    how = matching(4, 100, 100)
    how = Matching(how.x, how.surface, how.scale, np.array([1.0, 0.01, 0.01, 0.01]))
    found = stacked(values, how=how)
    assert found.rejected.sum() / values.size < 1e-4
    assert found.image.std() == pytest.approx(1 / np.sqrt(1.03), rel=0.02)


def test_the_pixels_own_variance_counts() -> None:
    values = normal(5)
    values[:, 40:60, 40:60] *= 30
    variance = np.ones_like(values)
    known = variance.copy()
    known[:, 40:60, 40:60] = 900
    assert stacked(values, variance=known).rejected.sum() / values.size < 1e-4


def test_scatter_that_no_variance_tells_of_counts() -> None:
    """Photon noise of a bright object without a gain: the values around show it.

    The scatter around is good to some 10 %, so more go than of a noise that is known.
    """
    values = normal(8)
    values[:, 30:70, 30:70] *= 30
    found = stacked(values)
    inside = found.rejected[35:65, 35:65]
    assert inside.sum() / (8 * inside.size) < 5e-4


def test_a_core_that_differs_by_its_part_stays() -> None:
    values = normal(5)
    y, x = np.mgrid[0:100, 0:100] - 50.0
    star = 1000 * np.exp(-0.5 * (x**2 + y**2) / 1.2**2)
    values += star.astype(np.float32)
    values[2] += (0.3 * star).astype(np.float32)
    assert stacked(values, core=0.6).rejected[45:56, 45:56].sum() == 0
    assert stacked(values, core=0.05).rejected[45:56, 45:56].sum() > 0


def test_variances_that_are_nought_clip_nothing() -> None:
    values = normal(6)
    found = stacked(values, variance=np.zeros_like(values), clip=Clip(6.0, 3))
    assert found.rejected.sum() / values.size < 1e-4


def test_where_there_is_nothing_is_nothing() -> None:
    found = stacked(np.full((3, 6, 6), np.nan, np.float32))
    assert np.isnan(found.image).all()
    assert not found.count.any()
    assert not found.rejected.any()
    assert found.doubtful is not None
    assert not found.doubtful.any()
