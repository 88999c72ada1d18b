"""Slots and files: which are free, which are finished with, which are outputs."""

from __future__ import annotations

import shutil
from pathlib import Path

from apps.volunteer.scheduling import give_up
from apps.volunteer.slot import collect_copied_outputs
from apps.volunteer.state import State, TaskState
from apps.volunteer.transfers import describe_output
from boinc_project.protocol.reply import AppVersionInfo
from boinc_project.states import ClientState

ERR_FILE_MISSING = -161
ERR_FILE_TOO_BIG = -131


def free_slot(slots: Path, state: State) -> int:
    """Return the number of an unused slot, its directory empty or absent."""
    used = {task.slot for task in state.tasks.values()}
    number = next(number for number in range(len(used) + 1) if number not in used)
    shutil.rmtree(slots / str(number), ignore_errors=True)
    return number


def remove_slot(slots: Path, task: TaskState) -> None:
    """Empty the slot of a task that is not computed any more."""
    if task.slot is not None:
        shutil.rmtree(slots / str(task.slot), ignore_errors=True)
        task.slot = None


def collect_outputs(task: TaskState, slot: Path, project: Path) -> None:
    """Check the outputs of a finished task, and let them be uploaded."""
    collect_copied_outputs(slot, project, task)
    for upload in task.uploads:
        path = project / upload.info.name
        if not path.is_file():
            sentence = f"The output file {upload.info.name} is missing."
            give_up(task, ClientState.COMPUTE_ERROR, ERR_FILE_MISSING, sentence)
            return
        describe_output(upload, path)
        if upload.nbytes > upload.info.max_nbytes:
            sentence = (
                f"The output has {upload.nbytes} bytes; {upload.info.max_nbytes} are allowed."
            )
            give_up(task, ClientState.COMPUTE_ERROR, ERR_FILE_TOO_BIG, sentence)
            return
    task.state = ClientState.FILES_UPLOADING


def collect_garbage(state: State, project: Path) -> None:
    """Remove the files that no task and no current app version needs."""
    in_use = [state.app_version(task) for task in state.tasks.values()]
    state.app_versions = [
        version
        for version in state.app_versions
        if version in in_use or not _is_superseded(version, state.app_versions)
    ]
    needed = {ref.file_name for version in state.app_versions for ref in version.files}
    outputs = set()
    for task in state.tasks.values():
        needed |= {ref.file_name for ref in task.workunit.files}
        outputs |= {upload.info.name for upload in task.uploads}
    for name in [name for name in state.downloads if name not in needed]:
        del state.downloads[name]
    # Files only: the trees beside the archives are their launchers' business.
    keep = needed | {f"{name}.part" for name in needed} | outputs
    for path in project.iterdir():
        if path.is_file() and path.name not in keep:
            path.unlink()


def _is_superseded(version: AppVersionInfo, versions: list[AppVersionInfo]) -> bool:
    same = (version.app_name, version.platform, version.plan_class)
    return any(
        (other.app_name, other.platform, other.plan_class) == same
        and other.version_num > version.version_num
        for other in versions
    )
