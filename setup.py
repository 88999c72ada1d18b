"""Build the compiled kernels: one source, compiled for each width of vectors, in one extension."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SHARED = Path("apps") / "kernel"
# No contraction to fused multiply-adds, no reassociation: the same bits from every compiler.
EXACT = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing", "-Wno-psabi"]
# Name, doubles in a vector, flags. Two AVX-512 registers a vector would hide more latency, but the
# state of three planets no longer fits the register file.
LEVELS = {
    "x86_64": [
        ("avx512", 8, ["-mavx512f", "-mavx512dq", "-mprefer-vector-width=512"]),
        ("avx2", 4, ["-mavx2"]),
        ("baseline", 2, []),
    ],
    "other": [("baseline", 2, [])],
}


class Kernel(Extension):
    """An extension with a kernel, some sources of which are compiled at several levels.

    Without a compiler the project still works, with slower libraries: it says so.
    """

    def __init__(
        self, package: str, sources: list[str], at_each_level: Iterable[str] = ("level.c",)
    ) -> None:
        kernel = Path(*package.split(".")) / "kernel"
        self.at_each_level = [str(kernel / source) for source in at_each_level]
        super().__init__(
            f"{package}._kernel",
            sources=[str(kernel / source) for source in sources],
            depends=[str(path) for path in sorted([*kernel.glob("*.[ch]"), *SHARED.glob("*.h")])],
            include_dirs=[str(SHARED)],
            extra_compile_args=EXACT,
            optional=True,
        )


class BuildKernel(build_ext):
    """Compile sources once for each level, then link everything together."""

    def build_extension(self, ext: Extension) -> None:
        """Add the levels' objects to the extension and build it."""
        if isinstance(ext, Kernel):
            machine = platform.machine().replace("AMD64", "x86_64")
            for name, lanes, flags in LEVELS.get(machine, LEVELS["other"]):
                ext.define_macros.append((f"LANES_{name}", str(lanes)))
                ext.extra_objects += self.compiler.compile(
                    ext.at_each_level,
                    output_dir=str(Path(self.build_temp) / ext.name / name),
                    macros=[("LANES", str(lanes)), ("LEVEL", name)],
                    extra_postargs=[*EXACT, *flags],
                    depends=ext.depends,
                )
        super().build_extension(ext)


setup(
    cmdclass={"build_ext": BuildKernel},
    packages=[],
    ext_modules=[
        Kernel("apps.ttv.compute", ["module.c", "matching.c"]),
        Kernel("apps.images.compute", ["module.c"], ["level.c", "loading.c"]),
        Kernel("apps.images.merge.coadd", ["module.c"]),
        Kernel("apps.images.plan.sky", ["module.c"]),
        Extension(
            "boinc_project.fits._rice",
            sources=["boinc_project/fits/rice.c"],
            extra_compile_args=["-O3"],
            optional=True,
        ),
    ],
)
