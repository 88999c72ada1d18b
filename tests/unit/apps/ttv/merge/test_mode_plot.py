from __future__ import annotations

import io

import numpy as np
from matplotlib.image import imread

from apps.ttv.merge.mode_plot import modes_plot

MODE = {"weight": 0.9, "weight_error": 0.01, "trusted": True, "chi2": 159.7}


def coloured(modes: list[dict]) -> float:
    """Return the part of the picture that is neither black, white nor grey."""
    picture = imread(io.BytesIO(modes_plot(modes, "A title")))[..., :3]
    assert min(picture.shape[:2]) >= 200
    return float((np.ptp(picture, axis=2) > 0.2).mean())


def test_a_bar_is_as_long_as_the_weight_is_large() -> None:
    small, large = (coloured([{**MODE, "weight": weight}]) for weight in (1e-3, 0.9))
    assert 0.0 < 2.0 * small < large < 0.6


def test_what_was_not_measured_is_grey() -> None:
    assert coloured([{**MODE, "weight_error": None, "trusted": False}]) < 1e-3


def test_equal_modes_are_equal_bytes() -> None:
    assert modes_plot([MODE], "A title") == modes_plot([MODE], "A title")
