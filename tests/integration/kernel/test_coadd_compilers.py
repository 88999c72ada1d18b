"""The same stack from every compiler, at every optimisation and width of vectors.

numpy alone is the reference; the kernel is compiled anew and called through ctypes.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from apps.images.merge.coadd import plain, plain_noise
from apps.images.merge.coadd.clip import levels, sorting_network
from apps.images.merge.coadd.noise import factors
from tests.integration.kernel.compilers import WIDTHS, shared_library

KERNEL = Path(__file__).resolve().parents[3] / "apps/images/merge/coadd/kernel"
N_FRAME, N_ROW, N_X = 21, 3, 75
N_LANE = 32
SCRATCH = 10  # as in stack.h: 2 floats and 4 doubles, in floats
NOT_OF_CENTRES = ("variance", "photon")


class Stack(ctypes.Structure):
    """``struct stack`` of ``stack.h``."""

    _fields_ = (
        ("n_frame", ctypes.c_int),
        ("n_row", ctypes.c_ssize_t),
        ("n_x", ctypes.c_ssize_t),
        *((name, ctypes.c_void_p) for name in ("values", "variance", "x", "surface")),
        *((name, ctypes.c_void_p) for name in ("scale", "weight", "photon", "core")),
        *((name, ctypes.c_void_p) for name in ("middle", "span", "part", "inflation", "light")),
        ("sigma_lower", ctypes.c_double),
        ("sigma_upper", ctypes.c_double),
        ("iterations", ctypes.c_int),
        ("network", ctypes.c_void_p),
        ("n_pair", ctypes.c_ssize_t),
        *((name, ctypes.c_void_p) for name in ("image", "weight_out", "variance_out")),
        *((name, ctypes.c_void_p) for name in ("count", "rejected", "doubtful", "factor")),
        *((name, ctypes.c_void_p) for name in ("middle_out", "excess_out", "error_out")),
    )


def frames() -> dict[str, np.ndarray]:
    """Return frames with outliers, holes and infinities, and how to match them."""
    rng = np.random.default_rng(6)
    shape = (N_FRAME, N_ROW, N_X)
    values = rng.normal(100, 5, shape).astype(np.float32)
    values[rng.random(shape) < 0.03] += 200
    values[rng.random(shape) < 0.05] = np.nan
    values[rng.random(shape) < 0.01] = np.inf
    values[:, :, 7] = np.nan
    return {
        "values": values,
        "variance": rng.uniform(20, 30, shape).astype(np.float32),
        "x": np.linspace(-1, 1, N_X),
        "surface": rng.normal(0, 4, (N_FRAME, N_ROW, 3)),
        "scale": rng.uniform(0.5, 2, N_FRAME),
        "weight": rng.uniform(0.1, 1, N_FRAME),
        "photon": rng.uniform(0.1, 1, N_FRAME),
    }


def around() -> dict[str, np.ndarray]:
    """Return what clipping by noise knows of the pixels."""
    rng = np.random.default_rng(7)
    shape = (N_ROW, N_X)
    return {
        "core": rng.uniform(0.05, 0.5, N_FRAME),
        "middle": rng.normal(100, 20, shape).astype(np.float32),
        "span": rng.uniform(0, 30, shape).astype(np.float32),
        "part": rng.choice([0, 0.5], shape).astype(np.float32),
        "inflation": rng.uniform(0, 3, shape).astype(np.float32),
        "light": rng.uniform(0, 30, shape).astype(np.float32),
    }


def aligned() -> tuple[np.ndarray, ctypes.c_void_p]:
    """Return scratch, and its first address that vectors of 64 bytes can be read from."""
    scratch = np.zeros(SCRATCH * N_FRAME * N_LANE + 16, np.float32)
    return scratch, ctypes.c_void_p(scratch.ctypes.data + -scratch.ctypes.data % 64)


def run(library: Path, iterations: int, *, by_noise: bool) -> list[bytes]:
    given = {**frames(), **(around() if by_noise else {})}
    network = sorting_network(N_FRAME)
    kinds = ("f4", "f4", "f4", "u2", "u2", "u1")
    planes = [np.zeros((N_ROW, N_X), kind) for kind in kinds]
    names = ("image", "weight_out", "variance_out", "count", "rejected", "doubtful")
    stack = Stack(
        n_frame=N_FRAME, n_row=N_ROW, n_x=N_X, sigma_lower=2.5, sigma_upper=2.5,
        iterations=iterations, network=network.ctypes.data, n_pair=len(network),
        **{name: array.ctypes.data for name, array in given.items()},
        **{name: plane.ctypes.data for name, plane in zip(names, planes, strict=True)},
    )  # fmt: skip
    scratch, start = aligned()
    ctypes.CDLL(str(library)).stack_driver(ctypes.byref(stack), start)
    assert len(scratch)  # it must live until here
    return [plane.tobytes() for plane in planes[: 6 if by_noise else 5]]


def centre(library: Path) -> list[bytes]:
    given = {name: array for name, array in frames().items() if name not in NOT_OF_CENTRES}
    network, factor = sorting_network(N_FRAME), factors(N_FRAME)
    planes = [np.zeros((N_ROW, N_X), np.float32) for _ in range(3)]
    names = ("middle_out", "excess_out", "error_out")
    stack = Stack(
        n_frame=N_FRAME, n_row=N_ROW, n_x=N_X, network=network.ctypes.data, n_pair=len(network),
        factor=factor.ctypes.data,
        **{name: array.ctypes.data for name, array in given.items()},
        **{name: plane.ctypes.data for name, plane in zip(names, planes, strict=True)},
    )  # fmt: skip
    scratch, start = aligned()
    ctypes.CDLL(str(library)).centre_driver(ctypes.byref(stack), start)
    assert len(scratch)  # it must live until here
    return [plane.tobytes() for plane in planes]


@pytest.mark.parametrize("level", WIDTHS)
@pytest.mark.parametrize("optimisation", ["-O0", "-O2", "-O3"])
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_compilers_give_the_same_bytes(
    name: str, optimisation: str, level: str, tmp_path: Path
) -> None:
    if level not in levels():
        pytest.skip(f"this processor has no {level}")
    library = shared_library(KERNEL, tmp_path, name, optimisation, level)
    for iterations in (0, 1, 3, 20):
        expected = plain.stack(*frames().values(), 2.5, iterations)
        assert run(library, iterations, by_noise=False) == [plane.tobytes() for plane in expected]
        expected = plain_noise.stack(*frames().values(), *around().values(), 2.5, iterations)
        assert run(library, iterations, by_noise=True) == [plane.tobytes() for plane in expected]
    matched = [array for name, array in frames().items() if name not in NOT_OF_CENTRES]
    middles = plain_noise.centre(*matched, factors(N_FRAME))
    assert centre(library) == [plane.tobytes() for plane in middles]
