"""A worker process of the local pool: computes one unit in its slot, and says how far it is.

``python -m server.executors.worker APP SLOT``. It is the app itself, run from source with the
stand-alone runtime; only its progress goes to standard output, one fraction a line. When nobody
reads that any more (the pool was killed), it leaves as if it had been asked to quit.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from apps.main import exit_status
from apps.runtime.errors import AbortRequested, QuitRequested, SlotBusy
from apps.runtime.init_data import InitData
from apps.runtime.lock import lock_slot
from apps.runtime.runtime import Runtime, Time
from boinc_project import application
from boinc_project.errors import OpenAstroError, UnitError
from boinc_project.states import ExitStatus
from boinc_project.unit import UNIT_FILE, open_unit, parse_unit

REPORT_PERIOD = 0.5
"""Seconds between two lines of progress: what a person's eye follows."""
LOCK_WAIT = 5.0
"""Seconds to wait for a worker of an interrupted pool to write its last checkpoint."""
QUIT_STATUS = 3
"""Asked to leave before the end; the slot's checkpoint remains."""


class ReportingRuntime(Runtime):
    """The stand-alone runtime, with progress on standard output."""

    _next_report = 0.0

    def set_fraction_done(self, fraction: float) -> None:
        """Say how much is done, at most twice a second."""
        super().set_fraction_done(fraction)
        now = time.monotonic()
        if now < self._next_report:
            return
        self._next_report = now + REPORT_PERIOD
        try:
            os.write(1, f"{fraction:.4f}\n".encode())
        except BrokenPipeError:
            raise QuitRequested("nobody waits for this unit any more") from None


def compute(app_name: str, slot: Path) -> None:
    """Compute the unit that lies in `slot`, from its last checkpoint if there is one."""
    app = application.get(app_name)
    lock = lock_slot(slot, wait=LOCK_WAIT, clock=time.monotonic, sleep=time.sleep)
    runtime = ReportingRuntime(
        slot,
        lock=lock,
        channels=None,
        init_data=InitData(),
        checkpoint_period=None,
        time=Time(),
    )
    with runtime:
        runtime.catch_signals()
        named = parse_unit((slot / UNIT_FILE).read_bytes())
        inputs = {name: slot / name for name in (UNIT_FILE, *named.inputs)}
        unit = open_unit(inputs)
        if unit.app != app.name or unit.min_app_version > app.version:
            raise UnitError(
                f"The unit needs {unit.app} {unit.min_app_version}; this is {app.name} "
                f"{app.version}."
            )
        app.compute(unit, inputs, slot / app.output_file, runtime)


def main(arguments: list[str]) -> int:
    """Run the worker; return its exit status, after one sentence on stderr if it failed."""
    app_name, slot = arguments
    try:
        compute(app_name, Path(slot))
    except (QuitRequested, AbortRequested):
        return QUIT_STATUS
    except SlotBusy:
        sys.stderr.write(f"Another process is computing in {slot}.\n")
        return QUIT_STATUS
    except Exception as error:  # noqa: BLE001 - the boundary: every error has its exit status
        sentence = error.message if isinstance(error, OpenAstroError) else repr(error)
        sys.stderr.write(f"{sentence}\n")
        return int(exit_status(error))
    return int(ExitStatus.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
