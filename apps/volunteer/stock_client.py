"""Drive a private instance of the stock BOINC client, headless.

Used by the demo and by the end-to-end tests. The instance has its own data directory and talks to
one project only; no service of the system is touched, and no other machine is contacted.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from boinc_project.errors import ConfigError, TransientError

CC_CONFIG = """<cc_config>
  <log_flags><task>1</task><file_xfer>1</file_xfer><sched_ops>1</sched_ops>
    <sched_op_debug>1</sched_op_debug><checkpoint_debug>1</checkpoint_debug></log_flags>
  <options>
    <allow_multiple_clients>1</allow_multiple_clients>
    <no_info_fetch>1</no_info_fetch>
    <dont_contact_ref_site>1</dont_contact_ref_site>
    <skip_cpu_benchmarks>1</skip_cpu_benchmarks>
    <report_results_immediately>1</report_results_immediately>
    <no_gpus>1</no_gpus>
    <suppress_net_info>1</suppress_net_info>
    <start_delay>0</start_delay>
    <no_priority_change>1</no_priority_change>
    <ncpus>{ncpus}</ncpus>
  </options>
</cc_config>
"""

PREFERENCES = """<global_preferences>
  <run_on_batteries>1</run_on_batteries><run_if_user_active>1</run_if_user_active>
  <suspend_cpu_usage>0</suspend_cpu_usage><cpu_usage_limit>100</cpu_usage_limit>
  <max_ncpus_pct>100</max_ncpus_pct>
  <work_buf_min_days>{buffer_days}</work_buf_min_days>
  <work_buf_additional_days>0</work_buf_additional_days>
  <disk_interval>{checkpoint_s}</disk_interval>
  <disk_max_used_gb>0</disk_max_used_gb><disk_max_used_pct>100</disk_max_used_pct>
  <disk_min_free_gb>0</disk_min_free_gb>
  <ram_max_used_busy_pct>100</ram_max_used_busy_pct>
  <ram_max_used_idle_pct>100</ram_max_used_idle_pct>
  <leave_apps_in_memory>{leave_in_memory:d}</leave_apps_in_memory>
</global_preferences>
"""


@dataclass(frozen=True, slots=True)
class Task:
    """One task as the client shows it (``boinccmd --get_tasks``)."""

    name: str
    state: str
    """``downloading``, ``downloaded``, ``uploading``, ``compute error``, ..."""
    active_state: str
    """``EXECUTING``, ``SUSPENDED``, ``UNINITIALIZED``; empty if it was never started."""
    fraction_done: float
    cpu_time: float
    checkpoint_cpu_time: float
    pid: int


def find_stock_client() -> str | None:
    """Return the path of the stock client, or None if it is not installed."""
    if shutil.which("boinccmd") is None:
        return None
    return shutil.which("boinc")


class StockClient:
    """One private instance of the stock client.

    Parameters
    ----------
    directory : Path
        Its data directory; made if missing.
    url : str
        Master URL of the project.
    port : int
        A free loopback port for its GUI RPC.
    ncpus : int
        Processors it may use.
    buffer_days, checkpoint_s, leave_in_memory
        The volunteer's preferences: work kept ready, seconds between checkpoints, and whether a
        suspended task stays in memory.
    speed : int
        How many times faster its clock runs (by ``faketime``); 1 is real time.
    """

    def __init__(
        self,
        directory: Path,
        url: str,
        *,
        port: int,
        ncpus: int = 1,
        buffer_days: float = 0.0,
        checkpoint_s: float = 1.0,
        leave_in_memory: bool = True,
        speed: int = 1,
    ) -> None:
        self.directory = directory.resolve()
        self.url = url
        self.port = port
        self.speed = speed
        self.process: subprocess.Popen[bytes] | None = None
        self._password = secrets.token_hex(8)
        self._write_configuration(
            CC_CONFIG.format(ncpus=ncpus),
            PREFERENCES.format(
                buffer_days=buffer_days, checkpoint_s=checkpoint_s, leave_in_memory=leave_in_memory
            ),
        )

    def _write_configuration(self, cc_config: str, preferences: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "cc_config.xml").write_text(cc_config)
        (self.directory / "global_prefs_override.xml").write_text(preferences)
        password = self.directory / "gui_rpc_auth.cfg"
        password.write_text(self._password + "\n")
        password.chmod(0o600)

    def start(self, *, attach_key: str | None = None, flags: Sequence[str] = ()) -> None:
        """Start the client, and attach it to the project if a key is given.

        Raises
        ------
        ConfigError
            If no stock client is installed.
        """
        program = find_stock_client()
        if program is None:
            raise ConfigError("The stock BOINC client is not installed (package boinc-client).")
        command = ["faketime", "-f", f"+0 x{self.speed}"] if self.speed > 1 else []
        command += [program, "--dir", str(self.directory), "--allow_multiple_clients"]
        command += ["--gui_rpc_port", str(self.port)]
        # Short retries: a failure test should not wait the minutes that a volunteer's client does.
        command += ["--sched_retry_delay_min", "1", "--sched_retry_delay_max", "4"]
        command += ["--pers_retry_delay_min", "1", "--pers_retry_delay_max", "4", *flags]
        if attach_key is not None:
            command += ["--attach_project", self.url, attach_key]
        proxies = {"http_proxy", "https_proxy", "all_proxy"}
        environment = {k: v for k, v in os.environ.items() if k.lower() not in proxies}
        with (self.directory / "client.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )

    def command(self, *arguments: str, check: bool = True) -> str:
        """Run one ``boinccmd`` command and return what it printed.

        Raises
        ------
        TransientError
            If the client refused it or is not there.
        """
        done = subprocess.run(
            [
                "boinccmd",
                "--host",
                f"localhost:{self.port}",
                "--passwd",
                self._password,
                *arguments,
            ],
            capture_output=True,
            text=True,
            cwd=self.directory,
            timeout=60,
            check=False,
        )
        if check and done.returncode != 0:
            raise TransientError(
                f"boinccmd {arguments[0]} failed: {(done.stdout + done.stderr).strip()}",
                status=done.returncode,
            )
        return done.stdout + done.stderr

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Wait until the client answers commands."""
        self.wait(self._answers, timeout)

    def _answers(self) -> bool:
        return "can't connect" not in self.command("--get_cc_status", check=False)

    def attach(self, key: str) -> None:
        """Attach to the project by its account key, as the Manager does."""
        self.command("--project_attach", self.url, key)

    def update(self) -> None:
        """Contact the project now, whatever the back-offs."""
        self.command("--project", self.url, "update")

    def task(self, name: str, operation: str) -> None:
        """``suspend``, ``resume`` or ``abort`` one task."""
        self.command("--task", self.url, name, operation)

    def tasks(self) -> list[Task]:
        """Return the client's tasks; none while it cannot be asked."""
        return parse_tasks(self.command("--get_tasks", check=False))

    def app_pids(self) -> list[int]:
        """Return the processes of running tasks."""
        return [task.pid for task in self.tasks() if task.pid]

    def wait(self, condition: Callable[[], object], timeout: float) -> None:
        """Wait until `condition` holds.

        Raises
        ------
        TransientError
            If it does not within `timeout` seconds; the message has the end of the client's log.
        """
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with contextlib.suppress(TransientError):
                if condition():
                    return
            time.sleep(0.1)
        raise TransientError(f"Waited {timeout:.0f} s in vain. The client says:\n{self.log()}")

    def log(self, size: int = 4000) -> str:
        """Return the end of what the client printed."""
        path = self.directory / "client.log"
        return path.read_text(errors="replace")[-size:] if path.exists() else ""

    @property
    def running(self) -> bool:
        """Whether the client's process is there."""
        return self.process is not None and self.process.poll() is None

    def quit(self, timeout: float = 90.0) -> None:
        """End the client cleanly and wait for it."""
        if self.process is None:
            return
        if self.running:
            self.command("--quit", check=False)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """Kill the client at once (SIGKILL); its tasks notice by themselves."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it has ended
                os.kill(self._pid(self.process.pid), signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _pid(self, started: int) -> int:
        """Return the process of the client itself: `faketime` is its parent, and waits for it."""
        if self.speed == 1:
            return started
        children = Path(f"/proc/{started}/task/{started}/children").read_text().split()
        return int(children[0]) if children else started

    def kill_all(self) -> None:
        """Kill the client and every process of its session: the end of a test or of the demo."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def parse_tasks(text: str) -> list[Task]:
    """Read the output of ``boinccmd --get_tasks``."""
    blocks = re.split(r"^\d+\) -+$", text.partition("== Tasks ==")[-1], flags=re.MULTILINE)[1:]
    return [_parse_task(block) for block in blocks]


def _parse_task(block: str) -> Task:
    fields = dict(re.findall(r"^ +([^:\n]+): (.*)$", block, flags=re.MULTILINE))
    return Task(
        name=fields.get("name", ""),
        state=fields.get("state", ""),
        active_state=fields.get("active_task_state", ""),
        fraction_done=float(fields.get("fraction done", 0.0)),
        cpu_time=float(fields.get("current CPU time", 0.0)),
        checkpoint_cpu_time=float(fields.get("CPU time at last checkpoint", 0.0)),
        pid=int(fields.get("PID", 0)),
    )
