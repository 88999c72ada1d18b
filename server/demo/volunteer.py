"""The demo's volunteers: the stock client where there is one, our own small client otherwise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from apps.volunteer.stock_client import StockClient, Task, find_stock_client
from server.demo.ports import free_port

BUFFER_DAYS = 0.002
"""Work kept ready, days: about three minutes, so that a client asks again before it runs dry and
does not wait on a transfer between two tasks."""


class Volunteer(ABC):
    """One volunteer's computer.

    Attributes
    ----------
    name : str
        Shown in the demo.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def start(self, key: str) -> None:
        """Start the client and attach it by the account key."""

    @abstractmethod
    def tasks(self) -> Sequence[Task]:
        """Return what the client shows of its tasks."""

    @abstractmethod
    def stop(self) -> None:
        """End the client and its tasks."""


class StockVolunteer(Volunteer):
    """A volunteer with the stock BOINC client."""

    def __init__(self, name: str, directory: Path, url: str) -> None:
        super().__init__(name)
        self._client = StockClient(
            directory, url, port=free_port(), ncpus=1, buffer_days=BUFFER_DAYS, checkpoint_s=10.0
        )

    def start(self, key: str) -> None:
        """Start the client and attach it by the account key."""
        self._client.start(attach_key=key)

    def tasks(self) -> Sequence[Task]:
        """Return what the client shows of its tasks."""
        return self._client.tasks()

    def stop(self) -> None:
        """End the client and its tasks."""
        for pid in self._client.app_pids():
            os.kill(pid, signal.SIGTERM)
        self._client.kill_all()


class OwnVolunteer(Volunteer):
    """A volunteer with our own small client."""

    def __init__(self, name: str, directory: Path, url: str) -> None:
        super().__init__(name)
        self._directory = directory
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, key: str) -> None:
        """Start the client and attach it by the account key."""
        self._directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "apps.volunteer", "--url", self._url, "--key", key]
        command += ["--dir", str(self._directory), "--ncpus", "1", "--host-name", self.name]
        with (self._directory / "client.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )

    def tasks(self) -> Sequence[Task]:
        """Return nothing: this client's progress shows on the project's pages only."""
        return ()

    def stop(self) -> None:
        """End the client and its tasks."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def make_volunteer(name: str, directory: Path, url: str, *, own_client: bool) -> Volunteer:
    """Return a volunteer with the stock client; with our own if asked for or none is there."""
    if own_client or find_stock_client() is None:
        return OwnVolunteer(name, directory, url)
    return StockVolunteer(name, directory, url)
