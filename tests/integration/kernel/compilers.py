"""Compilers, their flags, and another processor: what all kernels are tried with."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import missing

EXACT = ("-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing", "-Wno-psabi")
"""As in setup.py."""
WIDTHS = {"avx512": ("-mavx512f", "-mavx512dq"), "avx2": ("-mavx2",), "baseline": ()}
"""Flags of each level, as in setup.py."""
LANES = {"avx512": 8, "avx2": 4, "baseline": 2}
"""Doubles in a vector of each level, as in setup.py."""

needs_aarch64 = pytest.mark.skipif(
    os.environ.get("OPENASTRO_AARCH64") != "1", reason="opt in with make test-aarch64"
)


def need(compiler: str) -> None:
    """Skip the test, or fail it where nothing may be missing, without a compiler.

    Only gcc may never be missing: the kernels were built by it.
    """
    if compiler != "gcc" and not shutil.which(compiler):
        missing(compiler, f"{compiler} is not installed (apt-get install {compiler})")


def shared_library(
    kernel: Path, directory: Path, compiler: str, optimisation: str, level: str
) -> Path:
    """Compile a kernel's ``level.c`` for ctypes, and return the library.

    Skips the test, or fails it, as `need` does. Names end with ``_driver``.
    """
    need(compiler)
    library = directory / "kernel.so"
    subprocess.run(
        [
            *(compiler, *EXACT, optimisation, *WIDTHS[level], "-shared", "-fPIC"),
            *("-DLEVEL=driver", f"-DLANES={LANES[level]}", "-o", str(library)),
            *(str(kernel / "level.c"), "-lm"),
        ],
        check=True,
    )
    return library


def for_aarch64(build: Callable[[list[str]], Path]) -> list[str]:
    """Return the command of a program built for AArch64.

    Cross-compiled and run by qemu; natively where this is one. `build` is given the compiler.
    """
    if platform.machine() == "aarch64":
        return [str(build(["gcc"]))]
    cross, emulator = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")
    assert cross, "aarch64-linux-gnu-gcc is missing (apt-get install gcc-aarch64-linux-gnu)"
    assert emulator, "qemu-aarch64 is missing (apt-get install qemu-user)"
    return [emulator, str(build([cross, "-static"]))]
