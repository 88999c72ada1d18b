"""``/file_upload_handler``: size queries and uploads, always answered with HTTP status 200."""

from __future__ import annotations

import sys

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected

from boinc_project.errors import ProtocolError
from boinc_project.protocol.upload import (
    FileSizeRequest,
    FileUpload,
    Readable,
    UploadReply,
    UploadStatus,
    read_upload_request,
)
from server.project import current_project

blueprint = Blueprint("upload", __name__)
log = structlog.get_logger("upload")

DRAIN_BYTES = 1_000_000
"""Most bytes read of an upload whose answer is final: a client that is still sending when the
connection closes may not read the answer, and would try a hopeless upload for weeks."""


@blueprint.post("/file_upload_handler")
def file_upload_handler() -> Response:
    """Answer a size query, or store an upload."""
    # Outputs have their own limit, in their certificate; None would mean the application's.
    request.max_content_length = sys.maxsize
    body = _Body(request.stream)
    try:
        wanted, first = read_upload_request(body)
    except ProtocolError as error:
        reply, name = _unreadable(error, body), ""
    else:
        name = wanted.name
        body.unread(first)
        if isinstance(wanted, FileSizeRequest):
            size = current_project().uploads.stored_bytes(name)
            reply = UploadReply(UploadStatus.STORED, file_size=size)
        else:
            reply = _store(wanted, body)
    if reply.status is not UploadStatus.STORED:
        log.info("upload put off", name=name, status=reply.status.name, reason=reply.message)
    if reply.status is not UploadStatus.TRANSIENT:
        body.drain(DRAIN_BYTES)
    response = Response(reply.to_bytes(), mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response


def _store(upload: FileUpload, body: _Body) -> UploadReply:
    store = current_project().uploads
    try:
        return store.refusal(upload) or store.receive(upload, body)
    except OSError as error:
        # A full disk, a directory without permission: ours to mend, so the client keeps the file.
        log.exception("upload failed", name=upload.name)
        return UploadReply(UploadStatus.TRANSIENT, f"The server cannot store files now: {error}.")


def _unreadable(error: ProtocolError, body: _Body) -> UploadReply:
    length = request.content_length
    cut = length is not None and body.taken < length and body.ended
    status = UploadStatus.TRANSIENT if cut else UploadStatus.PERMANENT
    return UploadReply(status, error.message)


class _Body:
    """The request body as a byte stream that ends where the connection does."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._kept = b""
        self.taken = 0
        self.ended = False

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end or when the client is gone."""
        if self._kept:
            data, self._kept = self._kept[:size], self._kept[size:]
            return data
        try:
            data = self._stream.read(size)
        except (ClientDisconnected, OSError):
            data = b""
        self.taken += len(data)
        self.ended = self.ended or not data
        return data

    def unread(self, data: bytes) -> None:
        """Put back bytes that were read too far."""
        self._kept = data + self._kept

    def drain(self, limit: int) -> None:
        """Read and forget at most `limit` bytes."""
        while limit > 0 and (piece := self.read(min(limit, 65536))):
            limit -= len(piece)
