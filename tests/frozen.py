"""A frozen app, as a client's project directory has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLATFORM = "x86_64-pc-linux-gnu"


def install(app: str, version: int, directory: Path) -> Path:
    """Return an app's program in a project directory, unpacked by its first start.

    It is built as by ``make app``, if it is not there or not of these sources.
    """
    out, name = ROOT / "build" / "apps", f"{app}_{version}_{PLATFORM}"
    command = [sys.executable, "packaging/build.py", app, "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    for file in (name, f"{name}.tar.gz"):
        shutil.copy2(out / name / file, directory / file)
    program = directory / name
    said = subprocess.run([program, "--version"], capture_output=True, encoding="utf-8", check=True)
    digest = json.loads((out / name / "build.json").read_text("utf-8"))["app_digest"]
    assert said.stdout.split() == [app, str(version), PLATFORM, digest]
    return program


def tree_of(program: Path) -> Path:
    """Return what a program's archive was unpacked to."""
    return program.with_name(program.name + ".d")


def start(program: Path, slot: Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end in a slot, without the tests' environment.

    But for what chooses OpenBLAS's arithmetic: the numbers would be those of another machine.
    """
    kept = {key: value for key, value in os.environ.items() if key.startswith("OPENBLAS_")}
    return subprocess.run(
        [program],
        cwd=slot,
        env={"PATH": os.environ["PATH"], **kept},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
