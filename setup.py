"""Build the compiled kernels: one source, compiled for each width of vectors, in one extension."""

from __future__ import annotations

import platform
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# Extensions that are compiled once for each width of vectors, where their kernels are, and which of
# their sources that is done with.
LEVELLED = {
    "apps.reprojection._kernel": Path("apps") / "reprojection" / "kernel",
    "apps.ttv._kernel": Path("apps") / "ttv" / "kernel",
    "assimilator.coadd._kernel": Path("assimilator") / "coadd" / "kernel",
}
AT_EACH_LEVEL = {"apps.reprojection._kernel": ["level.c", "loading.c"]}
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


class BuildKernel(build_ext):
    """Compile sources once for each level, then link everything together."""

    def build_extension(self, ext: Extension) -> None:
        """Add the levels' objects to the extension and build it."""
        if ext.name not in LEVELLED:
            super().build_extension(ext)
            return
        machine = platform.machine().replace("AMD64", "x86_64")
        levels = LEVELS.get(machine, LEVELS["other"])
        for name, lanes, flags in levels:
            ext.define_macros.append((f"{name.upper()}_LANES", str(lanes)))
            ext.extra_objects += self.compiler.compile(
                [str(LEVELLED[ext.name] / one) for one in AT_EACH_LEVEL.get(ext.name, ["level.c"])],
                output_dir=str(Path(self.build_temp) / ext.name / name),
                macros=[("LANES", str(lanes)), ("LEVEL", name)],
                extra_postargs=[*EXACT, *flags],
                depends=ext.depends,
            )
        super().build_extension(ext)


def levelled(name: str, *sources: str) -> Extension:
    """Return an extension with a kernel that is compiled at several levels.

    Without a compiler the project still works, with slower libraries: it says so.
    """
    kernel = LEVELLED[name]
    return Extension(
        name,
        sources=[str(kernel / source) for source in sources],
        depends=[str(path) for path in sorted(kernel.glob("*.[ch]"))],
        extra_compile_args=EXACT,
        optional=True,
    )


setup(
    cmdclass={"build_ext": BuildKernel},
    packages=[],
    ext_modules=[
        levelled("apps.ttv._kernel", "module.c", "matching.c"),
        levelled("apps.reprojection._kernel", "module.c"),
        levelled("assimilator.coadd._kernel", "module.c"),
        Extension(
            "boinc_project.fits._rice",
            sources=["boinc_project/fits/rice.c"],
            extra_compile_args=["-O3"],
            optional=True,
        ),
    ],
)
