"""The shared entry of all apps: from a slot with a sealed unit to an exit status.

``python -m apps.main ttv_mcmc --slot DIR`` runs an installed app; a frozen app calls `main` with
``module:Class`` of its own.
Everything that can go wrong ends here, as one plain sentence on stderr (which travels to the
server with the report) and an exit status of `boinc_project.states.ExitStatus`.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
import traceback
from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from apps.runtime.errors import (
    AbortRequested,
    AppFilesError,
    QuitRequested,
    SlotBusy,
    UnsupportedUnit,
)
from apps.runtime.finish import write_temporary_exit
from apps.runtime.runtime import Runtime, open_runtime
from apps.runtime.self_check import own_digest
from boinc_project.computation import ENTRY_POINTS, Computation
from boinc_project.errors import (
    ConfigError,
    InputError,
    OpenAstroError,
    TransientError,
    UnitError,
)
from boinc_project.states import ExitStatus

if TYPE_CHECKING:
    from boinc_project.unit import Unit

UNIT_FILE = "unit.json"
BUSY_DELAY = 600.0
"""Seconds until the client tries again when another copy holds the slot, as BOINC's API asks."""
TRANSIENT_DELAY = 600.0
"""The same after a full disk or another obstacle that passes."""
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def main(app: Computation | str, argv: Sequence[str] | None = None) -> NoReturn:
    """Run an app and end the process.

    Parameters
    ----------
    app : Computation | str
        The app, or ``module:Class`` of it. By name it is imported only after the number of threads
        is set: numerical libraries read that once, when they are loaded.
    argv : Sequence[str] | None
        Arguments after the program's name; None: those of the process.

    Raises
    ------
    SystemExit
        Always.
    """
    _book_one_thread(os.environ)
    sys.stderr.reconfigure(  # type: ignore[union-attr]
        encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
    app = load(app) if isinstance(app, str) else app
    options = _options(app, argv)
    if options.version:
        _show_version(app)
    _run_in_slot(app, options.slot)


def installed(name: str) -> str:
    """Return ``module:Class`` of an installed app; what is not installed is taken as that already.

    A frozen app asks for none, and has none.
    """
    from importlib.metadata import entry_points

    entries = {entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS)}
    return entries.get(name, name)


def load(path: str) -> Computation:
    """Return the app at ``module:Class``.

    Raises
    ------
    ConfigError
        If there is none.
    """
    module, _, name = path.partition(":")
    made = getattr(importlib.import_module(module), name, None)
    if not (isinstance(made, type) and issubclass(made, Computation)):
        raise ConfigError(f"{path} is no app.")
    return made()


def _options(app: Computation, argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=app.name, allow_abbrev=False)
    parser.add_argument("--slot", type=Path, default=Path(), help="directory to work in")
    parser.add_argument(
        "--version", action="store_true", help="check the app's own files, say what it is, and end"
    )
    return parser.parse_args(argv)


def _run_in_slot(app: Computation, slot: Path) -> NoReturn:
    try:
        runtime = open_runtime(slot, catch_signals=True)
    except SlotBusy as error:
        _say(error.message)
        write_temporary_exit(slot, BUSY_DELAY, error.message)
        sys.exit(int(ExitStatus.OK))
    with runtime:
        try:
            _compute(app, runtime)
        except QuitRequested as request:
            _say(f"Leaving ({request}); the work goes on from the last checkpoint.")
            sys.exit(int(ExitStatus.OK))
        except AbortRequested:
            _say("Aborted.")
            sys.exit(int(ExitStatus.ABORTED_BY_CLIENT))
        except Exception as error:  # noqa: BLE001 - the boundary: every error has its exit status
            _end_with(error, runtime)
        runtime.finish(ExitStatus.OK)


def _compute(app: Computation, runtime: Runtime) -> None:
    runtime.poll()  # a task may be started only to be suspended at once
    runtime.app_digest = own_digest()
    _say_app(app, runtime)
    unit, inputs = _open_unit(app, runtime)
    _say(f"unit {unit.name}, digest {unit.digest}")
    _say(f"seed {unit.campaign_seed}, branch {list(unit.seed.spawn_key)}")
    output = runtime.resolve(app.output_file)
    app.compute(unit, inputs, output, runtime)
    _sync(output)
    _say(f"Done after {runtime.cpu_time():.1f} s of CPU.")


def _open_unit(app: Computation, runtime: Runtime) -> tuple[Unit, dict[str, Path]]:
    # Not at the top: this imports numpy.
    from boinc_project.unit import open_unit, parse_unit

    path = runtime.resolve(UNIT_FILE)
    try:
        named = parse_unit(path.read_bytes())
    except FileNotFoundError:
        raise UnitError(f"There is no {UNIT_FILE} in {runtime.slot.resolve()}.") from None
    inputs = {name: runtime.resolve(name) for name in (UNIT_FILE, *named.inputs)}
    missing = [name for name, found in inputs.items() if not found.is_file()]
    if missing:
        raise UnitError(f"The input file {missing[0]} is missing.", name=missing[0])
    unit = open_unit(inputs)
    if unit.app != app.name:
        raise UnitError(f"The unit is for the app {unit.app}, not for {app.name}.")
    if unit.min_app_version > app.version:
        raise UnsupportedUnit(
            f"The unit needs {unit.app} {unit.min_app_version}; this is {app.version}."
        )
    return unit, inputs


def _end_with(error: Exception, runtime: Runtime) -> NoReturn:
    if isinstance(error, TransientError):
        _say(error.message)
        runtime.temporary_exit(TRANSIENT_DELAY, error.message)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        sentence = "The disk is full; the work goes on from the last checkpoint."
        _say(sentence)
        runtime.temporary_exit(TRANSIENT_DELAY, sentence)
    status = exit_status(error)
    if status is ExitStatus.INTERNAL:
        _say("".join(traceback.format_exception(error)).rstrip())
    sentence = error.message if isinstance(error, OpenAstroError) else f"{error!r}"
    _say(f"{status.name.lower().replace('_', ' ')}: {sentence}")
    runtime.finish(status, sentence)


def exit_status(error: Exception) -> ExitStatus:
    """Return the exit status of an error that no later attempt would cure."""
    if isinstance(error, UnitError | InputError):
        return ExitStatus.BAD_INPUT
    if isinstance(error, UnsupportedUnit | ConfigError):
        return ExitStatus.UNSUPPORTED_UNIT
    if isinstance(error, AppFilesError):
        return ExitStatus.BAD_APP_FILES
    return ExitStatus.INTERNAL


def _show_version(app: Computation) -> NoReturn:
    from apps.runtime.platforms import platform_name

    try:
        digest = own_digest()
    except AppFilesError as error:
        _say(error.message)
        sys.exit(int(ExitStatus.BAD_APP_FILES))
    sys.stdout.write(f"{app.name} {app.version} {platform_name()} {digest}\n")
    sys.exit(int(ExitStatus.OK))


def _say_app(app: Computation, runtime: Runtime) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    _say(f"{now} {app.name} {app.version} on {runtime.platform}")
    _say(f"app files {runtime.app_digest}")


def _sync(path: Path) -> None:
    """Get the output onto the disk before the client is told that it is complete."""
    try:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    except FileNotFoundError:
        raise OpenAstroError(f"The app ended without writing {path.name}.") from None


def _book_one_thread(environ: MutableMapping[str, str]) -> None:
    """Keep numerical libraries to the one processor that the client booked for the task."""
    for name in _THREAD_VARIABLES:
        environ[name] = "1"


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m apps.main APP [--slot DIR]")
    main(installed(sys.argv[1]), sys.argv[2:])
