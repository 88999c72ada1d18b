"""One process of an app in a slot, and the client's end of its channels."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from apps.runtime.channels import ChannelName, create_channels
from apps.runtime.finish import FINISH_FILE
from apps.runtime.init_data import INIT_DATA_FILE
from apps.runtime.status import Status, parse_status
from server.contract_kit.finding import KitError

CHECKPOINT_PERIOD = 0.1
"""CPU seconds between two checkpoints that the client asks for: a kill loses next to nothing."""
LOOK_PERIOD = 0.01
PATIENCE = 1800.0
"""Seconds until an app that does not do what is waited for is taken for stuck."""
STDERR_FILE = "stderr.txt"
_TICKS = os.sysconf("SC_CLK_TCK")


class Episode:
    """One process of an app.

    Parameters
    ----------
    computation : str
        ``module:Class`` of what is frozen.
    slot : Path
        Absolute; with a sealed unit, and perhaps a checkpoint.
    """

    def __init__(self, computation: str, slot: Path) -> None:
        self.slot = slot
        self.cpu = 0.0
        self.status = Status(0.0, 0.0, 0.0)
        text = (
            f"<app_init_data>\n<client_pid>{os.getpid()}</client_pid>\n"
            f"<checkpoint_period>{CHECKPOINT_PERIOD}</checkpoint_period>\n</app_init_data>\n"
        )
        (slot / INIT_DATA_FILE).write_text(text, encoding="ascii")
        self._channels = create_channels(slot)
        with (slot / STDERR_FILE).open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "apps.main", computation, "--slot", str(slot)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )

    def __enter__(self) -> Episode:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._channels.close()

    @property
    def is_over(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    @property
    def has_begun(self) -> bool:
        """Whether the app has opened its unit and computes."""
        return "\nunit " in (self.slot / STDERR_FILE).read_text("utf-8", errors="replace")

    @property
    def has_finished(self) -> bool:
        """Whether the app has said that it is done."""
        return (self.slot / FINISH_FILE).exists()

    @property
    def last_words(self) -> str:
        """Last line on standard error."""
        text = (self.slot / STDERR_FILE).read_text("utf-8", errors="replace")
        return text.strip().rpartition("\n")[2] or "it said nothing."

    def look(self) -> str:
        """Be the client for a moment; return the state of the process in the kernel's words."""
        self._channels.send(ChannelName.HEARTBEAT, "<heartbeat/>")
        text = self._channels.receive(ChannelName.APP_STATUS)
        if text is not None:
            self.status = parse_status(text)
        try:
            line = Path(f"/proc/{self._process.pid}/stat").read_text("ascii", errors="replace")
        except OSError:
            return "X"
        fields = line.rpartition(")")[2].split()
        self.cpu = (int(fields[11]) + int(fields[12])) / _TICKS
        return fields[0]

    def until(self, condition: Callable[[], bool]) -> bool:
        """Wait until a condition holds, or the process is over; tell whether it holds.

        Raises
        ------
        KitError
            If neither comes.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            self.look()
            if condition():
                return True
            if self.is_over:
                return condition()
            if time.monotonic() > deadline:
                raise KitError(f"The app is stuck: {self.last_words}")
            time.sleep(LOOK_PERIOD)

    def until_cpu(self, seconds: float) -> bool:
        """Wait until the process has used so much CPU; False if it was over before."""
        self.until(lambda: self.cpu >= seconds)
        return not self.is_over

    def until_over(self) -> int:
        """Wait for the end of the process; return its exit status."""
        self.until(lambda: self.is_over)
        return int(self._process.wait())

    def ask(self, request: str) -> None:
        """Ask for ``suspend``, ``resume``, ``quit`` or ``abort``."""
        name = ChannelName.PROCESS_CONTROL_REQUEST
        self.until(lambda: self._channels.send(name, f"<{request}/>"))

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self._process.kill()
        self._process.wait()
