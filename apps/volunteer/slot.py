"""The slot directory of a task: links, ``init_data.xml``, and what the app left there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from apps.runtime.finish import FINISH_FILE, TEMPORARY_EXIT_FILE
from apps.runtime.init_data import INIT_DATA_FILE
from apps.runtime.soft_link import link_text
from apps.volunteer.state import State, TaskState
from boinc_project.protocol.reply import AppVersionInfo, FileRef
from boinc_project.protocol.text import element

STDERR_FILE = "stderr.txt"
MAX_STDERR_BYTES = 63 * 1024


def prepare_slot(
    slot: Path, project: Path, state: State, task: TaskState, *, checkpoint_period: float
) -> None:
    """Make or refresh a task's slot; files that the app wrote earlier stay."""
    version = state.app_version(task)
    assert version is not None
    slot.mkdir(parents=True, exist_ok=True)
    for name in (FINISH_FILE, TEMPORARY_EXIT_FILE):
        (slot / name).unlink(missing_ok=True)
    refs = [*task.workunit.files, *task.result.files]
    refs += [ref for ref in version.files if not ref.main_program]
    for ref in refs:
        _link(slot, project, ref, is_output=ref in task.result.files)
    text = _init_data(slot, project, state, task, version, checkpoint_period)
    (slot / INIT_DATA_FILE).write_text(text, encoding="utf-8")


def collect_copied_outputs(slot: Path, project: Path, task: TaskState) -> None:
    """Move outputs that were written into the slot itself to where they are uploaded from."""
    for ref in task.result.files:
        if ref.copy_file and (slot / ref.open_name).is_file():
            (slot / ref.open_name).replace(project / ref.file_name)


def read_stderr(slot: Path) -> str:
    """Return the end of what the app wrote to stderr, over all its episodes."""
    try:
        with (slot / STDERR_FILE).open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - MAX_STDERR_BYTES))
            return stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def read_temporary_exit(slot: Path) -> tuple[float, str] | None:
    """Return the delay and reason of a temporary exit; None if the app did not ask for one."""
    try:
        lines = (slot / TEMPORARY_EXIT_FILE).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return None
    try:
        delay = float(lines[0])
    except (IndexError, ValueError):
        delay = 0.0
    return min(max(delay, 0.0), 86400.0), lines[1] if len(lines) > 1 else ""


def main_program(version: AppVersionInfo) -> str | None:
    """Return the file that is started; None if the project did not say."""
    return next((ref.file_name for ref in version.files if ref.main_program), None)


def _link(slot: Path, project: Path, ref: FileRef, *, is_output: bool) -> None:
    name = slot / (ref.open_name or ref.file_name)
    if not ref.copy_file:
        target = Path("..", "..", project.parent.name, project.name, ref.file_name)
        name.write_text(link_text(target.as_posix()), encoding="utf-8")
    elif not is_output and not name.exists():
        shutil.copy2(project / ref.file_name, name)


def _init_data(
    slot: Path,
    project: Path,
    state: State,
    task: TaskState,
    version: AppVersionInfo,
    checkpoint_period: float,
) -> str:
    # Not the account key: an app has no use for it.
    values = {
        "major_version": 7,
        "minor_version": 20,
        "release": 5,
        "app_version": version.version_num,
        "hostid": state.hostid,
        "app_name": version.app_name,
        "project_dir": project.resolve(),
        "boinc_dir": project.parent.parent.resolve(),
        "wu_name": task.workunit.name,
        "result_name": task.name,
        "shm_key": -1,
        "slot": slot.name,
        "client_pid": os.getpid(),
        "wu_cpu_time": task.checkpoint_cpu_time,
        "starting_elapsed_time": task.elapsed_time,
        "checkpoint_period": checkpoint_period,
        "fraction_done_start": 0.0,
        "fraction_done_end": 1.0,
        "ncpus": version.avg_ncpus,
        "rsc_fpops_est": task.workunit.rsc_fpops_est,
        "rsc_fpops_bound": task.workunit.rsc_fpops_bound,
        "rsc_memory_bound": task.workunit.rsc_memory_bound,
        "rsc_disk_bound": task.workunit.rsc_disk_bound,
        "computation_deadline": task.result.report_deadline,
    }
    inner = "".join(element(name, value) for name, value in values.items())
    return f"<app_init_data>\n{inner}</app_init_data>\n"
