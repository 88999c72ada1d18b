"""What the stock client really sends is read as it was meant."""

from __future__ import annotations

import io
from pathlib import Path

from boinc_project.protocol.request_parser import parse_scheduler_request
from boinc_project.protocol.request_writer import scheduler_request_bytes
from boinc_project.protocol.upload import FileUpload, read_upload_request
from boinc_project.signing import parse_public_key
from boinc_project.states import ClientState

HERE = Path(__file__).parent


def recorded(name: str) -> bytes:
    return (HERE / name).read_bytes()


def test_first_request() -> None:
    request = parse_scheduler_request(recorded("attach.xml"))
    assert request.authenticator == "0123456789abcdef0123456789abcdef"
    assert (request.hostid, request.rpc_seqno) == (0, 0)
    assert request.client_version == (7, 20, 5)
    assert request.platforms[0] == "x86_64-pc-linux-gnu"
    assert request.code_sign_key == ""
    assert request.work.seconds == 1.0
    assert request.work.instances == 0.0
    assert request.work.wanted
    assert request.host.p_ncpus == 2
    assert request.host.host_cpid == "00112233445566778899aabbccddeeff"
    assert request.host.m_nbytes > 1e9
    assert request.preferences.ram_max_used_busy_pct == 50.0
    assert request.preferences.ram_max_used_idle_pct == 90.0
    assert request.disk.d_project_share is not None
    assert request.results == ()
    assert request.allow_multiple_clients


def test_tasks_in_hand() -> None:
    request = parse_scheduler_request(recorded("in_progress.xml"))
    assert request.hostid == 42
    assert set(request.other_results or ()) == {"wu0_0", "wu1_0"}
    parse_public_key(request.code_sign_key + "\n")


def test_report_of_a_success_and_of_a_failed_download() -> None:
    request = parse_scheduler_request(recorded("report.xml"))
    good, bad = request.results
    assert (good.name, good.state, good.exit_status) == ("wu0_0", ClientState.FILES_UPLOADED, 0)
    assert good.success
    assert "said <result> & café" in good.stderr
    assert good.elapsed_time > 0
    assert (bad.name, bad.state, bad.exit_status) == ("wu1_0", ClientState.FILES_DOWNLOADING, -186)
    assert not bad.success
    assert "-224" in bad.stderr
    assert request.other_results == ()
    assert request.work.instances == 1.0


def test_our_own_writing_of_a_recorded_request_says_the_same() -> None:
    for name in ("attach.xml", "in_progress.xml", "report.xml"):
        request = parse_scheduler_request(recorded(name))
        assert parse_scheduler_request(scheduler_request_bytes(request)) == request


def test_upload() -> None:
    stream = io.BytesIO(recorded("upload.bin"))
    upload, first = read_upload_request(stream)
    assert isinstance(upload, FileUpload)
    assert (upload.name, upload.nbytes, upload.offset) == ("wu0_0_r55_0", 6, 0)
    assert upload.max_nbytes == 50000
    assert upload.md5 == "b1946ac92492d2347c6235b4d2611184"
    assert upload.signature.count("\n") == 4
    assert first + stream.read() == b"hello\n"
