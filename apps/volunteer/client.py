"""The client's loop: talk to the project, move files, run apps.

One thread runs everything except the network, so that a slow server never keeps an app waiting;
one errand at a time is out on the network.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from apps.volunteer import housekeeping, scheduling, transfers, transport
from apps.volunteer.backoff import Backoff
from apps.volunteer.host import host_info
from apps.volunteer.running import Ended, RunningTask
from apps.volunteer.scheduling import give_up
from apps.volunteer.slot import prepare_slot, read_stderr
from apps.volunteer.state import Download, State, TaskState, Upload, save_state
from apps.volunteer.urls import project_directory_name, scheduler_url
from boinc_project.errors import OpenAstroError, SigningError, TransientError
from boinc_project.protocol.reply import SchedulerReply
from boinc_project.protocol.reply_parser import parse_scheduler_reply
from boinc_project.protocol.request import SchedulerRequest
from boinc_project.protocol.request_writer import scheduler_request_bytes
from boinc_project.states import ClientState, ExitStatus

TICK = 0.25
SAVE_PERIOD = 10.0
QUIT_PATIENCE = 15.0
"""Seconds that apps have to leave when the client ends."""
MASTER_PAGE_AFTER = 10
"""Failed RPCs in a row after which the master page is read again (``client/scheduler_op.cpp``)."""
EXIT_TIME_LIMIT = 197
ERR_DOWNLOAD = -186
ERR_UPLOAD = -187
ASSUMED_FLOPS = 1e9

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How the client behaves.

    Attributes
    ----------
    directory : Path
        Where everything is kept.
    ncpus : int
        Tasks that run at once.
    spare : int
        Tasks kept ready beyond these.
    host_name : str
        Name shown on the owner's pages; empty: the computer's own.
    exit_when_idle : bool
        Whether to end when nothing is left to do and the project has nothing more.
    checkpoint_period : float
        Seconds between two checkpoints of an app.
    niceness : int
        How far apps step back behind everything else.
    rpc_backoff, transfer_backoff : Backoff
        How to wait after failures.
    """

    directory: Path
    ncpus: int = 1
    spare: int = 1
    host_name: str = ""
    exit_when_idle: bool = False
    checkpoint_period: float = 60.0
    niceness: int = 19
    rpc_backoff: Backoff = field(default_factory=Backoff)
    transfer_backoff: Backoff = field(default_factory=lambda: Backoff(120.0, 6 * 3600.0))


class Errand:
    """One piece of network work in a thread of its own, and what to do with its outcome."""

    def __init__(self, work: Callable[[], object], done: Callable[[object], None]) -> None:
        self._work = work
        self._done = done
        self._outcome: object = None
        # A daemon: a server that does not answer must not keep the client from ending.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome = self._work()
        except OpenAstroError as error:
            self._outcome = error
        except OSError as error:
            self._outcome = TransientError(f"The disk or the network fails: {error}.")

    def finished(self) -> bool:
        """Tell whether it is over; if so, its outcome has been dealt with."""
        if self._thread.is_alive():
            return False
        self._done(self._outcome)
        return True


class Client:
    """A client attached to one project.

    Parameters
    ----------
    state : State
        Where it left off.
    options : Options
        How it behaves.
    clock : Callable[[], float]
        Epoch seconds.
    """

    def __init__(
        self, state: State, options: Options, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.state = state
        self._options = options
        self._clock = clock
        projects = options.directory / "projects"
        self._project = projects / project_directory_name(state.master_url)
        self._slots = options.directory / "slots"
        self._project.mkdir(parents=True, exist_ok=True)
        self._slots.mkdir(exist_ok=True)
        self._running: dict[str, RunningTask] = {}
        self._aborting: set[str] = set()
        self._errand: Errand | None = None
        self._asked_in_vain = False
        self._contacted = False
        self._next_save = 0.0
        for file in state.downloads.values():
            file.present = file.present and transfers.is_intact(
                file, self._project, state.code_sign_key
            )
            for task in state.tasks.values():
                if not file.present and file in state.files_of(task) and task.is_runnable:
                    task.state = ClientState.FILES_DOWNLOADING

    def run(self, stopping: threading.Event) -> None:
        """Work until `stopping` is set, or until nothing is left if so wished."""
        while not stopping.is_set() and not (self._options.exit_when_idle and self._idle()):
            self.step()
            stopping.wait(TICK)
        self.stop()

    def step(self) -> None:
        """Do all that can be done now."""
        now = self._clock()
        if self._errand is not None and self._errand.finished():
            self._errand = None
        self._look_at_apps(now)
        for task in list(self.state.tasks.values()):
            self._advance(task)
        self._start_apps(now)
        if self._errand is None:
            self._errand = self._next_errand(now)
        if now >= self._next_save:
            self._save()

    def stop(self) -> None:
        """Ask all apps to leave, and remember everything."""
        now = self._clock()
        deadline = time.monotonic() + QUIT_PATIENCE
        for app in self._running.values():
            app.ask("quit", now)
        while self._running and time.monotonic() < deadline:
            self._look_at_apps(self._clock(), leaving=True)
            time.sleep(0.05)
        for app in self._running.values():
            app.kill()
        self._running.clear()
        self._save()

    # Apps.

    def _look_at_apps(self, now: float, *, leaving: bool = False) -> None:
        for name, app in list(self._running.items()):
            end = app.look(now)
            task = app.task
            if end is None:
                self._check_time_limit(app, now)
                continue
            del self._running[name]
            task.stderr = read_stderr(app.slot)
            log.info("%s: the app ended (%s)", name, end.kind.value)
            if name in self._aborting:
                self._aborting.discard(name)
                if task.exit_status == ExitStatus.OK:
                    scheduling.abort_unstarted(task)
                else:
                    sentence = "The task took longer than its limit."
                    give_up(task, ClientState.ABORTED, task.exit_status, sentence)
            elif end.kind is Ended.DONE:
                task.fraction_done = 1.0
                housekeeping.collect_outputs(task, app.slot, self._project)
            elif end.kind is Ended.FAILED:
                give_up(task, ClientState.COMPUTE_ERROR, end.exit_status, end.reason)
            elif not leaving:
                task.restarts += end.kind is Ended.AGAIN
                task.not_before = now + end.delay
            if task.over or task.state is ClientState.FILES_UPLOADING:
                self._after_work(task, now)

    def _after_work(self, task: TaskState, now: float) -> None:
        housekeeping.remove_slot(self._slots, task)
        if task.over:
            # A broken host must not hammer the project with failures.
            wait = self._options.rpc_backoff.delay(1)
            self.state.next_rpc = max(self.state.next_rpc, now + wait)
        self._save()

    def _check_time_limit(self, app: RunningTask, now: float) -> None:
        version = self.state.app_version(app.task)
        flops = (version.flops if version else 0.0) or ASSUMED_FLOPS
        limit = app.task.workunit.rsc_fpops_bound / flops
        # Shorter limits are a project's mistake (``client/app_start.cpp`` raises them as well).
        limit = limit if limit >= 120.0 else 12 * 3600.0
        if app.task.elapsed_time > limit and app.task.name not in self._aborting:
            app.task.exit_status = EXIT_TIME_LIMIT
            self._abort(app.task.name, now)

    def _abort(self, name: str, now: float) -> None:
        if name in self._running:
            self._aborting.add(name)
            self._running[name].ask("abort", now)
        elif not self.state.tasks[name].over:
            scheduling.abort_unstarted(self.state.tasks[name])
            housekeeping.remove_slot(self._slots, self.state.tasks[name])

    def _start_apps(self, now: float) -> None:
        for task in self.state.tasks.values():
            if len(self._running) >= self._options.ncpus:
                return
            version = self.state.app_version(task)
            if task.name in self._running or not task.is_runnable or now < task.not_before:
                continue
            assert version is not None  # checked when the task came
            if task.slot is None:
                task.slot = housekeeping.free_slot(self._slots, self.state)
            slot = self._slots / str(task.slot)
            period = self._options.checkpoint_period
            try:
                prepare_slot(slot, self._project, self.state, task, checkpoint_period=period)
                niceness = self._options.niceness
                app = RunningTask(task, slot, self._project, version, niceness=niceness, now=now)
            except OSError as error:
                give_up(task, ClientState.COMPUTE_ERROR, -148, f"The app cannot start: {error}.")
                continue
            log.info("%s: started in slot %d as process %d", task.name, task.slot, app.pid)
            self._running[task.name] = app

    # Tasks between network and apps.

    def _advance(self, task: TaskState) -> None:
        if task.over:
            return
        if task.state in {ClientState.NEW, ClientState.FILES_DOWNLOADING}:
            files = self.state.files_of(task)
            failed = next((file for file in files if file.error), None)
            task.state = ClientState.FILES_DOWNLOADING
            if failed is not None:
                give_up(task, task.state, ERR_DOWNLOAD, f"WU download error: {failed.error}")
            elif all(file.present for file in files):
                task.state = ClientState.FILES_DOWNLOADED
        elif task.state is ClientState.FILES_UPLOADING and all(up.done for up in task.uploads):
            task.state, task.over = ClientState.FILES_UPLOADED, True
            log.info("%s: uploaded", task.name)

    # The network.

    def _next_errand(self, now: float) -> Errand | None:
        for task in self.state.tasks.values():
            for upload in task.uploads if task.state is ClientState.FILES_UPLOADING else ():
                if not upload.done and now >= upload.next_try:
                    return self._upload(task, upload)
        needed = [
            file
            for task in self.state.tasks.values()
            if task.state is ClientState.FILES_DOWNLOADING and not task.over
            for file in self.state.files_of(task)
        ]
        for file in needed:
            if not file.present and not file.error and now >= file.next_try:
                return self._download(file)
        if now < self.state.next_rpc:
            return None
        if not self.state.scheduler_url:
            url = self.state.master_url
            return Errand(lambda: scheduler_url(transport.fetch(url)), self._take_scheduler_url)
        n_wanted = self._n_wanted()
        if n_wanted or not self._contacted or any(task.over for task in self.state.tasks.values()):
            return self._rpc(n_wanted, now)
        return None

    def _n_wanted(self) -> int:
        ahead = (ClientState.NEW, ClientState.FILES_DOWNLOADING, ClientState.FILES_DOWNLOADED)
        in_hand = sum(task.state in ahead and not task.over for task in self.state.tasks.values())
        return max(self._options.ncpus + self._options.spare - in_hand, 0)

    def _rpc(self, n_wanted: int, now: float) -> Errand:
        options = self._options
        host = host_info(
            options.directory,
            name=options.host_name,
            cpid=self.state.host_cpid,
            ncpus=options.ncpus,
        )
        request = scheduling.next_request(self.state, host, n_wanted=n_wanted, now=now)
        # Before it is sent: a number used twice would look like a copied data directory.
        self._save()
        url = self.state.scheduler_url
        log.info("Asking the project: %d to report, %d wanted", len(request.results), n_wanted)
        return Errand(
            lambda: parse_scheduler_reply(transport.send(url, scheduler_request_bytes(request))),
            lambda outcome: self._take_reply(request, outcome),
        )

    def _take_scheduler_url(self, outcome: object) -> None:
        if isinstance(outcome, OpenAstroError):
            self._rpc_failed(outcome)
            return
        self.state.scheduler_url = str(outcome)

    def _take_reply(self, request: SchedulerRequest, outcome: object) -> None:
        now = self._clock()
        if not isinstance(outcome, SchedulerReply):
            assert isinstance(outcome, OpenAstroError)
            self._rpc_failed(outcome)
            return
        aborted = scheduling.apply_reply(
            self.state, request, outcome, backoff=self._options.rpc_backoff, now=now
        )
        self._contacted = True
        self._asked_in_vain = request.work.wanted and not outcome.results
        for name in aborted:
            self._abort(name, now)
        housekeeping.collect_garbage(self.state, self._project)
        self._save()

    def _rpc_failed(self, error: OpenAstroError) -> None:
        self.state.rpc_failures += 1
        wait = self._options.rpc_backoff.delay(self.state.rpc_failures)
        self.state.next_rpc = self._clock() + wait
        log.warning("%s Trying again in %.0f s.", error.message, wait)
        if self.state.rpc_failures % MASTER_PAGE_AFTER == 0:
            self.state.scheduler_url = ""

    def _download(self, file: Download) -> Errand:
        key, project = self.state.code_sign_key, self._project
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

    def _idle(self) -> bool:
        return self._asked_in_vain and not self.state.tasks and self._errand is None

    def _save(self) -> None:
        save_state(self.state, self._options.directory)
        self._next_save = self._clock() + SAVE_PERIOD
