"""Outputs of preparations that are kept, each in a directory named by its unit's digest.

A unit states everything that its output depends on: settings, table, seed, and the version of the
app. So a kept output is used again by whoever asks for the same unit, whatever else the campaign's
file says. The directory is a slot, too: a preparation that was interrupted goes on there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.runtime.checkpoint import CHECKPOINT_FILE
from boinc_project import application
from boinc_project.unit import Unit, file_digest, seal
from server.services.files import write_durably

PROJECT_DIRECTORY = "preparations"
"""Below a project's directory."""
CACHE_DIRECTORY = Path("openastro-at-home") / "preparations"
"""Below the user's directory for caches; all of it may be deleted."""

# Characters of the unit's digest that name a directory: 2^80 of them.
_NAME = 20
_DIGEST, _LOCK, _DAMAGED = "output.sha256", "preparing.lock", "damaged"

Says = Callable[[str], None]


def directory_of(project: Path | None, environment: Mapping[str, str]) -> Path:
    """Return where preparations are kept.

    Parameters
    ----------
    project : Path | None
        The directory of a project, if there is one.
    environment : Mapping[str, str]
        ``XDG_CACHE_HOME`` and ``HOME`` in it name the cache of somebody without a project.
    """
    if project is not None and os.access(project, os.W_OK):
        return project / PROJECT_DIRECTORY
    cache = environment.get("XDG_CACHE_HOME", "")
    # By the XDG specification, a relative path there is to be ignored.
    root = Path(cache) if cache.startswith("/") else Path.home() / ".cache"
    return root / CACHE_DIRECTORY


@dataclass(frozen=True, slots=True)
class Kept:
    """Preparations below one directory.

    Attributes
    ----------
    root : Path
        Made when something is kept.
    says : Callable
        Told, in one sentence each, of what is unusual.
    """

    root: Path
    says: Says

    def slot(self, unit: Unit) -> Path:
        """Return where a unit is computed and kept."""
        return self.root / unit.digest[:_NAME]

    def output(self, unit: Unit) -> Path | None:
        """Return the output of a unit if it is kept whole; None if it is to be computed.

        One that is damaged is told, and set aside.
        """
        path = self._output(unit)
        if not path.exists():
            return None
        reason = self._complaint(unit, path)
        if not reason:
            return self._sealed(unit, path)
        aside = path.with_name(f"{path.name}.{_DAMAGED}")
        path.replace(aside)
        self._digest(unit).unlink(missing_ok=True)
        self.says(
            f"The kept preparation cannot be used: {reason} It is set aside as {aside}, and made "
            "anew."
        )
        return None

    def keep(self, unit: Unit) -> Path | None:
        """Keep the output that was computed in the unit's slot; None if it does not pass."""
        path = self._output(unit)
        if not path.exists() or self._judged(unit, path):
            return self.output(unit)
        return self._sealed(unit, path)

    def begin(self, unit: Unit, files: Mapping[str, bytes | Path]) -> Path:
        """Lay the unit's inputs into its slot, where a checkpoint may lie; return the slot."""
        slot = self.slot(unit)
        seal(unit, files, slot)
        return slot

    def forget(self, unit: Unit) -> None:
        """Remove the output of a unit and its checkpoints; who holds the lock may do so."""
        for path in self.slot(unit).iterdir():
            if path.name != _LOCK:
                path.unlink() if path.is_file() else shutil.rmtree(path)

    @contextmanager
    def alone(self, unit: Unit) -> Iterator[None]:
        """Wait until no other process prepares the same; the system ends what a dead one holds."""
        self.slot(unit).mkdir(parents=True, exist_ok=True)
        with (self.slot(unit) / _LOCK).open("a+b") as stream:
            try:
                fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                self.says("Another process prepares the same campaign: waiting for it.")
                fcntl.lockf(stream, fcntl.LOCK_EX)
            yield

    def _sealed(self, unit: Unit, path: Path) -> Path:
        """Write the digest of an output that passed, if that is not done; return the output."""
        if not self._digest(unit).exists():
            write_durably(self._digest(unit), file_digest(path).encode("ascii"))
            for checkpoint in self.slot(unit).glob(f"{CHECKPOINT_FILE}*"):
                checkpoint.unlink(missing_ok=True)
        return path

    def _output(self, unit: Unit) -> Path:
        return self.slot(unit) / application.get(unit.app).output_file

    def _digest(self, unit: Unit) -> Path:
        return self.slot(unit) / _DIGEST

    def _complaint(self, unit: Unit, path: Path) -> str:
        """Return why an output is not to be used; empty if it is whole."""
        try:
            stated = self._digest(unit).read_text(encoding="ascii")
        except FileNotFoundError:
            # Whoever computed it died before it could be kept.
            return self._judged(unit, path)
        except (OSError, ValueError):
            return "its digest cannot be read."
        if stated != file_digest(path):
            return "its bytes have changed."
        return ""

    def _judged(self, unit: Unit, path: Path) -> str:
        """Return what the validator says against an output; empty if nothing."""
        inputs = {name: self.slot(unit) / name for name in unit.inputs}
        verdict = application.get(unit.app).judging().check(unit, path, inputs)
        return "" if verdict.is_valid else verdict.reason
