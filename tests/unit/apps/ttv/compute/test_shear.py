from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.compute.shear import Shear, n_feature, terms_of


@pytest.fixture
def shear() -> Shear:
    rng = np.random.default_rng(3)
    rows = tuple(0.3 * rng.normal(size=n_feature(k)) for k in range(4))
    return Shear(np.array([2, 0, 3, 1]), rng.normal(size=4), np.exp(rng.normal(size=4)), rows)


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(50, 4))


def test_bend_undoes_straighten(shear: Shear, points: np.ndarray) -> None:
    np.testing.assert_allclose(shear.bend(shear.straighten(points)), points, atol=1e-12)
    np.testing.assert_allclose(shear.straighten(shear.bend(points)), points, atol=1e-9)


def test_the_jacobian_is_the_same_everywhere(shear: Shear, points: np.ndarray) -> None:
    """|du/dx| is 1 / product of the scales, or a density in u were not one in x."""
    step = 1e-6
    for point in points[:5]:
        shifted = point + step * np.concatenate([np.eye(4), -np.eye(4)])
        u = shear.straighten(shifted)
        jacobian = (u[:4] - u[4:]) / (2 * step)
        assert abs(np.linalg.det(jacobian)) == pytest.approx(1 / np.prod(shear.scale), rel=1e-6)


def test_every_coordinate_loses_its_polynomial_of_those_before(points: np.ndarray) -> None:
    """With scale 1: u_1 = x_1 - (2 + 3 x_0 - x_0^2), u_2 = x_2 - x_0 x_1."""
    rows = (
        np.zeros(1),
        np.array([2.0, 3.0, -1.0]),
        np.array([0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        np.zeros(n_feature(3)),
    )
    shear = Shear(np.arange(4), np.zeros(4), np.ones(4), rows)
    x = points.T
    u = shear.straighten(points).T
    np.testing.assert_array_equal(u[0], x[0])
    np.testing.assert_allclose(u[1], x[1] - (2 + 3 * x[0] - x[0] ** 2), atol=1e-13)
    np.testing.assert_allclose(u[2], x[2] - x[0] * x[1], atol=1e-13)
    np.testing.assert_array_equal(u[3], x[3])


def test_a_points_image_does_not_depend_on_those_beside_it(
    shear: Shear, points: np.ndarray
) -> None:
    """Every bit: batches are cut differently on the server, in the app and in an audit."""
    u, x = shear.straighten(points), shear.bend(points)
    for cut in (1, 2, 7, 16):
        assert shear.straighten(points[:cut]).tobytes() == u[:cut].tobytes()
        assert shear.bend(points[:cut]).tobytes() == x[:cut].tobytes()


def test_terms_are_those_of_the_coefficients(points: np.ndarray) -> None:
    z = points.T
    expected = [
        np.ones(50), z[0], z[0] * z[0], z[1], z[0] * z[1], z[1] * z[1],
        z[2], z[0] * z[2], z[1] * z[2], z[2] * z[2],
    ]  # fmt: skip
    np.testing.assert_array_equal(terms_of(points[:, :3]), expected)
    assert [n_feature(k) for k in range(4)] == [1, 3, 6, 10]


def test_a_point_far_beyond_is_nowhere_and_no_warning(shear: Shear) -> None:
    far = shear.bend(np.array([[1e200, 0.0, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4]]))
    assert not np.isfinite(far[0]).all()
    assert np.isfinite(far[1]).all()
