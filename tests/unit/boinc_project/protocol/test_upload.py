from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boinc_project.errors import MalformedRequest, RequestTooLarge
from boinc_project.protocol.upload import (
    MAX_HEADER_BYTES,
    FileSizeRequest,
    FileUpload,
    UploadReply,
    UploadStatus,
    parse_upload_reply,
    read_upload_request,
)

HEADER = FileUpload("wu7_0_r5_0", 50000, 120, "e9d79b18bc7ae5ef6a9dc0b7d4467f04", 0, "ab\n.")
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}", fullmatch=True)


class Drip(io.BytesIO):
    """A stream that gives a few bytes at a time, as a slow connection does."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(7, size or 7))


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        FileUpload,
        name=names,
        max_nbytes=st.integers(0, 10**12),
        nbytes=st.integers(0, 10**12),
        md5=st.text("0123456789abcdef", min_size=32, max_size=32),
        offset=st.integers(0, 10**12),
        signature=st.just("") | st.just("ab\ncd\n."),
    ),
    st.binary(max_size=300),
)
def test_header_and_data_come_apart_again(upload: FileUpload, data: bytes) -> None:
    stream = Drip(upload.to_bytes() + data)
    request, first = read_upload_request(stream)
    assert request == upload
    assert first + b"".join(iter(stream.read, b"")) == data


def test_data_is_never_taken_for_a_header() -> None:
    data = b"<data>\n<name>other</name></data_server_request>"
    request, first = read_upload_request(io.BytesIO(HEADER.to_bytes() + data))
    assert request == HEADER
    assert first == data


@given(names)
def test_size_query(name: str) -> None:
    request, first = read_upload_request(io.BytesIO(FileSizeRequest(name).to_bytes()))
    assert request == FileSizeRequest(name)
    assert first == b""


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/b", "", "a b", "..", "a\x00b", ".hidden", "a" * 256]
)
def test_path_tricks_are_refused(name: str) -> None:
    for body in (
        FileSizeRequest(name).to_bytes(),
        HEADER.to_bytes().replace(HEADER.name.encode(), name.encode()),
    ):
        with pytest.raises(MalformedRequest, match="file name"):
            read_upload_request(io.BytesIO(body))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"<nbytes>120", b"<nbytes>-1", "<nbytes> must not be negative"),
        (b"<nbytes>120", b"<nbytes>12x", "<nbytes> must be a whole number"),
        (b"<nbytes>120", b"<nbytes>" + b"9" * 30, "<nbytes> must be a whole number"),
        (b"<nbytes>120</nbytes>", b"", "no <nbytes>"),
        (b"<offset>0</offset>", b"", "no <offset>"),
        (b"<max_nbytes>50000</max_nbytes>", b"", "no <max_nbytes>"),
        (b"<md5_cksum>e9", b"<md5_cksum>ZZ", "<md5_cksum> must be"),
        (b"<data_server_request>", b"<request>", "not an upload request"),
        (b"<data>\n", b"", "ends before"),
        (b"</file_info>", b"", "<file_info> is not closed"),
    ],
)
def test_bad_headers_are_named(old: bytes, new: bytes, words: str) -> None:
    body = HEADER.to_bytes().replace(old, new, 1)
    with pytest.raises(MalformedRequest, match=words):
        read_upload_request(io.BytesIO(body))


def test_an_endless_header_is_cut_off() -> None:
    stream = io.BytesIO(b"<data_server_request>" + b"x" * 10**6)
    with pytest.raises(RequestTooLarge, match="within 8192 bytes"):
        read_upload_request(stream)
    assert stream.tell() <= MAX_HEADER_BYTES


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for data in (body, b"<data_server_request>\n<file_upload>" + body + b"<data>\n"):
        with pytest.raises((MalformedRequest, RequestTooLarge)):
            read_upload_request(io.BytesIO(data))


@pytest.mark.parametrize(
    "reply",
    [
        UploadReply(UploadStatus.STORED, file_size=17),
        UploadReply(UploadStatus.TRANSIENT, "disk is full"),
        UploadReply(UploadStatus.PERMANENT, "too <big> & more"),
    ],
)
def test_replies(reply: UploadReply) -> None:
    assert parse_upload_reply(reply.to_bytes()) == reply


def test_a_reply_without_status_is_transient() -> None:
    assert parse_upload_reply(b"nothing").status is UploadStatus.TRANSIENT
