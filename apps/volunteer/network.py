"""All that the client does on the network: one errand at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from apps.volunteer import housekeeping, scheduling, transfers, transport
from apps.volunteer.errand import Errand
from apps.volunteer.host import host_info
from apps.volunteer.options import Options
from apps.volunteer.scheduling import give_up
from apps.volunteer.state import Download, State, TaskState, Upload
from apps.volunteer.urls import scheduler_url
from boinc_project.errors import OpenAstroError, SigningError, TransientError
from boinc_project.protocol.reply import SchedulerReply
from boinc_project.protocol.reply_parser import parse_scheduler_reply
from boinc_project.protocol.request import SchedulerRequest
from boinc_project.protocol.request_writer import scheduler_request_bytes
from boinc_project.states import ClientState

MASTER_PAGE_AFTER = 10
"""Failed RPCs in a row after which the master page is read again (``client/scheduler_op.cpp``)."""
ERR_UPLOAD = -187

log = logging.getLogger(__name__)


class Network:
    """What is out on the network, and what goes there next.

    Parameters
    ----------
    state : State
        What there is to fetch, send and report.
    options : Options
        How much work is wanted, how to wait after failures.
    project : Path
        Directory of the files.
    clock : Callable[[], float]
        Epoch seconds.
    save : Callable[[], None]
        Called after every change that must not be forgotten.
    abort : Callable[[str, float], None]
        Ends a task that the project does not want any more.
    """

    def __init__(
        self,
        state: State,
        options: Options,
        *,
        project: Path,
        clock: Callable[[], float],
        save: Callable[[], None],
        abort: Callable[[str, float], None],
    ) -> None:
        self._state = state
        self._options = options
        self._project = project
        self._clock = clock
        self._save = save
        self._abort = abort
        self._errand: Errand | None = None
        self._contacted = False
        self._asked_in_vain = False

    def step(self) -> None:
        """Deal with an errand that came back, and send the next one out."""
        if self._errand is not None and not self._errand.finished():
            return
        self._errand = self._next_errand(self._clock())

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._errand is not None

    @property
    def is_idle(self) -> bool:
        """Whether the project had no work when it was last asked, and nothing is under way."""
        return self._asked_in_vain and self._errand is None

    def _next_errand(self, now: float) -> Errand | None:
        for task in self._state.tasks.values():
            for upload in task.uploads if task.state is ClientState.FILES_UPLOADING else ():
                if not upload.done and now >= upload.next_try:
                    return self._upload(task, upload)
        needed = [
            file
            for task in self._state.tasks.values()
            if task.state is ClientState.FILES_DOWNLOADING and not task.over
            for file in self._state.files_of(task)
        ]
        for file in needed:
            if not file.present and not file.error and now >= file.next_try:
                return self._download(file)
        if now < self._state.next_rpc:
            return None
        if not self._state.scheduler_url:
            url = self._state.master_url
            return Errand(lambda: scheduler_url(transport.fetch(url)), self._take_scheduler_url)
        n_wanted = self._n_wanted()
        if n_wanted or not self._contacted or any(task.over for task in self._state.tasks.values()):
            return self._rpc(n_wanted, now)
        return None

    def _n_wanted(self) -> int:
        ahead = (ClientState.NEW, ClientState.FILES_DOWNLOADING, ClientState.FILES_DOWNLOADED)
        in_hand = sum(task.state in ahead and not task.over for task in self._state.tasks.values())
        return max(self._options.ncpus + self._options.spare - in_hand, 0)

    def _rpc(self, n_wanted: int, now: float) -> Errand:
        options = self._options
        host = host_info(
            options.directory,
            name=options.host_name,
            cpid=self._state.host_cpid,
            ncpus=options.ncpus,
        )
        request = scheduling.next_request(self._state, host, n_wanted=n_wanted, now=now)
        # Before it is sent: a number used twice would look like a copied data directory.
        self._save()
        url = self._state.scheduler_url
        log.info("Asking the project: %d to report, %d wanted", len(request.results), n_wanted)
        return Errand(
            lambda: parse_scheduler_reply(transport.send(url, scheduler_request_bytes(request))),
            lambda outcome: self._take_reply(request, outcome),
        )

    def _take_scheduler_url(self, outcome: object) -> None:
        if isinstance(outcome, OpenAstroError):
            self._rpc_failed(outcome)
            return
        self._state.scheduler_url = str(outcome)

    def _take_reply(self, request: SchedulerRequest, outcome: object) -> None:
        now = self._clock()
        if not isinstance(outcome, SchedulerReply):
            assert isinstance(outcome, OpenAstroError)
            self._rpc_failed(outcome)
            return
        aborted = scheduling.apply_reply(
            self._state, request, outcome, backoff=self._options.rpc_backoff, now=now
        )
        self._contacted = True
        self._asked_in_vain = request.work.wanted and not outcome.results
        for name in aborted:
            self._abort(name, now)
        housekeeping.collect_garbage(self._state, self._project)
        self._save()

    def _rpc_failed(self, error: OpenAstroError) -> None:
        self._state.rpc_failures += 1
        wait = self._options.rpc_backoff.delay(self._state.rpc_failures)
        self._state.next_rpc = self._clock() + wait
        log.warning("%s Trying again in %.0f s.", error.message, wait)
        if self._state.rpc_failures % MASTER_PAGE_AFTER == 0:
            self._state.scheduler_url = ""

    def _download(self, file: Download) -> Errand:
        key, project = self._state.code_sign_key, self._project
        log.info("Downloading %s", file.info.name)
        return Errand(
            lambda: transfers.fetch_file(file, project, key),
            lambda outcome: self._downloaded(file, outcome),
        )

    def _downloaded(self, file: Download, outcome: object) -> None:
        if isinstance(outcome, TransientError):
            file.failures += 1
            file.next_try = self._clock() + self._options.transfer_backoff.delay(file.failures)
            log.warning("%s", outcome.message)
        elif isinstance(outcome, OpenAstroError):
            code = "-120" if isinstance(outcome, SigningError) else "-224"
            file.error = f"{outcome.message} <error_code>{code}</error_code>"
        else:
            file.present, file.failures = True, 0

    def _upload(self, task: TaskState, upload: Upload) -> Errand:
        path = self._project / upload.info.name
        log.info("Uploading %s (%d bytes)", upload.info.name, upload.nbytes)
        return Errand(
            lambda: transfers.send_file(upload, path),
            lambda outcome: self._uploaded(task, upload, outcome),
        )

    def _uploaded(self, task: TaskState, upload: Upload, outcome: object) -> None:
        if isinstance(outcome, TransientError):
            upload.failures += 1
            upload.next_try = self._clock() + self._options.transfer_backoff.delay(upload.failures)
            log.warning("%s", outcome.message)
        elif isinstance(outcome, OpenAstroError):
            give_up(task, ClientState.UPLOAD_FAILED, ERR_UPLOAD, outcome.message)
        else:
            upload.done = True
