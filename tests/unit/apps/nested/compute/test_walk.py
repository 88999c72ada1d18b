"""Walks in lock-step: inside the contour, in the cube, and as many calls as are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from dynesty.internal_samplers import SamplerArgument

from apps.nested.compute.walk import LockstepPool, LockstepWalk, walk_together
from tests.nested_targets import Likely

CONTOUR = -0.3
LIVE = np.random.default_rng(8).random((50, 3)) * [0.6, 1.0, 1.0] + [0.2, 0.0, 0.0]


def slope(cube: np.ndarray) -> np.ndarray:
    return -np.abs(cube[:, 0] - 0.5)


def arguments(n: int, *, scale: float = 0.3, place: float = 0.5, n_dim: int = 3) -> list[Any]:
    return [
        SamplerArgument(
            u=np.full(n_dim, place),
            loglstar=CONTOUR,
            axes=np.eye(n_dim),
            scale=scale,
            prior_transform=None,
            loglikelihood=None,
            rseed=np.random.SeedSequence([7, k]),
            kwargs={"live": LIVE[:, :n_dim]},
        )
        for k in range(n)
    ]


def test_walks_stay_in_the_cube_and_inside_the_contour() -> None:
    target = Likely(3, slope)
    found = walk_together(arguments(16), target, 30)
    places = np.array([one.u for one in found])
    assert ((places > 0) & (places < 1)).all()
    np.testing.assert_array_equal([one.logl for one in found], slope(places))
    assert min(one.logl for one in found) > CONTOUR
    assert len(np.unique(places, axis=0)) == 16


def test_calls_and_acceptances_are_counted() -> None:
    target = Likely(3, slope)
    found = walk_together(arguments(16), target, 30)
    assert sum(one.ncalls for one in found) == target.n_call
    for one in found:
        # One step of five is in the ellipsoid, whose length is tuned.
        assert one.tuning_info["accept"] + one.tuning_info["reject"] == 6
        assert one.tuning_info["accept"] <= one.ncalls <= 30


def test_a_walk_that_goes_nowhere_returns_its_beginning() -> None:
    target = Likely(3, slope)
    found = walk_together(arguments(4, scale=1e3), target, 1)
    np.testing.assert_array_equal([one.u for one in found], np.full((4, 3), 0.5))
    assert [one.logl for one in found] == [0.0] * 4
    assert sum(one.ncalls for one in found) == target.n_call


def test_periodic_coordinates_have_no_wall() -> None:
    def always(cube: np.ndarray) -> np.ndarray:
        return np.zeros(len(cube))

    # From close to the wall, half of the steps lead over it.
    walls, none = (
        walk_together(arguments(64, scale=0.2, place=0.01, n_dim=1), Likely(1, always, ends), 1)
        for ends in ((), (0,))
    )
    assert max(one.u[0] for one in walls) < 0.25
    assert max(one.u[0] for one in none) > 0.75
    assert sum(one.tuning_info["accept"] for one in none) == 64


def test_walks_leave_the_prior_inside_the_contour_invariant() -> None:
    """Points that are uniform inside the contour are uniform after any number of steps.

    The mean and variance of 4000 of them in a slab of width 0.6 are normal with the errors given;
    at 5 standard errors, the false-alarm rate is 1e-6.
    """
    rng = np.random.default_rng(3)
    start = rng.random((4000, 2)) * [0.6, 1.0] + [0.2, 0.0]
    walks = [one._replace(u=u) for one, u in zip(arguments(4000), start, strict=True)]
    walks = [one._replace(axes=np.eye(2), kwargs={"live": LIVE[:, :2]}) for one in walks]
    x = np.array([one.u[0] for one in walk_together(walks, Likely(2, slope), 8)])
    assert abs(x.mean() - 0.5) < 5 * 0.6 / np.sqrt(12 * 4000)
    assert abs(x.var() / 0.03 - 1.0) < 5 * np.sqrt(0.8 / 4000)


def test_dynesty_makes_its_own_instance_with_the_scale() -> None:
    walk = LockstepWalk(0.25, walks=30, ndim=3, ncdim=3, facc=0.5)
    made = walk._new_from_template({"ndim": 3, "ncdim": 3, "facc": 0.5, "periodic": None})
    assert isinstance(made, LockstepWalk)
    assert made.scale == 0.25
    assert made.sampler_kwargs["walks"] == 30


def test_the_pool_advances_what_dynesty_maps() -> None:
    pool = LockstepPool(Likely(3, slope), 10, 4)
    found = pool.map(LockstepWalk.sample, arguments(4))
    again = walk_together(arguments(4), Likely(3, slope), 10)
    np.testing.assert_array_equal([one.u for one in found], [one.u for one in again])
