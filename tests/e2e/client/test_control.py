"""A volunteer suspends, resumes, quits, restarts and aborts, and the app obeys."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.volunteer.stock_client import StockClient, Task
from boinc_project.states import ClientState, ExitStatus, Outcome
from server.demo.live_project import LiveProject
from server.models import Result

pytestmark = [
    pytest.mark.client,
    pytest.mark.frozen,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


@pytest.fixture
def running(
    project: LiveProject,
    new_client: Callable[..., StockClient],
    write_campaign: Callable[..., Path],
) -> StockClient:
    """Return a client that computes a task of about half a minute."""
    project.issue(write_campaign(units=1, quorum=1, n_step=4000))
    client = new_client()
    client.start(attach_key=project.create_account("Ann", "ann@example.org", "correct horse"))
    client.wait(lambda: _task(client).fraction_done > 0, timeout=60)
    return client


def _task(client: StockClient) -> Task:
    tasks = client.tasks()
    return tasks[0] if tasks else Task("", "", "", 0.0, 0.0, 0.0, 0)


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_suspend_and_resume_in_memory(running: StockClient) -> None:
    task = _task(running)
    running.task(task.name, "suspend")
    running.wait(lambda: _task(running).active_state == "SUSPENDED", timeout=10)
    time.sleep(0.5)  # the app polls between two likelihoods, and its status thread each 0.1 s
    before = _cpu_ticks(task.pid)
    time.sleep(2.0)
    # 2 s of computing would be 200 ticks; listening for <resume/> costs a few.
    assert _cpu_ticks(task.pid) - before < 20
    fraction = _task(running).fraction_done

    running.task(task.name, "resume")
    running.wait(lambda: _task(running).fraction_done > fraction, timeout=20)
    assert _task(running).pid == task.pid


def test_quit_and_restart_resumes_from_the_checkpoint(running: StockClient) -> None:
    running.wait(lambda: _task(running).checkpoint_cpu_time > 0, timeout=30)
    before = _task(running)
    running.quit()
    assert not Path(f"/proc/{before.pid}").exists()

    def stderr() -> str:
        return next((running.directory / "slots").glob("*/stderr.txt")).read_text()

    running.start()
    running.wait(lambda: "Resumed after step" in stderr(), timeout=60)
    running.wait(lambda: _task(running).fraction_done > before.fraction_done, timeout=60)
    assert _task(running).cpu_time >= before.checkpoint_cpu_time


def test_abort_is_reported_as_the_volunteers_wish(
    running: StockClient, results: Callable[[], list[Result]]
) -> None:
    task = _task(running)
    running.task(task.name, "abort")
    running.wait(lambda: not Path(f"/proc/{task.pid}").exists(), timeout=20)

    def reported() -> bool:
        running.update()
        return results()[0].outcome != Outcome.INIT

    running.wait(reported, timeout=60)
    result = results()[0]
    assert result.outcome == Outcome.CLIENT_ERROR
    assert result.client_state == ClientState.ABORTED
    assert result.exit_status == ExitStatus.ABORTED_VIA_GUI
