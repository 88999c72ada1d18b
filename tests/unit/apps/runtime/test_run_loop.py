"""The loop of steps: checkpoints when they are due, and nothing lost when it is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from apps.runtime.checkpoint import CheckpointFile
from apps.runtime.errors import QuitRequested
from apps.runtime.run_loop import complete, resumed
from apps.runtime.runtime import Runtime
from boinc_project.errors import CorruptCheckpoint
from tests.unit.apps.runtime.conftest import FakeTime


class Count:
    """Counts to ten; each step takes some CPU seconds of a time that is told."""

    def __init__(self, time: FakeTime, *, seconds: float = 10.0, start: int = 0) -> None:
        self.done = start
        self._time, self._seconds = time, seconds
        self.before_step: Callable[[], None] = lambda: None

    @property
    def is_complete(self) -> bool:
        return self.done == 10

    @property
    def fraction(self) -> float:
        return self.done / 10

    def advance(self) -> None:
        self.before_step()
        self._time.now += self._seconds
        self._time.cpu += self._seconds
        self.done += 1

    def to_bytes(self) -> bytes:
        return str(self.done).encode()


@pytest.fixture
def file(tmp_path: Path) -> CheckpointFile:
    return CheckpointFile(tmp_path / "checkpoint", "a" * 64)


def saves(file: CheckpointFile, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that every checkpoint is added to when it is written."""
    written: list[bytes] = []
    save = file.save

    def noted(payload: bytes) -> None:
        written.append(payload)
        save(payload)

    monkeypatch.setattr(file, "save", noted)
    return written


def test_checkpoints_are_written_when_the_volunteer_wants_them(
    file: CheckpointFile, runtime: Runtime, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preference of the slot's client is 30 seconds."""
    written = saves(file, monkeypatch)
    complete(Count(fake_time), file, runtime)
    assert written == [b"3", b"6", b"9", b"10"]
    assert file.load() == b"10"


def test_checkpoints_are_written_without_a_client_too(
    file: CheckpointFile, runtime: Runtime, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = saves(file, monkeypatch)
    monkeypatch.setattr(runtime, "time_to_checkpoint", lambda: False)
    complete(Count(fake_time), file, runtime, period=40.0)
    assert written == [b"4", b"8", b"10"]


def test_work_that_is_left_is_stored(
    file: CheckpointFile, runtime: Runtime, fake_time: FakeTime
) -> None:
    work = Count(fake_time, seconds=1.0)

    def leave() -> None:
        if work.done == 7:
            raise QuitRequested("the client wants it")

    work.before_step = leave
    with pytest.raises(QuitRequested):
        complete(work, file, runtime)
    assert file.load() == b"7"


def test_a_full_disk_does_not_hide_that_the_client_asked_to_leave(
    file: CheckpointFile, runtime: Runtime, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    def leave() -> None:
        raise QuitRequested("the client wants it")

    work = Count(fake_time)
    work.before_step = leave
    monkeypatch.setattr(file, "save", full)
    with pytest.raises(QuitRequested):
        complete(work, file, runtime)


def test_work_goes_on_where_it_was(file: CheckpointFile) -> None:
    assert resumed(file, int) is None
    file.save(b"4")
    assert resumed(file, int) == 4


def test_a_checkpoint_that_does_not_decode_is_removed(file: CheckpointFile) -> None:
    def corrupt(_: bytes) -> int:
        raise CorruptCheckpoint

    file.save(b"3")
    file.save(b"4")
    assert resumed(file, corrupt) is None
    assert file.load() is None
