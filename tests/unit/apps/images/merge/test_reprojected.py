"""Outputs of which only a few are open at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.images.merge import reprojected
from apps.images.merge.reprojected import OpenOutputs
from tests.reprojected import campaign, canonicals
from tests.sky_frames import Exposure, Field

FIELD = Field(size=100, n_star=4, seed=2)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(reprojected, "MOST_OPEN", 2)
    frames = [FIELD.expose(number, Exposure())[0].frame for number in range(4)]
    return [output.path for output in canonicals(campaign(100, 4), tmp_path, frames)]


def test_an_output_that_is_read_stays_open(paths: list[Path]) -> None:
    """Another thread may open as many as it likes while one reads."""
    outputs = OpenOutputs()
    with outputs.reading(paths[0]) as output:
        expected = output.frames[0].rows(0, 100)
        for path in paths[1:]:
            with outputs.reading(path):
                pass
        again = output.frames[0].rows(0, 100)
        assert all(map(np.array_equal, again, expected, (True, True)))
    outputs.close()
    with pytest.raises(ValueError, match="closed"):
        output.frames[0].rows(0, 100)


def test_the_output_that_was_used_longest_ago_is_closed(paths: list[Path]) -> None:
    outputs = OpenOutputs()
    for path in paths[:3]:
        with outputs.reading(path) as output:
            if path == paths[0]:
                first = output
    with pytest.raises(ValueError, match="closed"):
        first.frames[0].rows(0, 100)
    with outputs.reading(paths[1]) as second:
        assert second.frames[0].rows(0, 100)[0].shape == (100, 100)
    outputs.close()
