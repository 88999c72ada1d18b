"""The client's loop: apps in the foreground, the network beside them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from apps.volunteer import transfers
from apps.volunteer.fleet import Fleet
from apps.volunteer.network import Network
from apps.volunteer.options import Options
from apps.volunteer.scheduling import give_up
from apps.volunteer.state import State, TaskState, save_state
from apps.volunteer.urls import project_directory_name
from boinc_project.states import ClientState

TICK = 0.25
BUSY_TICK = 0.05
"""Seconds between two rounds: shorter while an answer from the network is awaited."""
SAVE_PERIOD = 10.0
ERR_DOWNLOAD = -186

log = logging.getLogger(__name__)


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
        self._next_save = 0.0
        self._project = options.directory / "projects" / project_directory_name(state.master_url)
        slots = options.directory / "slots"
        self._project.mkdir(parents=True, exist_ok=True)
        slots.mkdir(exist_ok=True)
        self._fleet = Fleet(state, options, project=self._project, slots=slots, save=self._save)
        self._network = Network(
            state,
            options,
            project=self._project,
            clock=clock,
            save=self._save,
            abort=self._fleet.abort,
        )
        self._check_downloads()

    def run(self, stopping: threading.Event) -> None:
        """Work until `stopping` is set, or until nothing is left if so wished."""
        while not stopping.is_set() and not (self._options.exit_when_idle and self._is_idle()):
            self.step()
            stopping.wait(BUSY_TICK if self._network.is_busy else TICK)
        self._fleet.quit(self._clock)
        self._save()

    def step(self) -> None:
        """Do all that can be done now."""
        now = self._clock()
        self._fleet.look(now)
        for task in self.state.tasks.values():
            self._advance(task)
        self._fleet.start(now)
        self._network.step()
        if now >= self._next_save:
            self._save()

    def _check_downloads(self) -> None:
        """Fetch again what was damaged while the client was away."""
        for file in self.state.downloads.values():
            if not file.present or transfers.is_intact(
                file, self._project, self.state.code_sign_key
            ):
                continue
            file.present = False
            for task in self.state.tasks.values():
                if task.is_runnable and file in self.state.files_of(task):
                    task.state = ClientState.FILES_DOWNLOADING

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

    def _is_idle(self) -> bool:
        return self._network.is_idle and not self.state.tasks

    def _save(self) -> None:
        save_state(self.state, self._options.directory)
        self._next_save = self._clock() + SAVE_PERIOD
