"""The apps that run on this computer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from apps.volunteer import housekeeping, scheduling
from apps.volunteer.options import Options
from apps.volunteer.running import End, Ended, RunningTask
from apps.volunteer.scheduling import give_up
from apps.volunteer.slot import prepare_slot, read_stderr
from apps.volunteer.state import State, TaskState
from boinc_project.states import ClientState

QUIT_PATIENCE = 15.0
"""Seconds that apps have to leave when the client ends."""
EXIT_TIME_LIMIT = 197
ERR_EXEC = -148
ASSUMED_FLOPS = 1e9

log = logging.getLogger(__name__)


class Fleet:
    """The running apps.

    Parameters
    ----------
    state : State
        The tasks; changed as their apps go on.
    options : Options
        How many run at once, and how.
    project, slots : Path
        Directories.
    save : Callable[[], None]
        Called after every change that must not be forgotten.
    """

    def __init__(
        self,
        state: State,
        options: Options,
        *,
        project: Path,
        slots: Path,
        save: Callable[[], None],
    ) -> None:
        self._state = state
        self._options = options
        self._project = project
        self._slots = slots
        self._save = save
        self._running: dict[str, RunningTask] = {}
        self._aborting: set[str] = set()

    def quit(self, clock: Callable[[], float]) -> None:
        """Ask all apps to leave, and kill those that do not."""
        deadline = time.monotonic() + QUIT_PATIENCE
        for app in self._running.values():
            app.ask("quit", clock())
        while self._running and time.monotonic() < deadline:
            self.look(clock(), leaving=True)
            time.sleep(0.05)
        for app in self._running.values():
            app.kill()
        self._running.clear()

    def look(self, now: float, *, leaving: bool = False) -> None:
        """Talk with all running apps, and deal with those that ended."""
        for name, app in list(self._running.items()):
            end = app.look(now)
            if end is None:
                self._check_time_limit(app, now)
                continue
            del self._running[name]
            app.task.stderr = read_stderr(app.slot)
            log.info("%s: the app ended (%s)", name, end.kind.value)
            self._judge(app, end, now, leaving=leaving)
            if app.task.over or app.task.state is ClientState.FILES_UPLOADING:
                self._after_work(app.task, now)

    def _judge(self, app: RunningTask, end: End, now: float, *, leaving: bool) -> None:
        task = app.task
        if task.name in self._aborting:
            self._aborting.discard(task.name)
            if task.exit_status == EXIT_TIME_LIMIT:
                sentence = "The task took longer than its limit."
                give_up(task, ClientState.ABORTED, EXIT_TIME_LIMIT, sentence)
            else:
                scheduling.abort_unstarted(task)
        elif end.kind is Ended.DONE:
            task.fraction_done = 1.0
            housekeeping.collect_outputs(task, app.slot, self._project)
        elif end.kind is Ended.FAILED:
            give_up(task, ClientState.COMPUTE_ERROR, end.exit_status, end.reason)
        elif not leaving:
            task.restarts += end.kind is Ended.AGAIN
            task.not_before = now + end.delay

    def _after_work(self, task: TaskState, now: float) -> None:
        housekeeping.remove_slot(self._slots, task)
        if task.over:
            # A broken host must not hammer the project with failures.
            wait = self._options.rpc_backoff.delay(1)
            self._state.next_rpc = max(self._state.next_rpc, now + wait)
        self._save()

    def _check_time_limit(self, app: RunningTask, now: float) -> None:
        version = self._state.app_version(app.task)
        flops = (version.flops if version else 0.0) or ASSUMED_FLOPS
        limit = app.task.workunit.rsc_fpops_bound / flops
        # Shorter limits are a project's mistake (``client/app_start.cpp`` raises them as well).
        limit = limit if limit >= 120.0 else 12 * 3600.0
        if app.task.elapsed_time > limit and app.task.name not in self._aborting:
            app.task.exit_status = EXIT_TIME_LIMIT
            self.abort(app.task.name, now)

    def abort(self, name: str, now: float) -> None:
        """End a task, running or not."""
        if name in self._running:
            self._aborting.add(name)
            self._running[name].ask("abort", now)
        elif not self._state.tasks[name].over:
            scheduling.abort_unstarted(self._state.tasks[name])
            housekeeping.remove_slot(self._slots, self._state.tasks[name])

    def start(self, now: float) -> None:
        """Start as many runnable tasks as there are free processors."""
        for task in self._state.tasks.values():
            if len(self._running) >= self._options.ncpus:
                return
            version = self._state.app_version(task)
            if task.name in self._running or not task.is_runnable or now < task.not_before:
                continue
            assert version is not None  # checked when the task came
            if task.slot is None:
                task.slot = housekeeping.free_slot(self._slots, self._state)
            slot = self._slots / str(task.slot)
            period = self._options.checkpoint_period
            try:
                prepare_slot(slot, self._project, self._state, task, checkpoint_period=period)
                niceness = self._options.niceness
                app = RunningTask(task, slot, self._project, version, niceness=niceness, now=now)
            except OSError as error:
                give_up(
                    task, ClientState.COMPUTE_ERROR, ERR_EXEC, f"The app cannot start: {error}."
                )
                continue
            log.info("%s: started in slot %d as process %d", task.name, task.slot, app.pid)
            self._running[task.name] = app
