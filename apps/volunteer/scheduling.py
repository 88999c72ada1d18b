"""One scheduler RPC, without the wire: from the client's state to a request, from a reply to it."""

from __future__ import annotations

import logging

from apps.runtime.platforms import platform_name
from apps.volunteer.backoff import Backoff
from apps.volunteer.state import Download, State, TaskState, Upload
from boinc_project.errors import OpenAstroError, SigningError
from boinc_project.fanout import check_file_name
from boinc_project.protocol.reply import DownloadFile, OutputFile, ResultInfo, SchedulerReply
from boinc_project.protocol.request import (
    HostInfo,
    ReportedResult,
    SchedulerRequest,
    TimeStats,
    WorkRequest,
)
from boinc_project.signing import parse_public_key, verify
from boinc_project.states import ClientState, ExitStatus

CLIENT_VERSION = (7, 20, 5)
"""The stock release whose protocol this client speaks."""
CLIENT_BRAND = "openastro"

log = logging.getLogger(__name__)


def next_request(state: State, host: HostInfo, *, n_wanted: int, now: float) -> SchedulerRequest:
    """Return the request to send now, and count it."""
    seqno = state.rpc_seqno if state.hostid else 0
    state.rpc_seqno += 1
    reported = tuple(_report(task) for task in state.tasks.values() if task.over)
    return SchedulerRequest(
        authenticator=state.authenticator,
        hostid=state.hostid,
        rpc_seqno=seqno,
        platforms=(platform_name(),),
        client_version=CLIENT_VERSION,
        work=WorkRequest(seconds=float(n_wanted > 0), instances=float(n_wanted)),
        host=host,
        time_stats=TimeStats(now=now),
        results=reported,
        other_results=tuple(task.name for task in state.tasks.values() if not task.over),
        code_sign_key=state.code_sign_key,
        client_brand=CLIENT_BRAND,
    )


def apply_reply(
    state: State,
    request: SchedulerRequest,
    reply: SchedulerReply,
    *,
    backoff: Backoff,
    now: float,
) -> list[str]:
    """Take a reply into the state; return the names of the tasks that have to be aborted."""
    state.rpc_failures = 0
    state.next_rpc = now + reply.request_delay
    for message in reply.messages:
        log.info("The project says: %s", message.text)
    if reply.project_is_down:
        return []
    state.project_name = reply.project_name or state.project_name
    if reply.hostid is not None:
        state.hostid, state.rpc_seqno = reply.hostid, 0
    _take_key(state, reply)
    for name in reply.result_acks:
        if name in state.tasks and state.tasks[name].over:
            del state.tasks[name]
    n_new = _take_work(state, reply)
    state.empty_replies = 0 if n_new or not request.work.wanted else state.empty_replies + 1
    if state.empty_replies:
        wait = backoff.delay(state.empty_replies)
        if reply.next_rpc_delay is not None:
            wait = min(wait, reply.next_rpc_delay)
        state.next_rpc = max(state.next_rpc, now + wait)
    unstarted = {task.name for task in state.tasks.values() if task.slot is None}
    aborted = [*reply.result_aborts]
    aborted += [name for name in reply.result_aborts_if_not_started if name in unstarted]
    return [name for name in aborted if name in state.tasks]


def give_up(task: TaskState, state: ClientState, exit_status: int, sentence: str) -> None:
    """End a task that cannot succeed; it is reported with the next RPC."""
    task.state, task.exit_status, task.over = state, exit_status, True
    task.stderr += f"<message>\n{sentence}\n</message>\n"
    log.warning("%s failed: %s", task.name, sentence)


def abort_unstarted(task: TaskState) -> None:
    """End a task that the project does not want any more and that does not run."""
    give_up(task, ClientState.ABORTED, ExitStatus.ABORTED_BY_PROJECT, "Aborted by the project.")


def _report(task: TaskState) -> ReportedResult:
    return ReportedResult(
        name=task.name,
        state=task.state,
        exit_status=task.exit_status,
        cpu_time=task.cpu_time,
        elapsed_time=task.elapsed_time,
        app_version_num=task.result.version_num,
        platform=task.result.platform,
        plan_class=task.result.plan_class,
        stderr=task.stderr,
    )


def _take_key(state: State, reply: SchedulerReply) -> None:
    key = reply.code_sign_key
    if not key or key == state.code_sign_key:
        return
    try:
        parse_public_key(key)
        if state.code_sign_key:
            old = parse_public_key(state.code_sign_key)
            if not verify(key.encode(), reply.code_sign_key_signature, old):
                raise SigningError("The project's new key is not signed with its old one.")
    except SigningError as error:
        log.error("The project's code-signing key is not accepted: %s", error.message)
    else:
        state.code_sign_key = key


def _take_work(state: State, reply: SchedulerReply) -> int:
    """Add new tasks; return how many."""
    outputs = {file.name: file for file in reply.files if isinstance(file, OutputFile)}
    app_files = {ref.file_name for version in reply.app_versions for ref in version.files}
    for file in reply.files:
        if isinstance(file, DownloadFile) and file.name not in state.downloads:
            try:
                check_file_name(file.name)
            except OpenAstroError as error:
                log.error("The project named a file oddly: %s", error.message)
                continue
            state.downloads[file.name] = Download(file, is_app_file=file.name in app_files)
    for version in reply.app_versions:
        if version not in state.app_versions:
            state.app_versions.append(version)
    known = len(state.tasks)
    workunits = {workunit.name: workunit for workunit in reply.workunits}
    for result in reply.results:
        if result.name in state.tasks:
            continue
        has_outputs = all(ref.file_name in outputs for ref in result.files)
        if result.wu_name not in workunits or not has_outputs or not _names_are_plain(result):
            log.error("The project sent only a part of the task %s.", result.name)
            continue
        uploads = [Upload(outputs[ref.file_name]) for ref in result.files]
        task = TaskState(result, workunits[result.wu_name], uploads)
        state.tasks[result.name] = task
        log.info("New task %s", task.name)
        _check_complete(state, task)
    return len(state.tasks) - known


def _names_are_plain(result: ResultInfo) -> bool:
    try:
        for ref in result.files:
            check_file_name(ref.file_name)
            check_file_name(ref.open_name)
    except OpenAstroError:
        return False
    return True


def _check_complete(state: State, task: TaskState) -> None:
    version = state.app_version(task)
    refs = [*task.workunit.files, *(version.files if version else ())]
    if version is None or any(ref.file_name not in state.downloads for ref in refs):
        sentence = "The project did not say where the app or an input file is."
        give_up(task, ClientState.FILES_DOWNLOADING, -186, sentence)
