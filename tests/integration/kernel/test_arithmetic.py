"""The vectors' own functions against exact arithmetic, with the same bytes at every width."""

from __future__ import annotations

import subprocess
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from apps.ttv.compute.engine import levels
from tests.integration.kernel.compilers import EXACT, LANES, WIDTHS
from tests.integration.kernel.test_compilers import KERNEL

ULP = 2.0**-52
N = 4096
RNG_SEED = 20260105


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Compile the functions at each width that this processor has."""
    found = {}
    for level in levels():
        program = tmp_path_factory.mktemp("arithmetic") / level
        source = Path(__file__).with_name("arithmetic.c")
        subprocess.run(
            [
                *("gcc", "-O1", *EXACT, *WIDTHS[level], f"-DLANES={LANES[level]}", f"-I{KERNEL}"),
                *("-o", str(program), str(source), "-lm"),
            ],
            check=True,
        )
        found[level] = program
    if not found:
        pytest.skip("the kernel was not built")
    return found


def apply(programs: dict[str, Path], name: str, *arguments: NDArray[np.float64]) -> np.ndarray:
    """Return one row of results for each argument, of which all widths have the bytes."""
    data = np.stack(arguments, axis=-1).tobytes()
    outputs = {
        subprocess.run([program, name], input=data, capture_output=True, check=True).stdout
        for program in programs.values()
    }
    assert len(outputs) == 1
    return np.frombuffer(outputs.pop()).reshape(len(arguments[0]), -1)


def error(found: NDArray[np.float64], exact: list[Decimal]) -> float:
    """Return the largest relative error."""
    return max(
        float(abs(Decimal(value) / reference - 1))
        for value, reference in zip(found.tolist(), exact, strict=True)
    )


def squares() -> NDArray[np.float64]:
    """Return arguments over the whole range, around powers of two, and two binades in a row."""
    rng = np.random.default_rng(RNG_SEED)
    powers = 2.0 ** np.arange(-120, 121)
    edges = np.concatenate([powers, np.nextafter(powers, 0.0), np.nextafter(powers, np.inf)])
    wide = 10.0 ** rng.uniform(-36.9, 37.9, N - 1024 - len(edges))
    return np.concatenate([edges, np.linspace(1.0, 4.0, 1024), wide])


def test_inverse_roots(programs: dict[str, Path]) -> None:
    x = squares()
    (found,) = apply(programs, "inverse_root", x).T
    with localcontext() as context:
        context.prec = 40
        exact = [1 / Decimal(value).sqrt() for value in x.tolist()]
        assert error(found, exact) < ULP


@pytest.mark.parametrize(
    ("name", "factor", "bound"), [("over_cube", 1.0, 2 * ULP), ("over_cube_short", 1.5, 1.8e-13)]
)
def test_forces(programs: dict[str, Path], name: str, factor: float, bound: float) -> None:
    x = squares()
    x = x[(x > 1e-30) & (x < 1e30)][: N - 1024]
    w = 10.0 ** np.random.default_rng(RNG_SEED).uniform(-30.0, 0.0, len(x))
    (found,) = apply(programs, name, w, x).T
    with localcontext() as context:
        context.prec = 40
        pairs = zip(w.tolist(), x.tolist(), strict=True)
        exact = [Decimal(a) / Decimal(factor) / (Decimal(b) * Decimal(b).sqrt()) for a, b in pairs]
        assert error(found, exact) < bound


def stumpff(k: int, z: float) -> Decimal:
    """Return c_k(z), by its series."""
    term, total = Decimal(1), Decimal(0)
    for i in range(1, k + 1):
        term /= i
    for j in range(1, 60):
        total += term
        term *= -Decimal(z) / ((k + 2 * j - 1) * (k + 2 * j))
    return total


@pytest.mark.parametrize(
    ("name", "low", "high", "bound"),
    [("gauss", 0.0, 1.0, 0.75), ("gauss", 1.0, 9.8, 6.0), ("gauss_short", 0.0, 1.0, 0.75)],
)
def test_gauss_functions(
    programs: dict[str, Path], name: str, low: float, high: float, bound: float
) -> None:
    """G0..G3 at s = 1, each beside its first term: c_k is 1 / k! at z = 0."""
    z = np.linspace(low, high, 1024)
    found = apply(programs, name, z)
    with localcontext() as context:
        context.prec = 60
        for k, size in enumerate((1.0, 1.0, 0.5, 1 / 6)):
            exact = [stumpff(k, value) for value in z.tolist()]
            worst = max(
                abs(float(Decimal(value) - reference))
                for value, reference in zip(found[:, k].tolist(), exact, strict=True)
            )
            assert worst < bound * size * ULP, k
