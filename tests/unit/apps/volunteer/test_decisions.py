"""The small client's decisions, without a network."""

from __future__ import annotations

import random
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from apps.volunteer.backoff import Backoff
from apps.volunteer.housekeeping import collect_garbage
from apps.volunteer.running import MAX_RESTARTS, Ended, judge
from apps.volunteer.scheduling import apply_reply, next_request
from apps.volunteer.state import State, TaskState, Upload, load_state, save_state
from apps.volunteer.urls import canonical_master_url, project_directory_name, scheduler_url
from boinc_project.errors import ConfigError, ProtocolError
from boinc_project.protocol.reply import (
    AppVersionInfo,
    DownloadFile,
    FileRef,
    OutputFile,
    ResultInfo,
    SchedulerReply,
    WorkunitInfo,
)
from boinc_project.protocol.request import HostInfo
from boinc_project.signing import generate_key, sign
from boinc_project.states import ClientState

NOW = 1_000_000.0
BACKOFF = Backoff(60.0, 3600.0, random.Random(1))
REPLY = SchedulerReply("http://127.0.0.1:1/", "Test", 11.0)


def version(number: int) -> AppVersionInfo:
    return AppVersionInfo("a", number, "p", 1e9, (FileRef(f"a_{number}", main_program=True),))


WORK = replace(
    REPLY,
    app_versions=(version(100),),
    files=(
        DownloadFile("a_100", "http://127.0.0.1:1/a_100", 1),
        DownloadFile("in", "http://127.0.0.1:1/in", 1, md5="0" * 32),
        OutputFile("out_r1", 10, "http://127.0.0.1:1/up", "signature"),
    ),
    workunits=(WorkunitInfo("wu", "a", 1.0, 1e15, 1.0, 1.0, (FileRef("in", "unit.json"),)),),
    results=(ResultInfo("wu_0", "wu", 2_000_000, "p", 100, (FileRef("out_r1", "out"),)),),
)


@pytest.fixture
def state() -> State:
    return State("http://127.0.0.1:1/", "key", "cpid")


def exchange(state: State, reply: SchedulerReply, *, n_wanted: int = 1) -> list[str]:
    request = next_request(state, HostInfo(), n_wanted=n_wanted, now=NOW)
    return apply_reply(state, request, reply, backoff=BACKOFF, now=NOW)


@pytest.mark.parametrize(
    ("returncode", "finished", "temporary", "restarts", "kind", "status"),
    [
        (0, True, None, 0, Ended.DONE, 0),
        (0, False, None, 5, Ended.AGAIN, 0),
        (0, False, (30.0, "why"), 5, Ended.LATER, 0),
        (0, False, None, MAX_RESTARTS, Ended.FAILED, -226),
        (10, True, None, 0, Ended.FAILED, 10),
        (194, False, None, 0, Ended.FAILED, 194),
        (-signal.SIGKILL, False, None, 0, Ended.AGAIN, 0),
        (-signal.SIGTERM, True, None, 0, Ended.AGAIN, 0),
        (-signal.SIGSEGV, True, None, 0, Ended.FAILED, 193),
    ],
)
def test_the_end_of_an_app(
    returncode: int,
    finished: bool,
    temporary: tuple[float, str] | None,
    restarts: int,
    kind: Ended,
    status: int,
) -> None:
    end = judge(returncode, finished=finished, temporary=temporary, restarts=restarts)
    assert (end.kind, end.exit_status) == (kind, status)


def test_waits_double_up_to_their_limit() -> None:
    for failures, longest in [(0, 60.0), (1, 60.0), (2, 120.0), (3, 240.0), (99, 3600.0)]:
        delays = [BACKOFF.delay(failures) for _ in range(200)]
        assert longest / 2 <= min(delays) < max(delays) <= longest
        assert max(delays) - min(delays) > longest / 4  # clients do not come back together


@pytest.mark.parametrize(
    ("given", "canonical", "directory"),
    [
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/", "127.0.0.1_8080"),
        ("example.org/uc", "http://example.org/uc/", "example.org_uc"),
        (" https://example.org//uc/ ", "https://example.org/uc/", "example.org_uc"),
    ],
)
def test_master_urls(given: str, canonical: str, directory: str) -> None:
    assert canonical_master_url(given) == canonical
    assert project_directory_name(canonical) == directory


def test_a_page_without_a_scheduler_is_refused() -> None:
    assert scheduler_url(b"<!-- <scheduler>http://a.b/s</scheduler> -->") == "http://a.b/s"
    with pytest.raises(ProtocolError, match="names no scheduler"):
        scheduler_url(b"<html></html>")


def test_the_state_survives_a_restart(state: State, tmp_path: Path) -> None:
    exchange(state, replace(WORK, hostid=7))
    state.tasks["wu_0"].state = ClientState.FILES_UPLOADING
    state.tasks["wu_0"].slot = 3
    save_state(state, tmp_path)
    assert load_state(tmp_path) == state
    assert (tmp_path / "client_state.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"master_url": 1}', '{"no_such": ""}'])
def test_a_damaged_state_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "client_state.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="remove it to attach"):
        load_state(tmp_path)


def test_sequence_numbers_follow_the_host(state: State) -> None:
    assert next_request(state, HostInfo(), n_wanted=1, now=NOW).rpc_seqno == 0
    exchange(state, replace(REPLY, hostid=7))
    numbers = [next_request(state, HostInfo(), n_wanted=1, now=NOW).rpc_seqno for _ in range(3)]
    assert numbers == [0, 1, 2]
    exchange(state, replace(REPLY, hostid=8))  # taken for a copy
    assert next_request(state, HostInfo(), n_wanted=1, now=NOW).rpc_seqno == 0


def test_work_is_taken_once(state: State) -> None:
    exchange(state, WORK)
    task = state.tasks["wu_0"]
    assert [file.info.name for file in state.files_of(task)] == ["in", "a_100"]
    assert [file.is_app_file for file in state.files_of(task)] == [False, True]
    task.cpu_time = 5.0
    exchange(state, WORK)  # sent again after a lost reply
    assert state.tasks["wu_0"].cpu_time == 5.0


@pytest.mark.parametrize("lost", ["app_versions", "files", "workunits"])
def test_half_a_task_is_never_started(state: State, lost: str) -> None:
    exchange(state, replace(WORK, **{lost: ()}))
    assert all(task.over for task in state.tasks.values())


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "", "a b"])
def test_names_that_leave_the_directory_are_refused(state: State, name: str) -> None:
    result = replace(WORK.results[0], files=(FileRef("out_r1", name),))
    exchange(state, replace(WORK, results=(result,)))
    assert state.tasks == {}
    exchange(state, replace(REPLY, files=(DownloadFile(name, "http://127.0.0.1:1/x", 1),)))
    assert name not in state.downloads


def test_acks_end_reported_tasks_only(state: State) -> None:
    exchange(state, WORK)
    exchange(state, replace(REPLY, result_acks=("wu_0", "unknown")))
    assert "wu_0" in state.tasks
    state.tasks["wu_0"].over = True
    exchange(state, replace(REPLY, result_acks=("wu_0",)))
    assert state.tasks == {}


def test_aborts_if_not_started_spare_the_started(state: State) -> None:
    exchange(state, WORK)
    reply = replace(REPLY, result_aborts_if_not_started=("wu_0",))
    assert exchange(state, reply) == ["wu_0"]
    state.tasks["wu_0"].slot = 0
    assert exchange(state, reply) == []


def test_no_work_means_longer_waits(state: State) -> None:
    waits = []
    for _ in range(4):
        exchange(state, REPLY)
        waits.append(state.next_rpc - NOW)
    assert all(60.0 * 2**n / 2 <= wait <= 60.0 * 2**n for n, wait in enumerate(waits))
    exchange(state, replace(REPLY, next_rpc_delay=20.0))
    assert state.next_rpc == NOW + 20.0
    exchange(state, WORK)
    assert state.next_rpc == NOW + 11.0


def test_a_project_that_is_down_acknowledges_nothing(state: State) -> None:
    exchange(state, WORK)
    state.tasks["wu_0"].over = True
    exchange(state, replace(REPLY, result_acks=("wu_0",), project_is_down=True))
    assert "wu_0" in state.tasks


def test_a_new_key_needs_the_old_keys_word(state: State) -> None:
    old, new, stranger = generate_key(), generate_key(), generate_key()
    texts = [key.public.to_text().strip() for key in (old, new)]
    exchange(state, replace(REPLY, code_sign_key=texts[0]))
    assert state.code_sign_key == texts[0]
    for signature in ("", sign(texts[1].encode(), stranger)):
        reply = replace(REPLY, code_sign_key=texts[1], code_sign_key_signature=signature)
        exchange(state, reply)
        assert state.code_sign_key == texts[0]
    signature = sign(texts[1].encode(), old)
    exchange(state, replace(REPLY, code_sign_key=texts[1], code_sign_key_signature=signature))
    assert state.code_sign_key == texts[1]


def test_files_go_when_nothing_needs_them(state: State, tmp_path: Path) -> None:
    exchange(state, WORK)
    newer = (version(101),)
    files = (DownloadFile("a_101", "http://127.0.0.1:1/a_101", 1),)
    exchange(state, replace(REPLY, app_versions=newer, files=files))
    for name in ("a_100", "a_101", "in", "out_r1", "a_101.part", "stranger"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a_100.d").mkdir()
    collect_garbage(state, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"a_100", "a_101", "in", "out_r1", "a_101.part", "a_100.d"}
    del state.tasks["wu_0"]
    collect_garbage(state, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"a_101", "a_101.part", "a_100.d"}  # the tree goes with the next launcher
    assert set(state.downloads) == {"a_101"}


def test_a_runnable_task_is_downloaded_and_not_over() -> None:
    task = TaskState(WORK.results[0], WORK.workunits[0], [Upload(OutputFile("o", 1, "u"))])
    assert not task.is_runnable
    task.state = ClientState.FILES_DOWNLOADED
    assert task.is_runnable
    task.over = True
    assert not task.is_runnable
