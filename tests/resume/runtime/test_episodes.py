"""A real app process under the client's end of the channels: suspend, resume, quit, abort, kill.

Nothing is asserted about seconds, except that an event arrives before `PATIENCE` is over.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.runtime.channels import ChannelName, Channels, create_channels
from apps.runtime.checkpoint import CheckpointFile
from apps.runtime.status import Status, parse_status
from boinc_project.unit import Unit, seal

ROOT = Path(__file__).resolve().parents[3]
TINY = ROOT / "tests" / "unit" / "apps" / "runtime" / "data"
PATIENCE = 60.0
N_STEP = 60_000
"""A second or two of work."""
PROGRAM = "from apps.main import main; main('tiny_app:Tiny')"


class Episode:
    """One app process and the client's end of its channels."""

    def __init__(self, slot: Path, *, wu_cpu_time: float = 0.0, client_pid: int = 0) -> None:
        text = (
            f"<wu_cpu_time>{wu_cpu_time}</wu_cpu_time><checkpoint_period>0.05</checkpoint_period>"
        )
        text += f"<client_pid>{client_pid or os.getpid()}</client_pid>"
        (slot / "init_data.xml").write_text(text, encoding="ascii")
        self.slot = slot
        self.channels: Channels = create_channels(slot)
        self.status = Status(0.0, 0.0, 0.0)
        with (slot / "stderr.txt").open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                cwd=slot,
                env={**os.environ, "PYTHONPATH": f"{TINY}:{ROOT}"},
                stderr=stderr,
            )

    def look(self) -> Status:
        """Be the client for a moment."""
        self.channels.send(ChannelName.HEARTBEAT, "<heartbeat/>")
        text = self.channels.receive(ChannelName.APP_STATUS)
        if text is not None:
            self.status = parse_status(text)
        return self.status

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (self.slot / "stderr.txt").read_text("utf-8")
            self.look()
            time.sleep(0.01)

    def until_over(self) -> int:
        self.until(lambda: self.process.poll() is not None)
        return int(self.process.returncode)

    def ask(self, text: str) -> None:
        self.until(lambda: self.channels.send(ChannelName.PROCESS_CONTROL_REQUEST, text))
        request = ChannelName.PROCESS_CONTROL_REQUEST
        self.until(lambda: not self.channels.is_full(request) or self.process.poll() is not None)

    def has_started(self) -> bool:
        return self.status.cpu_time > 0.0

    def has_checkpoint(self) -> bool:
        return (self.slot / "checkpoint.bin").exists()

    def process_cpu(self) -> float:
        """CPU seconds that the system counted for the process."""
        fields = (
            Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.channels.close()


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    return sealed_slot(tmp_path / "slot", n_step=N_STEP)


@pytest.fixture
def start(slot: Path) -> Iterator[Callable[..., Episode]]:
    episodes: list[Episode] = []

    def begin(**options: float) -> Episode:
        episodes.append(Episode(slot, **options))  # type: ignore[arg-type]
        return episodes[-1]

    yield begin
    for episode in episodes:
        episode.close()


def sealed_slot(slot: Path, *, n_step: int) -> Path:
    numbers = b"41"
    inputs = {"numbers.txt": hashlib.sha256(numbers).hexdigest()}
    seal(
        Unit("tiny", 100, "c", 7, 0, 1, {"n_step": n_step}, inputs), {"numbers.txt": numbers}, slot
    )
    return slot


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    slot = sealed_slot(tmp_path_factory.mktemp("undisturbed") / "slot", n_step=N_STEP)
    environment = {**os.environ, "PYTHONPATH": f"{TINY}:{ROOT}"}
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=slot, env=environment, check=True)
    return science(slot)


def science(slot: Path) -> bytes:
    """The output without its last word, the digest of the sources as they are now."""
    return (slot / "output.h5").read_bytes().rpartition(b" ")[0]


def steps_started_at(slot: Path) -> list[int]:
    lines = (slot / "stderr.txt").read_text("utf-8").splitlines()
    return [int(line.split()[-1]) for line in lines if line.startswith("starting at step")]


def test_suspend_uses_no_cpu_and_resume_goes_on(
    slot: Path, start: Callable[..., Episode], undisturbed: bytes
) -> None:
    episode = start()
    episode.until(episode.has_checkpoint)
    episode.ask("<suspend/>")
    time.sleep(1.0)
    episode.look()
    time.sleep(1.5)
    episode.look()
    cpu, fraction = episode.process_cpu(), episode.status.fraction_done
    for _ in range(30):
        time.sleep(0.1)
        episode.look()
    assert episode.process_cpu() - cpu <= 0.05  # 15 looks at the channels, and no step
    assert episode.status.fraction_done == fraction
    assert episode.process.poll() is None
    episode.ask("<resume/>")
    assert episode.until_over() == 0
    assert (slot / "boinc_finish_called").read_bytes() == b"0\n"
    assert science(slot) == undisturbed
    assert episode.status.fraction_done == 1.0


def test_quit_keeps_the_work_and_the_cpu_time(
    slot: Path, start: Callable[..., Episode], undisturbed: bytes
) -> None:
    first = start()
    first.until(first.has_checkpoint)
    first.ask("<quit/>")
    assert first.until_over() == 0
    assert not (slot / "boinc_finish_called").exists()
    second = start(wu_cpu_time=1000.0)
    assert second.until_over() == 0
    assert second.status.cpu_time > second.status.checkpoint_cpu_time > 1000.0
    assert steps_started_at(slot)[1] > 0
    assert science(slot) == undisturbed


def test_abort_leaves_with_boincs_status(slot: Path, start: Callable[..., Episode]) -> None:
    episode = start()
    episode.until(episode.has_checkpoint)
    episode.ask("<abort/>")
    assert episode.until_over() == 194
    assert not (slot / "boinc_finish_called").exists()


def test_a_suspended_app_still_quits(slot: Path, start: Callable[..., Episode]) -> None:
    episode = start()
    episode.ask("<suspend/>")
    episode.ask("<quit/>")
    assert episode.until_over() == 0
    assert not (slot / "output.h5").exists()


def test_the_app_leaves_when_its_client_dies(slot: Path, start: Callable[..., Episode]) -> None:
    client = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with client:
        episode = start(client_pid=client.pid)
        episode.ask("<suspend/>")
        client.kill()
        client.wait()
        assert episode.until_over() == 0
    assert "client gone" in (slot / "stderr.txt").read_text("utf-8")


def test_a_second_copy_waits_for_the_first(
    slot: Path, start: Callable[..., Episode], undisturbed: bytes
) -> None:
    orphan = start()
    orphan.until(orphan.has_checkpoint)
    orphan.ask("<suspend/>")
    second = start()  # its channels replace the orphan's
    time.sleep(1.0)
    assert steps_started_at(slot) == [0]
    orphan.process.kill()
    orphan.process.wait()
    assert second.until_over() == 0
    assert science(slot) == undisturbed


@pytest.mark.parametrize("seed", range(3))
def test_kill_anywhere_and_the_output_is_the_same(
    slot: Path, start: Callable[..., Episode], undisturbed: bytes, seed: int
) -> None:
    moments = random.Random(seed)
    for _ in range(4):
        episode = start()
        episode.until(episode.has_started)
        time.sleep(moments.uniform(0.0, 0.4))
        episode.process.send_signal(moments.choice([signal.SIGKILL, signal.SIGTERM]))
        assert episode.until_over() in {-signal.SIGKILL, 0}
        if (slot / "boinc_finish_called").exists():
            break
    last = start()
    assert last.until_over() == 0
    assert science(slot) == undisturbed


def test_sigterm_on_its_own_is_a_quit(slot: Path, undisturbed: bytes) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{TINY}:{ROOT}"}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, cwd=slot, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while b"starting at" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        assert b"Leaving (quit)" in process.stderr.read()
    assert process.returncode == 0
    subprocess.run(command, cwd=slot, env=environment, check=True)
    assert science(slot) == undisturbed


WRITER = """
import sys
from pathlib import Path
from apps.runtime.checkpoint import CheckpointFile
checkpoint = CheckpointFile(Path(sys.argv[1]), "u" * 64)
saved = checkpoint.load()
number = int(saved[:8]) if saved else 0
print("ready", flush=True)
while True:
    number += 1
    checkpoint.save(b"%08d" % number + bytes([number % 251]) * 300_000)
    print(number, flush=True)
"""


def test_killing_the_writer_leaves_a_loadable_checkpoint(tmp_path: Path) -> None:
    moments = random.Random(20261123)
    path = tmp_path / "checkpoint.bin"
    said: list[str] = []
    newest = 0
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, path],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(moments.uniform(0.0, 0.1))
            writer.kill()
            told = writer.stdout.read().split()
        acknowledged = int(told[-1]) if told else newest
        saved = CheckpointFile(path, "u" * 64, say=said.append).load()
        number = int(saved[:8]) if saved else 0
        # Killed between the renames, the newest is still in the temporary file: one is lost.
        assert acknowledged - 1 <= number <= acknowledged + 1
        assert number >= newest - 1
        if saved:
            assert saved[8:] == bytes([number % 251]) * 300_000
        newest = number
    assert newest > 0
    assert said == []  # no kill ever leaves a corrupt generation
