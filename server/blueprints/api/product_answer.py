"""Sending a product file: ranges, validators and digests (RFC 9110, RFC 9530)."""

from __future__ import annotations

import base64
from io import BufferedReader

from flask import Response, abort, request, send_file

from server.services.products_view import ProductFile

IMMUTABLE = "public, max-age=31536000, immutable"
"""For an address that names the digest: those bytes never change."""
REVALIDATE = "no-cache"
"""For the newest version: caches may keep it, and must ask each time whether it still is."""


def answer_with_file(file: ProductFile, stream: BufferedReader, *, wanted: str | None) -> Response:
    """Answer with a file, or the part of it that is asked for.

    Parameters
    ----------
    file : ProductFile
        What is sent; its SHA-256 is the strong ``ETag``.
    stream : BufferedReader
        The open file; closed with the response.
    wanted : str, optional
        SHA-256 that the address names.
    """
    if wanted is not None and wanted != file.sha256:
        stream.close()
        abort(410, f"{file.name} was replaced by a newer version of the product.")
    _ignore_what_we_cannot_range()
    response = send_file(
        stream,
        mimetype=file.media_type,
        download_name=file.name,
        as_attachment=False,
        conditional=False,
        etag=file.sha256,
        last_modified=file.modified,
        max_age=0,
    )
    response.content_length = file.nbytes
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode("ascii")
    response.headers["Repr-Digest"] = f"sha-256=:{digest}:"
    response.headers["X-Content-SHA256"] = file.sha256
    response.headers["Cache-Control"] = REVALIDATE if wanted is None else IMMUTABLE
    response.headers["X-Content-Type-Options"] = "nosniff"
    try:
        response.make_conditional(request.environ, accept_ranges=True, complete_length=file.nbytes)
    except BaseException:
        response.close()
        raise
    return response


def _ignore_what_we_cannot_range() -> None:
    # RFC 9110, 14.2: a server may ignore Range; several ranges at once are not worth a multipart.
    if "," in request.headers.get("Range", ""):
        request.environ.pop("HTTP_RANGE")
