"""Running other programs, and saying what is missing before they fail obscurely."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROBE = """
import importlib.util, json, sys, sysconfig
from pathlib import Path
names = ("INSTSONAME", "LDLIBRARY")
directories = (sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LIBPL"))
libraries = [
    str(Path(directory, name))
    for directory in directories if directory
    for name in map(sysconfig.get_config_var, names)
    if name and ".so" in name and Path(directory, name).exists()
]
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "libpython": libraries[0] if libraries else None,
    "header": Path(sysconfig.get_path("include"), "Python.h").exists(),
    "venv": all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")),
}))
"""


class BuildError(Exception):
    """The app cannot be built; the message says why and what helps."""


@dataclass(frozen=True, slots=True)
class Python:
    """A Python that apps can be frozen with."""

    program: Path
    version: tuple[int, ...]
    libpython: Path


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    what: str,
) -> str:
    """Run a program and return what it printed.

    Raises
    ------
    BuildError
        If it fails: `what` was tried, and the last lines that it said.
    """
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise BuildError(f"{what} failed (exit status {done.returncode}):\n{tail}")
    return done.stdout


@contextlib.contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Wait until no other build works in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def require_programs() -> None:
    """Check for the programs that freezing needs.

    Raises
    ------
    BuildError
        Naming the first one that is missing and the package that has it.
    """
    if not any(shutil.which(name) for name in (os.environ.get("CC", "cc"), "gcc")):
        raise BuildError(
            "There is no C compiler, and TTVFast has to be compiled: "
            "install one (Debian: apt-get install gcc libc6-dev)."
        )
    if not shutil.which("objdump"):
        raise BuildError(
            "objdump is missing, and PyInstaller finds libraries with it: "
            "install it (Debian: apt-get install binutils)."
        )


def find_python() -> Python:
    """Choose the Python to freeze: Debian's if it is complete, else the running one.

    Debian's shared library is a third of the size of one that was built without stripping.

    Raises
    ------
    BuildError
        If neither can be used; the message says what the running one lacks.
    """
    lack = ""
    for program in (Path("/usr/bin/python3.11"), Path(sys.executable)):
        if not program.exists():
            continue
        found = json.loads(run([program, "-c", PROBE], what=f"Asking {program} about itself"))
        lack = _lack(program, found)
        if not lack:
            return Python(program, tuple(found["version"]), Path(found["libpython"]))
    raise BuildError(lack)


def _lack(program: Path, found: Mapping[str, object]) -> str:
    if not found["venv"]:
        return (
            f"{program} cannot make virtual environments (Debian: apt-get install python3.11-venv)."
        )
    if not found["libpython"]:
        return (
            f"{program} has no shared libpython, which every frozen app contains: "
            "install it (Debian: apt-get install libpython3.11) or use a Python that was "
            "configured with --enable-shared."
        )
    if not found["header"]:
        return (
            f"{program} has no Python.h, which TTVFast is compiled with "
            "(Debian: apt-get install libpython3.11-dev)."
        )
    return ""
