"""``python -m apps.volunteer``: our own small client, for computers without the stock one."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from apps.volunteer.backoff import Backoff
from apps.volunteer.client import Client
from apps.volunteer.options import Options
from apps.volunteer.state import State, load_state
from apps.volunteer.urls import canonical_master_url
from boinc_project.errors import ConfigError, OpenAstroError

LOCK_FILE = "lockfile"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the client until it is told to stop; return the exit status."""
    given = _parse(arguments)
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        given.dir.mkdir(parents=True, exist_ok=True)
        with (given.dir / LOCK_FILE).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"Another client works in {given.dir}: stop it, or name another directory.",
                    directory=given.dir,
                ) from None
            state = attach(given.dir, given.url, given.key)
            Client(state, _options(given)).run(stopping)
    except OpenAstroError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{given.dir} cannot be used: {error}.\n")
        return 1
    return 0


def attach(directory: Path, url: str, key: str) -> State:
    """Return the state kept in `directory`, or a new one.

    Raises
    ------
    ConfigError
        If the address is not one, or the directory belongs to another project.
    """
    master_url = canonical_master_url(url)
    state = load_state(directory)
    if state is None:
        return State(master_url, key, host_cpid=secrets.token_hex(16))
    if state.master_url != master_url:
        raise ConfigError(
            f"{directory} is attached to {state.master_url}; name another directory for "
            f"{master_url}.",
            directory=directory,
        )
    state.authenticator = key
    return state


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m apps.volunteer", description="A small BOINC client for one project."
    )
    parser.add_argument("--url", required=True, help="address of the project")
    parser.add_argument("--key", required=True, help="account key, from your account's page")
    parser.add_argument("--dir", required=True, type=Path, help="where everything is kept")
    parser.add_argument("--ncpus", type=int, default=os.cpu_count() or 1, help="tasks at once")
    parser.add_argument("--spare", type=int, default=1, help="tasks kept ready beyond these")
    parser.add_argument("--host-name", default="", help="name shown on your pages")
    parser.add_argument(
        "--exit-when-idle", action="store_true", help="end when the project has no more work"
    )
    parser.add_argument(
        "--backoff", type=float, default=60.0, help="seconds after a first failed request"
    )
    parser.add_argument("--transfer-backoff", type=float, default=120.0, help="the same for files")
    parser.add_argument(
        "--checkpoint-period", type=float, default=60.0, help="seconds between two checkpoints"
    )
    parser.add_argument("--nice", type=int, default=19, help="niceness of apps, 0 to 19")
    return parser.parse_args(arguments)


def _options(given: argparse.Namespace) -> Options:
    return Options(
        directory=given.dir,
        ncpus=max(given.ncpus, 1),
        spare=max(given.spare, 0),
        host_name=given.host_name,
        exit_when_idle=given.exit_when_idle,
        checkpoint_period=given.checkpoint_period,
        niceness=min(max(given.nice, 0), 19),
        rpc_backoff=Backoff(given.backoff),
        transfer_backoff=Backoff(given.transfer_backoff, 6 * 3600.0),
    )


if __name__ == "__main__":
    sys.exit(main())
