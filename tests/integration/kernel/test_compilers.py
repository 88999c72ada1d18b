"""The same bytes from every compiler, at every optimisation, and for another processor.

The installed extension is the reference; a driver in C is compiled anew and fed the same sets.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from apps.ttv.compute.built import load_kernel
from apps.ttv.compute.engine import levels
from apps.ttv.compute.model import EARTH_MASS, G
from tests.integration.kernel.compilers import (
    EXACT,
    LANES,
    WIDTHS,
    for_aarch64,
    need,
    needs_aarch64,
)

ROOT = Path(__file__).resolve().parents[3]
KERNEL = ROOT / "apps/ttv/compute/kernel"
N_SET, CAPACITY, SPAN, DT = 11, 64, 300.0, 0.4

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")


def sets(n_planet: int) -> np.ndarray:
    """Return inclined, eccentric systems, of which the last two are hopeless."""
    rng = np.random.default_rng(n_planet)
    elements = np.empty((N_SET, n_planet, 7))
    for place in range(n_planet):
        period = 8.0 * 1.9**place
        centre = (5.0 + 20.0 * place, period, 0.04, -0.03, 0.4 * period, 90.0, 0.0)
        width = (0.5, 0.01, 0.02, 0.02, 0.1, 0.5, 3.0)
        elements[:, place] = centre + width * rng.standard_normal((N_SET, 7))
    elements[-2, 0, 2] = np.nan
    elements[-1, :, 0] *= 3000.0
    return elements


def reference(elements: np.ndarray, modified: int) -> bytes:
    """Return what the driver should write, by the installed extension at its lowest level."""
    kernel = load_kernel()
    n, n_planet = elements.shape[:2]
    times = np.zeros((n, n_planet, CAPACITY))
    counts = np.zeros((n, n_planet), dtype=np.int64)
    failures = np.zeros(n, dtype=np.uint8)
    setup = (n_planet, G, EARTH_MASS, 1.0, 0.0, SPAN, DT, modified)
    everyone = np.ones(n_planet, dtype=np.uint8)
    kernel.all_times("baseline", setup, CAPACITY, elements, everyone, times, counts, failures)
    assert (failures[:-2] == 0).all()
    assert (failures[-2:] != 0).all() or n_planet == 1
    return relevant(failures.astype(np.int64), counts, times)


def relevant(failures: np.ndarray, counts: np.ndarray, times: np.ndarray) -> bytes:
    """Leave out what is not looked at: the tracks of sets that failed."""
    good = failures == 0
    return failures.tobytes() + counts[good].tobytes() + times[good].tobytes()


def build(directory: Path, compiler: list[str], lanes: int, flags: list[str]) -> Path:
    """Compile kernel and driver."""
    program = directory / "driver"
    sources = [KERNEL / "level.c", KERNEL / "matching.c", Path(__file__).with_name("driver.c")]
    subprocess.run(
        [
            *(*compiler, *EXACT, *flags, f"-DLANES={lanes}", "-DLEVEL=driver"),
            *(f"-I{KERNEL}", "-o", str(program), *map(str, sources), "-lm"),
        ],
        check=True,
    )
    return program


def output(command: list[str], elements: np.ndarray, modified: int) -> bytes:
    """Run a driver."""
    n, n_planet = elements.shape[:2]
    numbers = (n, n_planet, SPAN, DT, modified, CAPACITY, 1.0, G, EARTH_MASS)
    done = subprocess.run(
        [*command, *(repr(number) for number in numbers)],
        input=elements.tobytes(),
        capture_output=True,
        check=True,
    )
    rows = np.frombuffer(done.stdout, dtype=np.int64).reshape(n, 1 + n_planet * (1 + CAPACITY))
    failures, counts = rows[:, 0], rows[:, 1 : 1 + n_planet]
    times = rows[:, 1 + n_planet :].copy().view(np.float64).reshape(n, n_planet, CAPACITY)
    return relevant(failures, counts, times)


def check(command: list[str]) -> None:
    for n_planet in (1, 2, 3, 5):
        elements = sets(n_planet)
        for modified in (0, 1):
            assert output(command, elements, modified) == reference(elements, modified)


@pytest.mark.parametrize("level", WIDTHS)
@pytest.mark.parametrize("optimisation", ["-O0", "-O2"])
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_compilers_give_the_same_bytes(
    name: str, optimisation: str, level: str, tmp_path: Path
) -> None:
    need(name)
    if level not in levels():
        pytest.skip(f"this processor has no {level}")
    program = build(tmp_path, [name], LANES[level], [optimisation, *WIDTHS[level]])
    check([str(program)])


@pytest.mark.parametrize("lanes", [4, 16])
def test_the_number_of_lanes_does_not_matter(lanes: int, tmp_path: Path) -> None:
    """Vectors wider than the registers, in several pieces."""
    check([str(build(tmp_path, ["gcc"], lanes, ["-O1"]))])


@needs_aarch64
def test_another_processor_gives_the_same_bytes(tmp_path: Path) -> None:
    check(for_aarch64(lambda compiler: build(tmp_path, compiler, 2, ["-O2"])))
