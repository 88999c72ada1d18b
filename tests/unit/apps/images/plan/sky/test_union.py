"""Grids that cover all frames of a mosaic."""

from __future__ import annotations

import numpy as np
import pytest

from apps.images.plan.sky.solution import Solution, make_solution
from apps.images.plan.sky.union import union_grid
from boinc_project.errors import InputError
from tests.unit.apps.images.plan.sky.headers import tan


def frame(ra: float, dec: float, nx: int = 300, ny: int = 200, **more: float) -> Solution:
    return make_solution(tan(ra, dec, nx=nx, ny=ny, **more), nx, ny, f"frame at {ra}, {dec}")


@pytest.mark.parametrize(("ra", "dec"), [(150.0, 2.0), (0.02, -30.0), (10.0, 89.97)])
def test_every_pixel_of_every_frame_is_on_the_grid(ra: float, dec: float) -> None:
    frames = [
        frame(ra + 0.06 * column / np.cos(np.radians(dec)) % 360, dec + 0.04 * row, turn=20.0 * row)
        for column in (-2, 0, 3)
        for row in (-1, 0)
    ]
    header, nx, ny = union_grid(frames[0], frames)
    grid = make_solution(header, nx, ny, "union")
    places = []
    for one in frames:
        x, y = np.meshgrid(np.linspace(-0.5, one.nx - 0.5, 40), np.linspace(-0.5, one.ny - 0.5, 40))
        places.append(grid.pixel(*one.sky(x, y)))
    x, y = (np.concatenate([place[axis].ravel() for place in places]) for axis in (0, 1))
    assert (x.min() >= -0.5, x.max() <= nx - 0.5) == (True, True)
    assert (y.min() >= -0.5, y.max() <= ny - 0.5) == (True, True)
    # And not much more than that.
    assert (x.min() < 2, x.max() > nx - 3, y.min() < 2, y.max() > ny - 3) == (True,) * 4
    assert grid.scale == pytest.approx(1.0, rel=1e-4)


def test_the_union_of_one_frame_is_that_frame() -> None:
    header, nx, ny = union_grid(frame(150.0, 2.0, turn=30.0), [frame(150.0, 2.0, turn=30.0)])
    assert (nx - 300, ny - 200) in {(2, 2), (3, 3), (2, 3), (3, 2)}
    grid = make_solution(header, nx, ny, "union")
    x, y = grid.pixel(*frame(150.0, 2.0, turn=30.0).sky(np.array([10.0]), np.array([20.0])))
    step = grid.pixel(*frame(150.0, 2.0, turn=30.0).sky(np.array([11.0]), np.array([20.0])))
    assert (step[0] - x, step[1] - y) == pytest.approx((1.0, 0.0), abs=1e-3)


def test_frames_that_no_plane_holds_are_refused() -> None:
    with pytest.raises(InputError, match="from their middle"):
        union_grid(frame(0.0, 0.0), [frame(0.0, 0.0), frame(120.0, 0.0)])
    with pytest.raises(InputError, match="from their middle"):
        union_grid(frame(0.0, 0.0), [frame(0.0, 0.0), frame(180.0, 0.0)])
    with pytest.raises(InputError, match="the union of all images has"):
        union_grid(frame(0.0, 0.0), [frame(0.0, 0.0), frame(20.0, 0.0)])
