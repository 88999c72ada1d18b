"""The small files of a slot: init_data.xml, soft links, endings, the lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apps.runtime.client_process import ClientProcess, process_lives
from apps.runtime.errors import SlotBusy
from apps.runtime.finish import forget_old_ending, write_finish, write_temporary_exit
from apps.runtime.init_data import InitData, parse_init_data
from apps.runtime.lock import SlotLock, lock_slot
from apps.runtime.platforms import platform_name
from apps.runtime.soft_link import link_text, resolve
from apps.runtime.status import Status, next_fraction, parse_status
from boinc_project.errors import ConfigError

if TYPE_CHECKING:
    from tests.unit.apps.runtime.conftest import FakeTime

HOLD_LOCK = """
import fcntl, sys
stream = open(sys.argv[1], "a+b")
fcntl.lockf(stream, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_init_data_of_the_stock_client() -> None:
    text = b"""<app_init_data>
<major_version>7</major_version>
<project_preferences>
<client_pid>1</client_pid><wu_cpu_time>9</wu_cpu_time>
</project_preferences>
<user_name>&lt;client_pid&gt;2&lt;/client_pid&gt;</user_name>
<result_name>wu7_0</result_name>
<client_pid>4711</client_pid>
<wu_cpu_time>12.500000</wu_cpu_time>
<checkpoint_period>61.000000</checkpoint_period>
<ncpus>1.000000</ncpus>
<host_info><ncpus>99</ncpus></host_info>
</app_init_data>"""
    assert parse_init_data(text) == InitData("wu7_0", 4711, 12.5, 61.0, 1.0)


@pytest.mark.parametrize("value", ["", "abc", "nan", "inf", "-1"])
def test_an_odd_number_has_its_default(value: str) -> None:
    data = f"<checkpoint_period>{value}</checkpoint_period><client_pid>{value}</client_pid>"
    assert parse_init_data(data.encode()) == InitData()


def test_a_soft_link_names_the_real_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text(link_text("../../projects/p/wu_r1"), encoding="utf-8")
    assert resolve(tmp_path, "out") == tmp_path / "../../projects/p/wu_r1"


@pytest.mark.parametrize("content", [None, b"", b"data <soft_link>no</soft_link>", b"\x00" * 9000])
def test_any_other_file_is_itself(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "in").write_bytes(content)
    assert resolve(tmp_path, "in") == tmp_path / "in"


def test_the_finish_file_is_what_the_client_reads(tmp_path: Path) -> None:
    write_finish(tmp_path, 0, "")
    assert (tmp_path / "boinc_finish_called").read_bytes() == b"0\n"
    write_finish(tmp_path, 10, "two\nlines")
    assert (tmp_path / "boinc_finish_called").read_bytes() == b"10\ntwo lines\n\n"


@pytest.mark.parametrize(("delay", "written"), [(600.4, 600), (1e9, 86400), (-5.0, 0)])
def test_a_temporary_exit_stays_in_the_clients_range(
    tmp_path: Path, delay: float, written: int
) -> None:
    write_temporary_exit(tmp_path, delay, "why")
    assert (tmp_path / "boinc_temporary_exit").read_bytes() == f"{written}\nwhy\n\n".encode()


def test_an_old_ending_is_forgotten(tmp_path: Path) -> None:
    write_finish(tmp_path, 0, "")
    write_temporary_exit(tmp_path, 1, "why")
    forget_old_ending(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_held_lock_is_waited_for_and_then_refused(tmp_path: Path, fake_time: FakeTime) -> None:
    lock_file = tmp_path / "boinc_lockfile"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, lock_file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"

        def take(wait: float) -> SlotLock:
            return lock_slot(
                tmp_path, wait=wait, clock=lambda: fake_time.now, sleep=fake_time.sleep
            )

        with pytest.raises(SlotBusy):
            take(35.0)
        assert 35.0 <= fake_time.slept <= 36.0

        def kill_holder() -> None:
            holder.kill()
            holder.wait()

        fake_time.while_asleep = kill_holder
        take(35.0).release()  # a killed holder leaves nothing behind
        assert fake_time.slept <= 37.0


def test_a_dead_process_is_noticed() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        assert ClientProcess(child.pid).alive() is True
        child.kill()
    assert ClientProcess(child.pid).alive() is False
    assert not process_lives(child.pid)


def test_no_process_number_is_no_answer() -> None:
    assert ClientProcess(0).alive() is None


def test_status_text_has_all_three_lines() -> None:
    status = Status(12.5, 10.0, 0.25)
    assert status.to_text() == (
        "<current_cpu_time>1.250000e+01</current_cpu_time>\n"
        "<checkpoint_cpu_time>1.000000e+01</checkpoint_cpu_time>\n"
        "<fraction_done>2.500000e-01</fraction_done>\n"
    )
    assert parse_status(status.to_text()) == status


@pytest.mark.parametrize("text", ["", "<fraction_done>1e</fraction_done>", "\xff\x00"])
def test_an_odd_status_is_nothing(text: str) -> None:
    assert parse_status(text) == Status(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("shown", "done", "expected"),
    [(0.2, 0.3, 0.3), (0.3, 0.2, 0.3), (0.3, 7.0, 1.0), (0.3, float("nan"), 0.3), (0, -1, 0)],
)
def test_the_fraction_never_falls(shown: float, done: float, expected: float) -> None:
    assert next_fraction(shown, done) == expected


def test_platforms_have_boincs_names() -> None:
    assert platform_name("linux", "x86_64") == "x86_64-pc-linux-gnu"
    assert platform_name("win32", "AMD64") == "windows_x86_64"
    with pytest.raises(ConfigError, match="vax"):
        platform_name("vms", "VAX")
