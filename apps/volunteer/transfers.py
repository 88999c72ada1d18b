"""Downloads and uploads of files, with the checks that the stock client makes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from apps.volunteer import transport
from apps.volunteer.state import Download, Upload
from boinc_project.errors import ProtocolError, SigningError, TransientError
from boinc_project.protocol.upload import (
    FileSizeRequest,
    FileUpload,
    UploadStatus,
    parse_upload_reply,
)
from boinc_project.signing import parse_public_key, verify_md5

SMALL_FILE = 8192
"""Below this size the first attempt does not ask how much is there (``client/file_xfer.cpp``)."""


def fetch_file(file: Download, directory: Path, code_sign_key: str) -> None:
    """Download a file and check it; it appears under its name only if it is right.

    Raises
    ------
    TransientError
        If it is worth trying again.
    ProtocolError, SigningError
        If it is not: refused, of another size or content, unsigned, or wrongly signed.
    """
    info = file.info
    partial = directory / f"{info.name}.part"
    transport.download(info.url, partial, info.nbytes)
    try:
        _check(file, _md5(partial), code_sign_key)
    except (ProtocolError, SigningError):
        partial.unlink()
        raise
    if info.executable:
        partial.chmod(0o755)
    partial.replace(directory / info.name)


def is_intact(file: Download, directory: Path, code_sign_key: str) -> bool:
    """Tell whether a file that was downloaded earlier is still what it has to be."""
    path = directory / file.info.name
    try:
        _check(file, _md5(path), code_sign_key)
    except (OSError, ProtocolError, SigningError):
        path.unlink(missing_ok=True)
        return False
    return True


def _check(file: Download, md5: str, code_sign_key: str) -> None:
    info = file.info
    if file.is_app_file:
        # Everything that is run is signed; the signature is over the md5.
        if not info.signature:
            raise SigningError(f"The application file {info.name} is not signed.")
        if not verify_md5(md5, info.signature, parse_public_key(code_sign_key)):
            raise SigningError(f"The signature of the application file {info.name} is wrong.")
    elif info.md5 and md5 != info.md5:
        raise ProtocolError(f"The file {info.name} is not the one that the project announced.")


def describe_output(upload: Upload, path: Path) -> None:
    """Note the size and digest of a finished output."""
    upload.nbytes, upload.md5 = path.stat().st_size, _md5(path)


def send_file(upload: Upload, path: Path) -> None:
    """Upload an output, going on where an earlier attempt ended.

    Raises
    ------
    TransientError
        If it is worth trying again.
    ProtocolError
        If the project refuses it for good.
    """
    offset = 0
    if upload.nbytes >= SMALL_FILE or upload.failures:
        offset = _ask(upload.info.url, FileSizeRequest(upload.info.name).to_bytes()) or 0
        if offset >= upload.nbytes > 0:
            return
    header = FileUpload(
        name=upload.info.name,
        max_nbytes=upload.info.max_nbytes,
        nbytes=upload.nbytes,
        md5=upload.md5,
        offset=offset,
        signature=upload.info.certificate,
    ).to_bytes()
    _ask(upload.info.url, header, path, offset)


def _ask(url: str, header: bytes, path: Path | None = None, offset: int = 0) -> int | None:
    try:
        reply = parse_upload_reply(transport.send(url, header, path, offset))
    except ProtocolError as error:
        # Unlike downloads, uploads are not given up for an HTTP status (``client/file_xfer.cpp``).
        raise TransientError(error.message) from error
    if reply.status is UploadStatus.PERMANENT:
        raise ProtocolError(f"The upload is refused: {reply.message}")
    if reply.status is not UploadStatus.STORED:
        raise TransientError(f"The upload is put off: {reply.message}")
    return reply.file_size


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()
