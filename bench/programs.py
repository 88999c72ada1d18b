"""Programs that benches compare with: installed if that can be, and measured."""

from __future__ import annotations

import functools
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
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


def python_with(package: str, version: str = "") -> str | None:
    """Return a Python that can import a package: this one, or one of its own in ``build``.

    Peers from PyPI are no requirements of the project, so each gets a virtual environment beside
    the build, where it is installed the first time.

    Parameters
    ----------
    package : str
        As PyPI and Python call it.
    version : str
        The one that is installed, if it must be.
    """

    def has_it(python: Path) -> bool:
        command = [str(python), "-c", f"import {package}"]
        return not subprocess.run(command, capture_output=True, check=False).returncode

    if has_it(Path(sys.executable)):
        return sys.executable
    directory = ROOT / "build" / f"bench-{package}"
    python = directory / "bin" / "python"
    if not python.exists() or not has_it(python):
        wanted = f"{package}=={version}" if version else package
        print(f"Installing {wanted} into build/{directory.name} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=False)
        command = [str(python), "-m", "pip", "install", "--quiet", wanted]
        if python.exists():
            subprocess.run(command, capture_output=True, check=False)
    if python.exists() and has_it(python):
        return str(python)
    print(f"{package} cannot be had here (pip install {package}): it is left out.")
    return None


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
