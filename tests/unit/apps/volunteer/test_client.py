"""The small client against a project on loopback: work, faults, restarts, refusals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apps.volunteer.state import load_state, save_state
from boinc_project.protocol.request import ReportedResult
from boinc_project.states import ClientState, ExitStatus

if TYPE_CHECKING:
    from tests.unit.apps.volunteer.conftest import Project

ROOT = Path(__file__).resolve().parents[4]
PATIENCE = 60.0


def start(project: Project, directory: Path, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "apps.volunteer", "--url", project.url, "--key", "a" * 32]
    command += ["--dir", str(directory), "--ncpus", "1", "--backoff", "0.1"]
    command += ["--transfer-backoff", "0.1", "--checkpoint-period", "0.05", "--nice", "0"]
    return subprocess.Popen(
        [*command, *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def run(project: Project, directory: Path, *flags: str) -> str:
    with start(project, directory, "--exit-when-idle", *flags) as process:
        try:
            said = process.communicate(timeout=PATIENCE)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail(str(process.communicate()[0]))
    assert process.returncode == 0, said
    return said


def reported(project: Project) -> list[ReportedResult]:
    return [result for request in project.requests for result in request.results]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "volunteer"


def test_a_job_is_fetched_computed_uploaded_and_reported(project: Project, data: Path) -> None:
    project.jobs = ["wu1", "wu2"]
    run(project, data, "--host-name", "ada")
    results = {result.name: result for result in reported(project)}
    assert set(results) == {"wu1_0", "wu2_0"}
    for name, result in results.items():
        assert result.success
        assert result.app_version_num == 100
        assert result.cpu_time > 0.0
        assert "tiny 100 on x86_64-pc-linux-gnu" in result.stderr
        output = project.uploads[f"{name}_r1_0"]
        assert output.startswith(f"numbers of {name[:-2]} ".encode())
    first, *others = project.requests
    assert (first.hostid, first.rpc_seqno, first.code_sign_key) == (0, 0, "")
    assert {request.hostid for request in others} == {42}
    assert [request.rpc_seqno for request in others] == list(range(len(others)))
    assert others[0].code_sign_key == project.key.public.to_text().strip()
    assert first.host.domain_name == "ada"
    # Nothing is left of the tasks; the app stays for the next one.
    assert list((data / "slots").iterdir()) == []
    left = [path.name for path in next((data / "projects").iterdir()).iterdir()]
    assert left == ["tiny_app_100_x86_64-pc-linux-gnu"]


def test_every_fault_of_the_network_is_survived(project: Project, data: Path) -> None:
    project.jobs = ["wu1"]
    project.faults = {
        "master": ["500"],
        "sched": ["500", "cut"],
        "download": ["500", "cut", "cut", "", "500"],
        "upload": ["cut", ""],
    }
    run(project, data)
    assert [result.success for result in reported(project)] == [True]
    assert all(left == [] for left in project.faults.values())
    assert any(asked.startswith("bytes=") for asked in project.ranges)  # went on where it was cut
    assert len(project.offsets) == 2
    assert project.offsets[1] > 0


def test_a_large_output_asks_before_it_is_sent(project: Project, data: Path) -> None:
    project.program = (
        "#!/bin/sh\nf=$(sed 's/<[^>]*>//g' output.h5)\nhead -c 20000 /dev/zero >$f\n"
        "echo 0 >boinc_finish_called\n"
    )
    project.jobs = ["wu1"]
    project.uploads["wu1_0_r1_0"] = bytes(5000)
    run(project, data)
    assert project.offsets == [5000]
    assert project.uploads["wu1_0_r1_0"] == bytes(20000)


@pytest.mark.parametrize(
    ("signature", "sentence"),
    [("", "is not signed"), ("00" * 128 + "\n.\n", "signature of the application file")],
)
def test_an_app_without_a_good_signature_never_runs(
    project: Project, data: Path, signature: str, sentence: str
) -> None:
    project.jobs = ["wu1"]
    project.app_signature = signature
    run(project, data)
    (result,) = reported(project)
    assert (result.state, result.exit_status) == (ClientState.FILES_DOWNLOADING, -186)
    assert sentence in result.stderr
    assert project.uploads == {}


def test_a_missing_input_is_reported(project: Project, data: Path) -> None:
    project.jobs = ["wu1"]
    project.faults = {"download": ["404"]}
    run(project, data)
    (result,) = reported(project)
    assert (result.state, result.exit_status) == (ClientState.FILES_DOWNLOADING, -186)
    assert "-224" in result.stderr


def test_a_failing_app_is_reported_with_its_words(project: Project, data: Path) -> None:
    project.jobs = ["wu1"]
    project.settings = {"n_step": 20, "misbehave": "unsupported"}
    run(project, data)
    (result,) = reported(project)
    assert result.state is ClientState.COMPUTE_ERROR
    assert result.exit_status == ExitStatus.UNSUPPORTED_UNIT
    assert "a sampler that is not here" in result.stderr


def test_an_output_over_its_limit_is_not_uploaded(project: Project, data: Path) -> None:
    project.jobs = ["wu1"]
    project.max_nbytes = 10
    run(project, data)
    (result,) = reported(project)
    assert (result.state, result.exit_status) == (ClientState.COMPUTE_ERROR, -131)
    assert project.uploads == {}


def test_a_refused_upload_is_given_up(project: Project, data: Path) -> None:
    project.jobs = ["wu1"]
    project.faults = {"upload": ["refuse"]}
    run(project, data)
    (result,) = reported(project)
    assert result.state is ClientState.UPLOAD_FAILED


def test_a_task_the_project_takes_back_is_aborted(project: Project, data: Path) -> None:
    project.jobs = ["wu1"]
    project.settings = {"n_step": 10**9}
    with start(project, data, "--exit-when-idle") as process:
        until(lambda: list((data / "slots").glob("*/checkpoint.bin")))
        project.aborts = ["wu1_0"]
        assert process.wait(PATIENCE) == 0
        process.communicate()
    (result,) = reported(project)
    assert result.state is ClientState.ABORTED
    assert result.exit_status == ExitStatus.ABORTED_BY_PROJECT
    assert "Aborted." in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_client_that_ends_goes_on_later(project: Project, data: Path, number: int) -> None:
    project.jobs = ["wu1"]
    project.settings = {"n_step": 60_000}
    with start(project, data) as process:
        until(lambda: list((data / "slots").glob("*/checkpoint.bin")))
        process.send_signal(number)
        process.communicate()
    if number == signal.SIGTERM:
        assert process.returncode == 0
    state = load_state(data)
    assert state is not None
    assert state.hostid == 42
    run(project, data)
    (result,) = reported(project)
    assert result.success
    starts = [line for line in result.stderr.splitlines() if line.startswith("starting at step")]
    assert len(starts) == 2
    assert starts[1] != "starting at step 0"
    assert len({request.hostid for request in project.requests[1:]}) == 1


def test_a_killed_app_is_started_again(project: Project, data: Path) -> None:
    project.jobs = ["wu1"]
    project.settings = {"n_step": 60_000}
    with start(project, data, "--exit-when-idle") as process:
        until(lambda: list((data / "slots").glob("*/checkpoint.bin")))
        (pid,) = children(process.pid)
        os.kill(pid, signal.SIGKILL)
        assert process.wait(PATIENCE) == 0
        process.communicate()
    (result,) = reported(project)
    assert result.success
    assert result.stderr.count("starting at step") == 2


def test_an_app_changed_between_two_runs_is_fetched_again(project: Project, data: Path) -> None:
    project.jobs = ["wu1"]
    run(project, data)
    app = next((data / "projects").glob("*/tiny_app_100*"))
    app.write_text("#!/bin/sh\necho 0 >boinc_finish_called\n", encoding="ascii")
    project.jobs = ["wu2"]
    run(project, data)
    assert [result.success for result in reported(project)] == [True, True]
    assert app.read_text("ascii") == project.program


def test_a_task_without_end_is_stopped(project: Project, data: Path) -> None:
    project.jobs = ["wu1"]
    project.settings = {"n_step": 10**9}
    with start(project, data) as process:
        until(lambda: list((data / "slots").glob("*/checkpoint.bin")))
        process.terminate()
        process.communicate()
    state = load_state(data)
    assert state is not None
    state.tasks["wu1_0"].elapsed_time = 1e6 + 1.0  # rsc_fpops_bound / flops
    save_state(state, data)
    run(project, data)
    (result,) = reported(project)
    assert (result.state, result.exit_status) == (ClientState.ABORTED, 197)


def test_request_delay_is_obeyed(project: Project, data: Path) -> None:
    project.request_delay = 3600.0
    with start(project, data) as process:
        until(lambda: project.requests)
        time.sleep(1.5)  # several rounds of the client's loop
        process.terminate()
        process.communicate()
    assert len(project.requests) == 1


def test_a_second_client_in_the_directory_is_refused(project: Project, data: Path) -> None:
    project.request_delay = 3600.0
    with start(project, data) as process:
        until(lambda: project.requests)
        with start(project, data) as second:
            said = second.communicate(timeout=PATIENCE)[0]
        assert second.returncode == 1
        assert said.startswith("Another client works in")
        process.terminate()
        process.communicate()


@pytest.mark.parametrize("url", ["http://localhost:1/", "ftp://a.b/", ""])
def test_an_odd_address_is_one_sentence(tmp_path: Path, url: str) -> None:
    command = [sys.executable, "-m", "apps.volunteer", "--key", "k", "--dir", str(tmp_path)]
    done = subprocess.run(
        [*command, "--url", url], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1
    assert "is not a project's address" in done.stderr
    assert "Traceback" not in done.stderr


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(word) for word in text.split()]
