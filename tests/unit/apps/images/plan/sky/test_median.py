"""Medians are those of numpy, also where a probe of the pixels misleads."""

from __future__ import annotations

import numpy as np
import pytest

from apps.images.plan.sky import median as module
from apps.images.plan.sky.median import median


def of_numpy(image: np.ndarray) -> float | None:
    known = image[np.isfinite(image)]
    return float(np.median(known)) if known.size else None


@pytest.mark.parametrize("count", [1, 2, 3, 1000, 30_001, 100_000])
def test_medians_are_those_of_numpy(count: int) -> None:
    rng = np.random.default_rng(count)
    for image in (rng.normal(size=count), np.rint(rng.normal(size=count)), np.sort(
        rng.exponential(size=count))):  # fmt: skip
        image = image.astype(np.float32)
        assert median(image) == of_numpy(image)
        image[rng.random(count) < 0.3] = np.nan
        image[rng.random(count) < 0.1] = np.inf
        assert median(image) == of_numpy(image)


def test_nothing_known_has_no_median() -> None:
    assert median(np.full((300, 300), np.nan, np.float32)) is None


@pytest.mark.parametrize("outlier", [-1e6, 1e6])
def test_a_pattern_that_the_probe_meets_does_not_change_the_median(outlier: float) -> None:
    """Of 30 times the probed pixels every thirtieth is probed: here all of these are outliers."""
    image = np.random.default_rng(1).normal(size=30 * module._PROBED).astype(np.float32)
    image[::30] = outlier + image[::30]
    assert median(image) == of_numpy(image)


def test_the_middle_of_few_pixels_is_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(2).normal(size=300_000).astype(np.float32)
    expected = of_numpy(image)
    monkeypatch.delattr(np, "median")  # it would look at all
    assert median(image) == expected
