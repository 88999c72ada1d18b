"""``/download/...``: immutable files, in whole or in part.

Clients resume with ``Range: bytes=N-``. A 4xx is final for them, a 5xx is tried again, so trouble
on our side must never look like "not found" (``client/pers_file_xfer.cpp``).
"""

from __future__ import annotations

from flask import Blueprint, Response, abort, request, send_file

from server.project import current_project

blueprint = Blueprint("download", __name__)

MAX_AGE_SECONDS = 365 * 86400
"""A year, the longest that caches are asked to take: names never get other bytes."""


@blueprint.get("/download/<path:path>")
def download(path: str) -> Response:
    """Send a file, or the range asked for."""
    found = current_project().downloads.find(path)
    if found is None:
        abort(404, "There is no such file.")
    if not _one_byte_range():
        # RFC 9110 section 14.2: a range that is not understood is ignored, not refused.
        request.environ.pop("HTTP_RANGE", None)
    response = send_file(
        found, mimetype="application/octet-stream", conditional=True, max_age=MAX_AGE_SECONDS
    )
    response.headers["Cache-Control"] = (
        f"public, max-age={MAX_AGE_SECONDS}, immutable, no-transform"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _one_byte_range() -> bool:
    wanted = request.range
    return wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1
