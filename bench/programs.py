"""Programs that benches compare with: installed if that can be, and measured."""

from __future__ import annotations

import functools
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

WRAPPER = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
    "sys.stderr.write(f'peak {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}\\n'); "
    "sys.exit(code)"
)
"""Runs a program, so that its peak of memory is not that of an earlier one."""


def program(package: str, *names: str) -> str | None:
    """Return a program's path, installing its Debian package where that is possible."""

    def find() -> str | None:
        return next((path for name in names if (path := shutil.which(name))), None)

    if not find() and shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["update", "-qq"],
            ["install", "-y", "-qq", "--no-install-recommends", package],
        ):
            subprocess.run(["apt-get", *command], env=environment, capture_output=True, check=False)
    found = find()
    if not found:
        print(f"{package} cannot be had here (as root: apt-get install {package}): left out.")
    return found


def measured(command: list[str], directory: Path, **environment: str) -> tuple[float, float, str]:
    """Run a program, one thread; return its CPU seconds, its peak in MB and what it printed."""
    cpu, peak, said = _run(command, directory, environment)
    return cpu - _wrapper_seconds(), peak, said


@functools.cache
def _wrapper_seconds() -> float:
    """Return what the wrapping process takes by itself."""
    return _run(["true"], Path.cwd(), {})[0]


def _run(
    command: list[str], directory: Path, environment: dict[str, str]
) -> tuple[float, float, str]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-S", "-c", WRAPPER, *command],
        cwd=directory,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr[-2000:]}{done.stdout[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, float(done.stderr.rsplit("peak ", 1)[1]) / 1024, done.stdout
