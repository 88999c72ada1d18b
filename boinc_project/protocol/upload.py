"""The file upload handler's requests and replies (``client/file_xfer.cpp``).

An upload is a text header followed by the file's raw bytes, with nothing after them; its elements
are never closed. A size query is a header alone. Only the header is ever decoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from boinc_project.errors import MalformedRequest, RequestTooLarge
from boinc_project.fanout import check_file_name
from boinc_project.protocol.scanner import elements, first_elements, integer, plain
from boinc_project.protocol.text import element

MAX_HEADER_BYTES = 8192
"""A client's header has about 700 bytes; the stock handler's buffer has this size."""

_DATA = b"<data>\n"
_END = b"</data_server_request>"
_MD5 = re.compile(r"[0-9a-f]{32}\Z")


class Readable(Protocol):
    """The one method of a byte stream that is needed here."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


class UploadStatus(IntEnum):
    """What the client does next with an upload (``<status>``)."""

    STORED = 0
    """Done, or a size query answered."""
    TRANSIENT = 1
    """Try again later; nothing is lost."""
    PERMANENT = -1
    """Never; the client gives the computed work up."""


@dataclass(frozen=True, slots=True)
class FileSizeRequest:
    """How much of a file is already here? (``<get_file_size>``)."""

    name: str
    """Physical name of the file."""

    def to_bytes(self) -> bytes:
        """Return the whole request."""
        text = "<data_server_request>\n" + element("get_file_size", self.name)
        return (text + "</data_server_request>\n").encode()


@dataclass(frozen=True, slots=True)
class FileUpload:
    """The header of an upload.

    Attributes
    ----------
    name : str
        Physical name of the file.
    max_nbytes : int
        The size limit that the client was given; covered by the certificate.
    nbytes : int
        Size of the whole file, not of the part that is sent.
    md5 : str
        Of the whole file, 32 lower-case hexadecimal digits; empty if the client gave none.
    offset : int
        Where the bytes that follow belong.
    signature : str
        The upload certificate's signature block, stripped; empty if the client was given none.
    """

    name: str
    max_nbytes: int
    nbytes: int
    md5: str = ""
    offset: int = 0
    signature: str = ""

    @property
    def remaining(self) -> int:
        """Bytes that follow the header."""
        return max(self.nbytes - self.offset, 0)

    def to_bytes(self) -> bytes:
        """Return the header; the file's bytes from `offset` on follow it directly."""
        lines = ["<data_server_request>\n<file_upload>\n<file_info>\n", element("name", self.name)]
        lines.append(f"<xml_signature>\n{self.signature}</xml_signature>\n")
        lines += [element("max_nbytes", self.max_nbytes), "</file_info>\n"]
        lines += [element("nbytes", self.nbytes), element("md5_cksum", self.md5)]
        lines += [element("offset", self.offset), "<data>\n"]
        return "".join(lines).encode()


UploadRequest = FileSizeRequest | FileUpload


@dataclass(frozen=True, slots=True)
class UploadReply:
    """What the handler answers, always with HTTP status 200."""

    status: UploadStatus
    message: str = ""
    file_size: int | None = None
    """Bytes already stored; the answer to a `FileSizeRequest`."""

    def to_bytes(self) -> bytes:
        """Return the body of the answer."""
        lines = ["<data_server_reply>\n", element("status", int(self.status))]
        if self.file_size is not None:
            lines.append(element("file_size", self.file_size))
        if self.message:
            lines.append(element("message", self.message[:1000]))
        return ("".join(lines) + "</data_server_reply>\n").encode()


def parse_upload_reply(body: bytes) -> UploadReply:
    """Read a handler's answer, as the client does: a missing status is transient."""
    found = first_elements(body.decode("latin-1").replace("<data_server_reply>", ""))
    try:
        status = UploadStatus(integer(found.get("status", "1"), "status"))
    except ValueError:
        status = UploadStatus.PERMANENT
    size = integer(found["file_size"], "file_size") if "file_size" in found else None
    return UploadReply(status, plain(found.get("message", ""), limit=1000), size)


def read_upload_request(stream: Readable) -> tuple[UploadRequest, bytes]:
    """Read the header from a request body.

    Returns
    -------
    request : UploadRequest
        What the client wants.
    first : bytes
        File bytes that were read together with the header; the rest is still in the stream.

    Raises
    ------
    MalformedRequest
        If it is no upload request, or a name, size or digest in it is not usable.
    RequestTooLarge
        If no header ends within `MAX_HEADER_BYTES`.
    """
    head = b""
    while True:
        at = head.find(_DATA)
        if at >= 0:
            return parse_upload_header(head[:at]), head[at + len(_DATA) :]
        if _END in head:
            return parse_upload_header(head), b""
        if len(head) >= MAX_HEADER_BYTES:
            raise RequestTooLarge(
                f"The upload header does not end within {MAX_HEADER_BYTES} bytes.",
                limit=MAX_HEADER_BYTES,
            )
        piece = stream.read(MAX_HEADER_BYTES - len(head))
        if not piece:
            raise MalformedRequest("The upload request ends before its <data> element.")
        head += piece


def parse_upload_header(header: bytes) -> UploadRequest:
    """Read the header of an upload request, without ``<data>`` and what follows.

    Raises
    ------
    MalformedRequest
        If it is no upload request, or a name, size or digest in it is not usable.
    """
    text = header.decode("latin-1")
    start = text.find("<data_server_request>")
    if start < 0:
        raise MalformedRequest("The body is not an upload request: no <data_server_request>.")
    for frame in ("<data_server_request>", "<file_upload>", "</data_server_request>"):
        text = text.replace(frame, "", 1)
    found = dict(elements(text))
    if "get_file_size" in found:
        return FileSizeRequest(check_file_name(found["get_file_size"].strip()))
    if "file_info" not in found:
        raise MalformedRequest("The upload names no file: <file_info> is missing.")
    return _file_upload(found, first_elements(found["file_info"]))


def _file_upload(found: dict[str, str], info: dict[str, str]) -> FileUpload:
    md5 = found.get("md5_cksum", "").strip()
    if md5 and not _MD5.match(md5):
        raise MalformedRequest("<md5_cksum> must be 32 hexadecimal digits.", element="md5_cksum")
    return FileUpload(
        name=check_file_name(info.get("name", "").strip()),
        max_nbytes=_size(info, "max_nbytes"),
        nbytes=_size(found, "nbytes"),
        md5=md5,
        offset=_size(found, "offset"),
        signature=info.get("xml_signature", "").strip(),
    )


def _size(found: dict[str, str], name: str) -> int:
    if name not in found:
        raise MalformedRequest(f"The upload has no <{name}>.", element=name)
    raw = found[name].strip()
    # max_nbytes is a double in the client and printed as such by old versions.
    value = integer(raw.removesuffix(".000000"), name)
    if value < 0:
        raise MalformedRequest(f"<{name}> must not be negative.", element=name)
    return value
