"""App, client and server are killed at random moments; the output does not show it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from apps.volunteer.stock_client import StockClient
from boinc_project.errors import TransientError
from boinc_project.states import Outcome
from boinc_project.unit import parse_unit
from server.demo.live_project import LiveProject
from server.models import Result
from tests.e2e.client.outside import all_over, uploaded

pytestmark = [
    pytest.mark.client,
    pytest.mark.frozen,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

CHAINS = "tiny_g0_u000"
"""The workunit of chains; the other one is the second opinion."""


def _undisturbed(project: LiveProject, apps: Path, workunit: str, slot: Path) -> bytes:
    """Compute a unit of the project by the frozen app alone, without a client."""
    slot.mkdir(parents=True)
    (unit,) = (
        path
        for path in (project.directory / "download").rglob("unit_*.json")
        if parse_unit(path.read_bytes()).name == workunit
    )
    (slot / "unit.json").write_bytes(unit.read_bytes())
    table = next((project.directory / "download").rglob("transits_*.csv"))
    (slot / "transits.csv").write_bytes(table.read_bytes())
    with tarfile.open(next(apps.rglob("ttv_mcmc_*.tar.gz"))) as archive:
        archive.extractall(slot / "app", filter="data")
    program = next(path for path in (slot / "app").rglob("ttv_mcmc") if path.is_file())
    subprocess.run([program], cwd=slot, check=True, capture_output=True)
    return (slot / "output.h5").read_bytes()


def test_a_killed_client_is_gone_whatever_its_clock(
    new_client: Callable[..., StockClient],
) -> None:
    """Else none of the kills below is one: two clients would share a directory."""
    for speed in (1, 8):
        client = new_client(f"clock-{speed}", speed=speed)
        client.start()
        client.wait_ready()
        client.kill()
        assert not _processes_in(client.directory)
        client.start()
        client.wait_ready()
        client.kill_all()
        assert not _processes_in(client.directory)


def _processes_in(directory: Path) -> list[str]:
    """Return the command lines of living processes that name a directory."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_text().split("\0")
            if str(directory) in words:
                lines.append(" ".join(words))
    return lines


@pytest.mark.parametrize("seed", [1, 2])
def test_kills_leave_no_trace_in_the_output(
    seed: int,
    project: LiveProject,
    new_client: Callable[..., StockClient],
    write_campaign: Callable[..., Path],
    results: Callable[[], list[Result]],
    frozen_apps: Path,
    tmp_path: Path,
) -> None:
    project.issue(write_campaign(units=1, quorum=1, n_step=1200))
    client = new_client()
    client.start(attach_key=project.create_account("Ann", "ann@example.org", "correct horse"))
    # Not before there is something to lose: a task that was only begun begins again, unharmed.
    client.wait(
        lambda: any(
            task.checkpoint_cpu_time > 0 for task in client.tasks() if task.name.startswith(CHAINS)
        ),
        timeout=180,
    )

    killed: list[int] = []

    def kill_app() -> None:
        for pid in client.app_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    def kill_client() -> None:
        client.kill()
        client.start()

    def kill_server() -> None:
        project.kill()
        project.start()

    rng = np.random.default_rng(seed)
    # The app first: a server takes seconds to come back, in which a short unit may be computed.
    client.wait(client.app_pids, timeout=30)
    kill_app()
    assert killed
    others = [kill_client, kill_server, kill_app, kill_server]
    for kill in rng.permutation(np.array(others, dtype=object)):
        time.sleep(float(rng.uniform(0.3, 1.5)))
        kill()

    def finished() -> bool:
        with contextlib.suppress(TransientError):
            client.update()
        return all_over(results())

    client.wait(finished, timeout=300)
    outputs = {result.name.rpartition("_")[0]: result for result in results()}
    assert [result.outcome for result in results()] == [Outcome.SUCCESS] * 2
    # Or the kills came before there was anything to lose, and the bytes would prove nothing.
    assert "Resumed after step" in outputs[CHAINS].stderr_out
    for workunit, result in outputs.items():
        expected = _undisturbed(project, frozen_apps, workunit, tmp_path / "alone" / workunit)
        assert uploaded(project, result).read_bytes() == expected, workunit
