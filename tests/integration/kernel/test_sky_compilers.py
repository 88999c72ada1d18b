"""The same noise of skies from every compiler, at every optimisation and width of vectors.

numpy alone is the reference; the kernel is compiled anew and called through ctypes.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from apps.images.plan.sky.noise import levels
from apps.images.plan.sky.plain_noise import BETA, row_variances
from tests.integration.kernel.compilers import WIDTHS, shared_library

KERNEL = Path(__file__).resolve().parents[3] / "apps/images/plan/sky/kernel"
NY, NX = 150, 230


class Tiles(ctypes.Structure):
    """``struct tiles`` of ``tiles.h``."""

    _fields_ = (
        ("image", ctypes.c_void_p),
        *((name, ctypes.c_ssize_t) for name in ("ny", "nx", "row")),
        ("columns", ctypes.c_void_p),
        ("n_tile", ctypes.c_ssize_t),
        ("step", ctypes.c_double),
        ("beta", ctypes.c_double),
        ("variance", ctypes.c_void_p),
    )


def sky(step: float) -> np.ndarray:
    """Return a sloping sky with stars, holes and infinities, rounded to steps if there are any."""
    rng = np.random.default_rng(8)
    y, x = np.mgrid[0:NY, 0:NX]
    values = rng.normal(100.0, 3.0, (NY, NX)) + 0.02 * x - 0.01 * y
    for row, column, height in ((40, 50, 4000.0), (70, 60, 90.0), (20, 200, 500.0)):
        values += height * np.exp(-0.5 * ((y - row) ** 2 + (x - column) ** 2) / 1.5**2)
    if step:
        values = step * np.round(values / step)
    values[rng.random(values.shape) < 0.02] = np.nan
    values[100:140, 10:60] = np.nan
    values[5, 5] = np.inf
    return values.astype(np.float32)


def measured(library: Path, image: np.ndarray, row: int, step: float) -> np.ndarray:
    """Return the variances of a row of tiles, by the compiled kernel."""
    kernel = ctypes.CDLL(str(library))
    kernel.scratch_driver.restype = ctypes.c_size_t
    scratch = np.zeros(kernel.scratch_driver() + 64, np.uint8)
    start = ctypes.c_void_p(scratch.ctypes.data + -scratch.ctypes.data % 64)
    columns = np.arange(-(-NX // 64), dtype=np.int64)
    variance = np.zeros(len(columns))
    tiles = Tiles(
        image=image.ctypes.data, ny=NY, nx=NX, row=row, columns=columns.ctypes.data,
        n_tile=len(columns), step=step, beta=BETA, variance=variance.ctypes.data,
    )  # fmt: skip
    kernel.measure_driver(ctypes.byref(tiles), start)
    assert len(scratch)  # it must live until here
    return variance


@pytest.mark.parametrize("level", WIDTHS)
@pytest.mark.parametrize("optimisation", ["-O0", "-O2", "-O3"])
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_compilers_give_the_same_bytes(
    name: str, optimisation: str, level: str, tmp_path: Path
) -> None:
    if level not in levels():
        pytest.skip(f"this processor has no {level}")
    library = shared_library(KERNEL, tmp_path, name, optimisation, level)
    for step in (0.0, 1.0, 4.0):
        image = sky(step)
        for row in range(-(-NY // 64)):
            columns = np.arange(-(-NX // 64), dtype=np.int64)
            expected = row_variances(image, row, columns, step)
            assert measured(library, image, row, step).tobytes() == expected.tobytes()
