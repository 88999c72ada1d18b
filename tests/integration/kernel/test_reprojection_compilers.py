"""The same pixels from every compiler, at every optimisation, and for another processor.

The installed extension is the reference; a driver in C is compiled anew and fed the same frame.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from apps.images.compute.built import load_kernel
from apps.images.compute.engine import (
    AREA_METHODS,
    MOST_LOST,
    TAPS,
    Interpolation,
    Loading,
    Map,
    Planes,
    Sources,
    Steps,
    coarsen,
    find_windows,
    lanczos_table,
    levels,
    load,
    quantise,
    resample,
)
from apps.images.output_frame import CANONICAL_NAN, NEAR_BLANK
from boinc_project.fits.images import Scale
from tests.integration.kernel.compilers import EXACT, WIDTHS, for_aarch64, need, needs_aarch64
from tests.reprojection_units import bent, lanczos3, nodes, sky

ROOT = Path(__file__).resolve().parents[3]
KERNEL = ROOT / "apps/images/compute/kernel"
HEIGHT, WIDTH, NX, NY, STEP, N_PHASE = 90, 117, 101, 83, 32, 64

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")


class Case:
    """A frame with masked pixels, and what the installed extension makes of it."""

    def __init__(self, method: str, *, has_plane: bool, conserve: bool) -> None:
        rng = np.random.default_rng(TAPS[method])
        self.method, self.conserve = method, conserve
        shape = (HEIGHT, WIDTH)
        self.stored = (sky(shape, 1, "u2").astype(np.int32) - 32768).astype(np.int16)
        self.mask = (rng.random(shape) < 0.01).astype(np.uint8)
        plane = rng.uniform(100, 200, shape).astype(np.float32)
        self.variance = plane if has_plane else None
        scale = 1.4 if method == "area" else 1.05
        self.nodes = nodes(bent(shape, scale=scale), (NX, NY), STEP)
        self.drop = 0.6 if method == "drizzle" else 1.0
        self.table = lanczos_table(lanczos3(N_PHASE)) if method == "lanczos3" else None

    def arguments(self) -> list[str]:
        numbers = (TAPS[self.method], WIDTH, HEIGHT, NX, NY, STEP, N_PHASE)
        flags = (int(self.variance is not None), int(self.conserve))
        return [*map(str, (*numbers, *flags, MOST_LOST[self.method], self.drop))]

    def input(self) -> bytes:
        parts = (self.stored, self.mask, self.variance, self.nodes, self.table)
        return b"".join(one.tobytes() for one in parts if one is not None)

    def reference(self) -> bytes:
        """Return what the driver should write, by the installed extension at its lowest level."""
        shape = (HEIGHT, WIDTH + 12)
        planes = Planes(
            np.zeros((*shape, 1 if self.variance is None else 2), np.float32),
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.uint8),
            *(144.0, 0, HEIGHT, WIDTH, HEIGHT),
        )
        how = Loading(Scale(zero=32768.0), 60_000.0, 1.0, self.method == "bilinear")
        sources = Sources(self.stored, self.mask, self.variance)
        load(how, sources, planes, 0, level="baseline")
        find_windows(planes, self.method, level="baseline")
        values, variance = np.empty((2, NY, NX), np.float32)
        interpolation = Interpolation(self.method, self.conserve, self.table, self.drop)
        box = (0, 0, NX, NY)
        resample("baseline", Map(self.nodes, STEP), planes, interpolation, box, values, variance)
        steps = quantise("baseline", Steps(3.0, 300.0, NEAR_BLANK), values)
        codes = coarsen("baseline", variance)
        assert 0.02 < np.isnan(values).mean() < 0.6
        if self.method in AREA_METHODS:  # levels agree here, too
            for level in levels():
                others = np.empty((2, NY, NX), np.float32)
                resample(level, Map(self.nodes, STEP), planes, interpolation, box, *others)
                assert others.tobytes() == values.tobytes() + variance.tobytes()
        for array in (values, variance):
            array.view(np.uint32)[np.isnan(array)] = CANONICAL_NAN
        return b"".join(one.tobytes() for one in (values, variance, steps, codes))


def build(directory: Path, compiler: list[str], flags: list[str]) -> Path:
    """Compile kernel and driver."""
    program = directory / "driver"
    sources = [
        *(KERNEL / "level.c", KERNEL / "loading.c"),
        Path(__file__).with_name("reprojection_driver.c"),
    ]
    command = [*compiler, *EXACT, *flags, "-DLANES=2", "-DLEVEL=driver", f"-I{KERNEL}"]
    subprocess.run([*command, "-o", str(program), *map(str, sources)], check=True)
    return program


def check(command: list[str]) -> None:
    for method in TAPS:
        for has_plane, conserve in ((False, True), (True, False)):
            case = Case(method, has_plane=has_plane, conserve=conserve)
            done = subprocess.run(
                [*command, *case.arguments()], input=case.input(), capture_output=True, check=True
            )
            assert done.stdout == case.reference(), (method, has_plane)


@pytest.mark.parametrize("level", WIDTHS)
@pytest.mark.parametrize("optimisation", ["-O0", "-O3"])
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_compilers_give_the_same_pixels(
    name: str, optimisation: str, level: str, tmp_path: Path
) -> None:
    need(name)
    if level not in levels():
        pytest.skip(f"this processor has no {level}")
    flags = [optimisation, *WIDTHS[level]]
    check([str(build(tmp_path, [name], flags))])


@needs_aarch64
def test_another_processor_gives_the_same_bytes(tmp_path: Path) -> None:
    check(for_aarch64(lambda compiler: build(tmp_path, compiler, ["-O2"])))
