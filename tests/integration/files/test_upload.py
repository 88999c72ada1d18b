from __future__ import annotations

import fcntl
import hashlib
import os
import re
import socket
import stat
import threading
from io import BytesIO
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from boinc_project import signing
from boinc_project.protocol.upload import FileUpload, UploadStatus
from server.services.uploads import CHUNK_BYTES, PARTIAL, UploadStore

NAME = "wu_1_r77_0"
DATA = os.urandom(300_000)
URL = "/file_upload_handler"


def status_of(body: bytes) -> int:
    found = re.search(rb"<status>(-?\d+)</status>", body)
    assert found, body
    return int(found[1])


def message_of(body: bytes) -> str:
    found = re.search(rb"<message>(.*)</message>", body, re.DOTALL)
    return found[1].decode() if found else ""


def send(client: FlaskClient, body: bytes) -> tuple[int, str]:
    # The content type is the one that the stock client sends, though it is no form.
    reply = client.post(URL, data=body, content_type="application/x-www-form-urlencoded")
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.data.startswith(b"<data_server_reply>\n")
    assert reply.data.rstrip().endswith(b"</data_server_reply>")
    return status_of(reply.data), message_of(reply.data)


def size(client: FlaskClient, name: str = NAME) -> int:
    body = f"<data_server_request>\n<get_file_size>{name}</get_file_size>\n</data_server_request>\n"
    reply = client.post(URL, data=body.encode())
    assert status_of(reply.data) == 0
    return int(re.search(rb"<file_size>(\d+)</file_size>", reply.data)[1])


@pytest.fixture
def final(app) -> Path:
    return app.extensions["openastro"].uploads.path(NAME)


def nothing_stored(settings) -> bool:
    root = settings.path("upload")
    return [path for path in root.rglob("*") if path.is_file()] == []


def test_a_file_is_stored_whole_durably_and_read_only(
    client, header, final, settings, monkeypatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def sync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    assert send(client, header(DATA) + DATA) == (0, "")
    assert final.read_bytes() == DATA
    assert stat.S_IMODE(final.stat().st_mode) == 0o444
    # The bytes before the name, then the directories that hold the name.
    root = settings.path("upload")
    assert synced == [str(root / PARTIAL / NAME), str(final.parent), str(root)]
    assert size(client) == len(DATA)


def test_an_output_may_be_larger_than_a_form(client, header, final, settings) -> None:
    data = bytes(settings.web.max_request_bytes + 1)
    assert send(client, header(data) + data) == (0, "")
    assert final.stat().st_size == len(data)


def test_an_empty_file_is_valid(client, header, final) -> None:
    assert send(client, header(b"")) == (0, "")
    assert final.read_bytes() == b""


def test_bytes_are_bytes(client, header, final) -> None:
    tricky = b"<data>\n</data_server_request>\r\n\x00\xff</file_upload>" * 10
    assert send(client, header(tricky) + tricky) == (0, "")
    assert final.read_bytes() == tricky


def test_nothing_is_known_of_an_unknown_file(client) -> None:
    assert size(client, "never_seen") == 0


def test_a_cut_upload_is_kept_and_goes_on(client, header, final) -> None:
    status, message = send(client, header(DATA) + DATA[:100_000])
    assert status == 1
    assert "100000 of 300000" in message
    assert not final.exists()
    assert size(client) == 100_000
    status, _ = send(client, header(DATA, offset=100_000) + DATA[100_000:200_000])
    assert status == 1
    assert size(client) == 200_000
    assert send(client, header(DATA, offset=200_000) + DATA[200_000:]) == (0, "")
    assert final.read_bytes() == DATA


def test_the_same_upload_twice_gets_the_same_answer(client, header, final) -> None:
    body = header(DATA) + DATA
    assert send(client, body) == (0, "")
    before = final.stat()
    assert send(client, body) == (0, "")
    # After a lost reply the client may also send just the end, or nothing.
    assert send(client, header(DATA, offset=299_000) + DATA[299_000:]) == (0, "")
    assert send(client, header(DATA, offset=300_000)) == (0, "")
    assert final.stat().st_mtime_ns == before.st_mtime_ns
    assert final.stat().st_ino == before.st_ino


def test_an_accepted_file_never_changes(client, header, final) -> None:
    send(client, header(DATA) + DATA)
    other = DATA[::-1]
    assert send(client, header(other) + other) == (0, "")
    assert final.read_bytes() == DATA


def test_all_bytes_there_but_not_acknowledged_yet_is_finished_by_an_empty_rest(
    client, header, final, settings
) -> None:
    part = settings.path("upload") / PARTIAL / NAME
    part.parent.mkdir()
    part.write_bytes(DATA)  # the server was killed between the last byte and the rename
    assert size(client) == len(DATA)
    assert send(client, header(DATA, offset=len(DATA))) == (0, "")
    assert final.read_bytes() == DATA


def test_an_offset_beyond_what_is_here_is_put_off(client, header, final) -> None:
    send(client, header(DATA) + DATA[:1000])
    status, message = send(client, header(DATA, offset=2000) + DATA[2000:])
    assert status == 1
    assert "ask for the file's size" in message
    assert size(client) == 1000
    assert not final.exists()


def test_an_offset_before_what_is_here_writes_over_it(client, header, final) -> None:
    send(client, header(DATA) + bytes(200_000))  # wrong bytes
    assert send(client, header(DATA, offset=0) + DATA) == (0, "")
    assert final.read_bytes() == DATA


def test_a_longer_part_of_an_earlier_attempt_leaves_no_tail(client, header, final) -> None:
    longer = DATA + DATA
    send(client, header(longer) + longer[:-1])
    assert send(client, header(DATA) + DATA) == (0, "")
    assert final.read_bytes() == DATA


def test_a_wrong_digest_drops_the_part_and_asks_again(client, header, final, settings) -> None:
    damaged = DATA[:-1] + bytes([DATA[-1] ^ 1])
    status, message = send(client, header(DATA) + damaged)
    assert status == 1
    assert "md5" in message
    assert size(client) == 0
    assert nothing_stored(settings)
    assert send(client, header(DATA) + DATA) == (0, "")
    assert final.read_bytes() == DATA


# What can never be accepted


def forged(header: bytes, *changes: tuple[bytes, bytes]) -> bytes:
    for old, new in changes:
        assert old in header
        header = header.replace(old, new, 1)
    return header


def test_a_certificate_holds_for_its_own_name_and_limit_only(client, header, settings) -> None:
    good = header(DATA)
    signature = re.search(rb"<xml_signature>.*?</xml_signature>", good, re.DOTALL)[0]
    for bad in (
        forged(good, (NAME.encode(), b"wu_2_r77_0")),
        forged(good, (b"<max_nbytes>10000000<", b"<max_nbytes>99999999<")),
        forged(good, (signature, b"<xml_signature>\n</xml_signature>")),
        forged(good, (signature, b"")),
        forged(good, (signature, b"<xml_signature>\n" + b"0" * 256 + b".</xml_signature>")),
        forged(good, (signature, b"<xml_signature>garbage</xml_signature>")),
    ):
        status, message = send(client, bad + DATA)
        assert status == -1
        assert "certificate" in message
    assert nothing_stored(settings)


def test_the_code_signing_key_makes_no_certificates(client, settings, tmp_path) -> None:
    key = signing.load_private_key(tmp_path / "off-line" / "code_sign_private")
    upload = FileUpload(
        name=NAME,
        max_nbytes=10,
        nbytes=1,
        md5=hashlib.md5(b"x").hexdigest(),
        signature=signing.sign_upload(NAME, 10, key).rstrip(),
    )
    assert send(client, upload.to_bytes() + b"x")[0] == -1
    assert nothing_stored(settings)


def test_a_file_above_its_limit_is_refused(client, header, settings) -> None:
    status, message = send(client, header(DATA, max_nbytes=299_999) + DATA)
    assert status == -1
    assert "300000" in message
    assert "299999" in message
    assert nothing_stored(settings)
    assert send(client, header(DATA, max_nbytes=300_000) + DATA) == (0, "")


def test_more_bytes_than_told_are_refused(client, header, settings) -> None:
    status, message = send(client, header(DATA) + DATA + b"x")
    assert status == -1
    assert "More bytes came" in message
    assert nothing_stored(settings)


def test_an_offset_beyond_the_end_is_refused(client, header, settings) -> None:
    status, message = send(client, header(DATA, offset=300_001))
    assert status == -1
    assert "offset" in message
    assert nothing_stored(settings)


def test_an_upload_without_digest_is_refused(client, header, settings) -> None:
    digest = hashlib.md5(DATA).hexdigest().encode()
    status, message = send(client, forged(header(DATA), (digest, b"")) + DATA)
    assert status == -1
    assert "md5_cksum" in message
    assert nothing_stored(settings)


@pytest.mark.parametrize(
    "name",
    [
        *["../../keys/upload_public", "/etc/passwd", "a/b", ".partial", "..", "", "a b", "a%2e"],
        *["a\x01", "x" * 256, "a\nb", "é", "&lt;x"],
    ],
)
def test_hostile_names_are_refused_in_uploads_and_size_queries(
    client, upload_key, settings, name
) -> None:
    upload = FileUpload(
        name=name,
        max_nbytes=10,
        nbytes=1,
        md5=hashlib.md5(b"x").hexdigest(),
        signature=signing.sign_upload(name, 10, upload_key).rstrip(),
    )
    query = f"<data_server_request><get_file_size>{name}</get_file_size></data_server_request>"
    for body in (upload.to_bytes() + b"x", query.encode()):
        status, message = send(client, body)
        assert status == -1
        assert "name" in message
    assert nothing_stored(settings)


@pytest.mark.parametrize("element", [b"nbytes", b"offset", b"max_nbytes"])
@pytest.mark.parametrize(
    "value", [b"-1", b"1e3", b"0x10", b"NaN", b"", b"9" * 400, b"1 2", b"--", b"1.5"]
)
def test_hostile_lengths_are_refused(client, header, settings, element, value) -> None:
    bad = re.sub(rb"<%b>[^<]*<" % element, rb"<%b>%b<" % (element, value), header(DATA))
    status, message = send(client, bad + DATA)
    assert status == -1
    assert message.endswith((".", "accepted"))
    assert nothing_stored(settings)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<data_server_request>",
        b"<data_server_request></data_server_request>",
        b"<data_server_request><file_upload><data>\n",
        b"<data_server_request>" + b"x" * 100_000,
        b"<data_server_request>" + b"<a>" * 2700,
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
        b"\x00" * 10_000,
        b"\xff\xfe" * 5000,
    ],
)
def test_what_is_no_upload_request_is_refused_in_one_sentence(client, settings, body) -> None:
    status, message = send(client, body)
    assert status == -1
    assert message.endswith(".")
    assert "Traceback" not in message
    assert nothing_stored(settings)


# The store, with the world against it


@pytest.fixture
def store(settings, upload_key) -> UploadStore:
    return UploadStore(settings.path("upload"), fanout=16, key=upload_key.public, min_free_bytes=0)


@pytest.fixture
def upload(upload_key) -> FileUpload:
    return FileUpload(
        name=NAME,
        max_nbytes=10**6,
        nbytes=len(DATA),
        md5=hashlib.md5(DATA).hexdigest(),
        signature=signing.sign_upload(NAME, 10**6, upload_key),
    )


def test_a_full_disk_is_noticed_before_a_byte_is_read(settings, upload_key, upload) -> None:
    free = [len(DATA) + 4999]
    store = UploadStore(
        settings.path("upload"),
        fanout=16,
        key=upload_key.public,
        min_free_bytes=5000,
        free_bytes=lambda path: free[0],
    )
    refused = store.refusal(upload)
    assert refused.status is UploadStatus.TRANSIENT
    assert "disk" in refused.message
    free[0] += 1
    assert store.refusal(upload) is None


def test_a_full_disk_is_answered_over_http_too(app, client, header, settings) -> None:
    app.extensions["openastro"].uploads._free_bytes = lambda path: 0
    status, message = send(client, header(DATA) + DATA)
    assert status == 1
    assert "disk" in message
    assert nothing_stored(settings)


def test_an_error_of_the_file_system_is_put_off_not_refused(
    client, header, settings, monkeypatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("server.services.uploads.os.fsync", full)
    status, message = send(client, header(DATA) + DATA)
    assert status == 1
    assert "No space left" in message
    monkeypatch.undo()
    assert send(client, header(DATA, offset=size(client)))[0] == 0


def test_a_second_writer_is_put_off_while_the_first_writes(store, upload) -> None:
    started, go_on = threading.Event(), threading.Event()

    class Slow(BytesIO):
        def read(self, size: int = -1, /) -> bytes:
            started.set()
            go_on.wait(30)
            return super().read(size)

    answers = []
    first = threading.Thread(target=lambda: answers.append(store.receive(upload, Slow(DATA))))
    first.start()
    assert started.wait(30)
    second = store.receive(upload, BytesIO(DATA[::-1]))
    go_on.set()
    first.join(30)
    assert second.status is UploadStatus.TRANSIENT
    assert "Another connection" in second.message
    assert answers[0].status is UploadStatus.STORED
    assert store.path(NAME).read_bytes() == DATA


def test_a_writer_that_locks_a_part_that_was_just_finished_does_not_touch_it(
    store, upload, monkeypatch
) -> None:
    real, raced = fcntl.flock, []

    def finish_first(stream, operation) -> None:
        if not raced:  # between open and lock, another connection finishes the file
            raced.append(True)
            assert store.receive(upload, BytesIO(DATA)).status is UploadStatus.STORED
        real(stream, operation)

    monkeypatch.setattr("server.services.uploads.fcntl.flock", finish_first)
    late = store.receive(upload, BytesIO(DATA[:10]))
    assert late.status is UploadStatus.TRANSIENT
    assert store.path(NAME).read_bytes() == DATA
    assert store.stored_bytes(NAME) == len(DATA)


def test_a_symbolic_link_in_place_of_a_part_is_not_followed(store, upload, tmp_path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    part = store.root / PARTIAL / NAME
    part.parent.mkdir()
    part.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        store.receive(upload, BytesIO(DATA))
    assert victim.read_bytes() == b"precious"


def test_removing_takes_the_part_too(store, upload) -> None:
    store.receive(upload, BytesIO(DATA[:10]))
    store.remove(NAME)
    assert store.stored_bytes(NAME) == 0
    store.receive(upload, BytesIO(DATA))
    store.remove(NAME)
    store.remove(NAME)
    assert store.stored_bytes(NAME) == 0


# The real web server


def post_head(length: int, *, expect: bool = False) -> bytes:
    lines = ["POST /file_upload_handler HTTP/1.1", "Host: x", f"Content-Length: {length}"]
    lines += ["Content-Type: application/x-www-form-urlencoded"]
    lines += ["Expect: 100-continue"] if expect else []
    return "\r\n".join([*lines, "", ""]).encode()


def whole_reply(connection: socket.socket) -> bytes:
    reply = b""
    while b"</data_server_reply>" not in reply:
        piece = connection.recv(65536)
        assert piece, reply
        reply += piece
    return reply


def test_a_server_killed_in_mid_upload_resumes_where_it_was(web, header, settings) -> None:
    data = os.urandom(3_000_000)
    final = UploadStore(
        settings.path("upload"),
        fanout=settings.files.fanout,
        key=signing.load_public_key(settings.path("keys") / "upload_public"),
        min_free_bytes=0,
    ).path(NAME)
    part = settings.path("upload") / PARTIAL / NAME
    sent, kills = 0, 0
    while not final.exists():
        query = f"<data_server_request><get_file_size>{NAME}</get_file_size></data_server_request>"
        here = int(re.search(rb"<file_size>(\d+)<", web.post(query.encode()))[1])
        assert sent - CHUNK_BYTES <= here <= sent  # nothing lost but a chunk
        assert data[:here] == (part.read_bytes() if part.exists() else b"")
        body = header(data, offset=here) + data[here:]
        connection = socket.create_connection(web.address, timeout=30)
        connection.sendall(post_head(len(body)))
        if kills == 2:
            connection.sendall(body)
            assert b"<status>0</status>" in whole_reply(connection)
            connection.close()
            break
        upto = 1_000_000 * (kills + 1)
        connection.sendall(body[: len(body) - (len(data) - upto)])
        sent = upto
        while not part.exists() or part.stat().st_size < upto - CHUNK_BYTES:
            threading.Event().wait(0.01)
        web.kill()
        connection.close()
        kills += 1
        web.start()
    assert kills == 2
    assert final.read_bytes() == data
    assert not part.exists()


def test_a_connection_lost_in_mid_upload_keeps_what_came(web, header, settings) -> None:
    body = header(DATA) + DATA
    connection = socket.create_connection(web.address, timeout=30)
    connection.sendall(post_head(len(body)) + body[:200_000])
    connection.shutdown(socket.SHUT_WR)
    assert b"<status>1</status>" in whole_reply(connection)
    connection.close()
    came = 200_000 - (len(body) - len(DATA))
    here = (settings.path("upload") / PARTIAL / NAME).stat().st_size
    assert came - CHUNK_BYTES <= here <= came
    assert b"<status>0</status>" in web.post(header(DATA, offset=here) + DATA[here:])


def test_expect_continue_is_answered(web, header) -> None:
    body = header(DATA) + DATA
    connection = socket.create_connection(web.address, timeout=30)
    connection.sendall(post_head(len(body), expect=True))
    assert connection.recv(65536).startswith(b"HTTP/1.1 100")
    connection.sendall(body)
    assert b"<status>0</status>" in whole_reply(connection)
    connection.close()


def test_a_refused_upload_hears_why(web, header) -> None:
    data = os.urandom(900_000)
    body = header(data, max_nbytes=10) + data
    assert b"at most 10" in web.post(body)


def test_a_header_that_is_cut_off_is_put_off(web, header) -> None:
    body = header(DATA)
    connection = socket.create_connection(web.address, timeout=30)
    connection.sendall(post_head(len(body) + len(DATA)) + body[:50])
    connection.shutdown(socket.SHUT_WR)
    assert b"<status>1</status>" in whole_reply(connection)
    connection.close()
