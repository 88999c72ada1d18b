"""A slot as a client prepares it, and a time that only moves when told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.runtime.channels import ChannelName, Channels, create_channels
from apps.runtime.runtime import Runtime, Time, open_runtime

INIT_DATA = """<app_init_data>
<result_name>wu1_0</result_name>
<project_preferences>
<client_pid>666</client_pid>
</project_preferences>
<wu_cpu_time>{wu_cpu_time}</wu_cpu_time>
<checkpoint_period>{checkpoint_period}</checkpoint_period>
</app_init_data>
"""


class FakeTime:
    """Seconds pass only in `sleep` and by assignment; CPU seconds only by assignment."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.cpu = 0.5
        self.slept = 0.0
        self.while_asleep: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds
        self.while_asleep()

    def as_time(self) -> Time:
        return Time(clock=lambda: self.now, cpu=lambda: self.cpu, sleep=self.sleep)


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Channels]:
    """The client's end of the channels of the slot `tmp_path`."""
    text = INIT_DATA.format(wu_cpu_time=100.0, checkpoint_period=30.0)
    (tmp_path / "init_data.xml").write_text(text, encoding="ascii")
    with create_channels(tmp_path) as channels:
        yield channels


@pytest.fixture
def runtime(tmp_path: Path, client: Channels, fake_time: FakeTime) -> Iterator[Runtime]:
    """The app's end."""
    with open_runtime(tmp_path, time=fake_time.as_time()) as opened:
        yield opened


@pytest.fixture
def ask(client: Channels) -> Callable[[str], None]:
    def send(text: str) -> None:
        assert client.send(ChannelName.PROCESS_CONTROL_REQUEST, text)

    return send
