"""A campaign as a user runs it: a process of its own, and what its product says."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.zoo.products import look
from bench.zoo.simulate import System

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("boinc_project", "apps", "work_generator", "validator", "assimilator", "server")
VERSION = 1
"""Of what is kept of a run: runs of another version are looked at anew."""
UNFINISHED = 124
"""Exit code of a run that was ended because it took too long, as of timeout(1)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one campaign.

    Attributes
    ----------
    kind, seed
        Of the system.
    code : int
        The process's exit code.
    said : str
        The last line it printed, if it failed.
    sampled, described, informative : bool | None
        The words of the product's verdict; None if it does not say.
    reasons : tuple[str, ...]
        Why it is not sampled.
    cpu, wall : float
        Seconds, preparation and products included.
    n_call : int
        Likelihoods of all units.
    n_unit : int
        Units.
    ranks : dict[str, float]
        Of the true values, by parameter; see `bench.zoo.ranks`.
    quantiles, errors : dict[str, list[float]]
        At `QUANTILES`, by parameter, and the product's own errors of them; NaN if it has none.
    log_z, log_z_error : float | None
        As the product says, without the constant that depends on no parameter.
    """

    kind: str
    seed: int
    code: int
    said: str
    sampled: bool | None
    described: bool | None
    informative: bool | None
    reasons: tuple[str, ...]
    cpu: float
    wall: float
    n_call: int
    n_unit: int
    ranks: dict[str, float]
    quantiles: dict[str, list[float]]
    errors: dict[str, list[float]]
    log_z: float | None
    log_z_error: float | None

    @property
    def word(self) -> str:
        """The outcome in one word: sampled, not sampled, refused or unfinished."""
        if self.code == UNFINISHED:
            return "unfinished"
        if self.code:
            return "refused"
        return "sampled" if self.sampled else "not sampled"


def run(system: System, directory: Path, *, limit: float) -> Outcome:
    """Run a system's campaign, or go on with it, or return what is kept of it.

    Parameters
    ----------
    system : System
        Its files.
    directory : Path
        Of this system and this state of the program; see `code_digest`.
    limit : float
        Seconds of wall time after which it is ended; with a larger limit it goes on.
    """
    kept = directory / f"outcome-{VERSION}.json"
    if kept.exists():
        fields = json.loads(kept.read_text(encoding="utf-8"))
        stored = Outcome(**{**fields, "reasons": tuple(fields["reasons"])})
        if stored.code != UNFINISHED or stored.wall >= limit:
            return stored
    directory.mkdir(parents=True, exist_ok=True)
    before = _spent(directory)
    code, cpu, wall = run_local(system.path, directory, limit - before["wall"])
    spent = {"cpu": before["cpu"] + cpu, "wall": before["wall"] + wall}
    (directory / "spent.json").write_text(json.dumps(spent), encoding="utf-8")
    if code in (-signal.SIGINT, 130):
        raise KeyboardInterrupt
    outcome = _outcome(system, directory, code, spent)
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(outcome), indent=1), encoding="utf-8")
    partial.replace(kept)
    return outcome


def code_digest() -> str:
    """Return the SHA-256 of the program's files, in hexadecimal.

    Another program may compute something else, so that its runs are not gone on with.
    """
    digest = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in (".py", ".so", ".toml") and path.is_file():
                digest.update(f"{path.relative_to(ROOT)}\n".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _spent(directory: Path) -> dict[str, float]:
    """Return what interrupted runs of the same campaign have taken."""
    path = directory / "spent.json"
    if not path.exists():
        return {"cpu": 0.0, "wall": 0.0}
    return {key: float(value) for key, value in json.loads(path.read_text()).items()}


def run_local(path: Path, directory: Path, limit: float) -> tuple[int, float, float]:
    """Run ``openastro campaign run-local``; return exit code, seconds of CPU and of wall time.

    Parameters
    ----------
    path : Path
        Campaign file.
    directory : Path
        Of ``run``, the command's output, and of ``said.txt``, its words.
    limit : float
        Seconds of wall time after which it is interrupted; see `UNFINISHED`.
    """
    command = [sys.executable, "-m", "server.cli", "campaign", "run-local", str(path)]
    command += ["--jobs", "1", "--out", str(directory / "run")]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    with (directory / "said.txt").open("ab") as said:
        process = subprocess.Popen(
            command, env={**os.environ, **threads}, stdout=said, stderr=subprocess.STDOUT, cwd=ROOT
        )
        code, usage = _wait(process, limit)
    return code, usage.ru_utime + usage.ru_stime, time.monotonic() - began


def _wait(process: subprocess.Popen[bytes], limit: float) -> tuple[int, Any]:
    """Wait for a process, and end it at the limit as Ctrl-C does."""
    end, ended = time.monotonic() + limit, False
    while True:
        try:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            pid, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            return 130, usage
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return (UNFINISHED if ended else process.returncode), usage
        if time.monotonic() > end and not ended:
            process.send_signal(signal.SIGINT)
            ended = True
        time.sleep(0.2)


def _outcome(system: System, directory: Path, code: int, spent: Mapping[str, float]) -> Outcome:
    product = directory / "run" / "product"
    lines = (directory / "said.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    numbers: dict[str, Any] = {
        "sampled": None,
        "described": None,
        "informative": None,
        "reasons": (),
        "n_call": 0,
        "n_unit": 0,
        "ranks": {},
        "quantiles": {},
        "errors": {},
        "log_z": None,
        "log_z_error": None,
    }
    if (product / "summary.json").exists():
        numbers |= look(system, product)
    if code:
        numbers["sampled"] = False
    return Outcome(
        kind=system.kind.name,
        seed=system.seed,
        code=code,
        said=said if code else "",
        cpu=round(spent["cpu"], 2),
        wall=round(spent["wall"], 2),
        **numbers,
    )
