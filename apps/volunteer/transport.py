"""Plain HTTP with time limits, for requests and for files that may be resumed."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO

from boinc_project.errors import ProtocolError, TransientError

TIMEOUT = 60.0
MAX_REPLY_BYTES = 50_000_000
CHUNK = 1 << 18
USER_AGENT = "OpenAstro volunteer client"


def fetch(url: str) -> bytes:
    """Return the body of a page; see `send` for what is raised."""
    with _open(url) as reply:
        return bytes(reply.read(MAX_REPLY_BYTES))


def send(url: str, header: bytes, file: Path | None = None, offset: int = 0) -> bytes:
    """POST a text, and a file's bytes from `offset` on behind it; return the answer's body.

    Raises
    ------
    TransientError
        If the network or the server fails.
    ProtocolError
        If the server refuses for good (HTTP 4xx).
    """
    length = len(header) + (file.stat().st_size - offset if file else 0)
    headers = {"Content-Length": str(length), "Content-Type": "text/xml"}
    with _open(url, headers, _body(header, file, offset)) as reply:
        return bytes(reply.read(MAX_REPLY_BYTES))


def download(url: str, path: Path, nbytes: int) -> None:
    """Fetch a file, going on where an earlier attempt ended.

    Parameters
    ----------
    url : str
        Where it is.
    path : Path
        The partial file; complete when this returns.
    nbytes : int
        Its exact size: no more than that is ever written.

    Raises
    ------
    TransientError
        If the network or the server fails, or the transfer was cut; what came is kept.
    ProtocolError
        If the server refuses for good, or sends more or less than it said.
    """
    have = path.stat().st_size if path.exists() else 0
    if have > nbytes:
        path.unlink()
        have = 0
    if have == nbytes and path.exists():
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    with _open(url, headers) as reply:
        if have and reply.status != 206:
            have = 0  # all of it again
        with path.open("ab" if have else "wb") as stream:
            _copy(reply, stream, nbytes - have)
    if path.stat().st_size < nbytes:
        raise TransientError(f"{url} was cut short.")


def _copy(reply: BinaryIO, stream: BinaryIO, limit: int) -> None:
    while chunk := reply.read(min(CHUNK, limit + 1)):
        if len(chunk) > limit:
            raise ProtocolError("The file is larger than the project said.")
        stream.write(chunk)
        limit -= len(chunk)


def _body(header: bytes, file: Path | None, offset: int) -> Iterator[bytes]:
    yield header
    if file is None:
        return
    with file.open("rb") as stream:
        stream.seek(offset)
        while chunk := stream.read(CHUNK):
            yield chunk


@contextlib.contextmanager
def _open(
    url: str, headers: dict[str, str] | None = None, body: Iterator[bytes] | None = None
) -> Iterator[Any]:
    """Open a URL; every failure, also while the answer is read, becomes one of our errors."""
    if not url.lower().startswith(("http://", "https://")):
        raise ProtocolError(f"{url!r} is not an http address.")
    headers = {**(headers or {}), "User-Agent": USER_AGENT}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:  # noqa: S310
            yield reply
    except urllib.error.HTTPError as error:
        with error:
            sentence = f"{url} answered {error.code} {error.reason}."
        if 400 <= error.code < 500 and error.code not in {408, 429}:
            raise ProtocolError(sentence, code=error.code) from error
        raise TransientError(sentence) from error
    except (OSError, HTTPException) as error:
        raise TransientError(f"The connection to {url} failed: {error}.") from error
