"""The clean environment in which apps are frozen: exactly the locked requirements."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from tools import Python, run

STAMP = ".made-from"
# The order of floating-point operations is part of the science: none may be fused.
COMPILE = {"CFLAGS": "-O2 -ffp-contract=off", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def freezing_environment(python: Python, lock: Path, directory: Path) -> Path:
    """Return the Python of a virtual environment made from `lock`, making it if need be.

    Parameters
    ----------
    python : Python
        What the environment, and so the app, is made with.
    lock : Path
        Requirements with hashes.
    directory : Path
        Where the environment is kept; made anew when lock or Python change.

    Raises
    ------
    BuildError
        If a package cannot be had or built.
    """
    made_from = hashlib.sha256(lock.read_bytes() + repr(python).encode()).hexdigest()
    program = directory / "bin" / "python"
    stamp = directory / STAMP
    if program.exists() and stamp.exists() and stamp.read_text("ascii") == made_from:
        return program
    shutil.rmtree(directory, ignore_errors=True)
    run([python.program, "-m", "venv", directory], what="Making the freezing environment")
    # -E: pip would take packages on PYTHONPATH for installed ones, and leave them out.
    install = [program, "-E", "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    # What builds the source packages is locked as well: no download of its own for each build.
    tools = directory / "build-requirements.txt"
    tools.write_text(_block(lock.read_text("utf-8"), "setuptools"), encoding="utf-8")
    run([*install, "-r", tools], environment=COMPILE, what="Installing setuptools")
    run(
        [*install, "--no-build-isolation", "-r", lock],
        environment=COMPILE,
        what="Installing the app's locked requirements",
    )
    stamp.write_text(made_from, encoding="ascii")
    return program


def _block(lock: str, name: str) -> str:
    """Return the lines of one package, with its hashes, of a lock file."""
    found = re.search(rf"^{name}==(?:.*\\\n)*.*\n?", lock, re.MULTILINE)
    return found[0] if found else ""
