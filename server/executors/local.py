"""A pool of worker processes on this machine."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from boinc_project.errors import OpenAstroError
from server.executors.worker import QUIT_STATUS

WORKER = "server.executors.worker"
STDERR_FILE = "stderr.txt"
TICK_SECONDS = 0.2
"""How often `LocalPool.run` looks at its workers, and tells of their progress."""
QUIT_SECONDS = 30.0
"""Patience with a worker that was asked to leave: a checkpoint takes far less than a second."""


class ComputationFailed(OpenAstroError):
    """A worker could not compute its unit."""


@dataclass(frozen=True, slots=True)
class Task:
    """One unit to compute.

    Attributes
    ----------
    name : str
        The unit's name.
    app : str
        Name of an installed application.
    slot : Path
        Directory with the sealed unit; the output is written there.
    """

    name: str
    app: str
    slot: Path


@dataclass(slots=True)
class _Worker:
    task: Task
    process: subprocess.Popen[bytes]
    fraction: float = 0.0
    rest: bytes = b""

    def read(self) -> None:
        """Take in what the worker has said since the last look."""
        assert self.process.stdout is not None
        data = os.read(self.process.stdout.fileno(), 65536)
        *lines, self.rest = (self.rest + data).split(b"\n")
        if lines:
            self.fraction = float(lines[-1])

    def close(self) -> str:
        """Let go of the pipe; return the last line of stderr."""
        if self.process.stdout is not None:
            self.process.stdout.close()
        text = (self.task.slot / STDERR_FILE).read_text(encoding="utf-8", errors="replace")
        lines = text.strip().splitlines()
        return lines[-1] if lines else ""


@dataclass(slots=True)
class LocalPool:
    """Computes tasks, so many at a time.

    Attributes
    ----------
    jobs : int
        Worker processes at once.
    """

    jobs: int
    _workers: list[_Worker] = field(default_factory=list)

    def run(
        self,
        tasks: Sequence[Task],
        progress: Callable[[Mapping[str, float]], None] | None = None,
    ) -> None:
        """Compute all tasks.

        Parameters
        ----------
        tasks : Sequence[Task]
            Begun in this order.
        progress : Callable
            Told the fraction done of every task that was begun, several times a second.

        Raises
        ------
        ComputationFailed
            If a worker fails; the others are asked to leave, with a checkpoint.
        KeyboardInterrupt
            Passed on, after the workers have left in the same way.
        """
        waiting = list(reversed(tasks))
        fractions: dict[str, float] = {}
        try:
            while waiting or self._workers:
                while waiting and len(self._workers) < self.jobs:
                    task = waiting.pop()
                    self._workers.append(self._start(task))
                    fractions[task.name] = 0.0
                self._wait()
                for worker in list(self._workers):
                    fractions[worker.task.name] = worker.fraction
                    if worker.process.poll() is not None:
                        self._workers.remove(worker)
                        self._end(worker)
                        fractions[worker.task.name] = 1.0
                if progress is not None:
                    progress(dict(fractions))
        finally:
            self._stop()

    def _start(self, task: Task) -> _Worker:
        # One processor each: the pool itself is what runs in parallel.
        single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with (task.slot / STDERR_FILE).open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", WORKER, task.app, str(task.slot.resolve())],
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **single},
                # Ctrl-C goes to the pool alone, which tells its workers.
                start_new_session=True,
            )
        return _Worker(task, process)

    def _wait(self) -> None:
        """Wait a tick, or until a worker says something or ends."""
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                assert worker.process.stdout is not None
                if not worker.process.stdout.closed:
                    selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
            ready = selector.select(TICK_SECONDS)
        for key, _ in ready:
            key.data.read()

    def _end(self, worker: _Worker) -> None:
        words = worker.close()
        status = worker.process.returncode
        if status == 0:
            return
        if status == QUIT_STATUS:
            words = words or "It was asked to leave; run the same command again to go on."
        raise ComputationFailed(
            f"The unit {worker.task.name} was not computed (exit status {status}): "
            f"{words or 'no reason was given.'}",
            unit=worker.task.name,
            # What a worker that failed by itself has said last is why; one that was killed has not.
            reason=words if status > 0 and status != QUIT_STATUS else "",
        )

    def _stop(self) -> None:
        """Ask the workers that are left to write a checkpoint and leave."""
        for worker in self._workers:
            worker.process.send_signal(signal.SIGTERM)
        for worker in self._workers:
            try:
                worker.process.wait(QUIT_SECONDS)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.close()
        self._workers.clear()
