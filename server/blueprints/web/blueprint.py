"""The blueprint that all pages share, and what every page carries."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request

from server.services.products_view import DigestMemory
from server.services.status import StatusBoard

blueprint = Blueprint("web", __name__)

STATUS_BOARD = "openastro_status"
DIGESTS = "openastro_digests"

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""Scripts, styles and images are our own files: no page needs an inline one."""


def status_board() -> StatusBoard:
    """Return the application's status figures."""
    board = current_app.extensions[STATUS_BOARD]
    assert isinstance(board, StatusBoard)
    return board


def digest_memory() -> DigestMemory:
    """Return the digests of product files that this process knows."""
    memory = current_app.extensions[DIGESTS]
    assert isinstance(memory, DigestMemory)
    return memory


@blueprint.after_request
def _protect(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


def wants_fragment() -> bool:
    """Return whether the page's script asks only for the part that changes."""
    return request.args.get("fragment") == "live"
