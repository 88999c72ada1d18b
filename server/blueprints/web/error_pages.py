"""Errors as pages for people with browsers; everybody else keeps the plain sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException

TITLES = {
    400: "That request was not understood",
    401: "Please log in",
    403: "That is not allowed",
    404: "There is no such page",
    405: "That cannot be done here",
    409: "That does not fit",
    413: "That is too large",
    429: "Too many tries",
    500: "Something went wrong here",
    503: "Not available right now",
}
OWN_WORDS = {
    404: "The address may be mistyped, or the page may be gone.",
    500: "The mistake is ours and is recorded. Please try again later.",
}
"""Instead of what the framework says of its own accord."""


def install_error_pages(app: Flask) -> None:
    """Show errors as pages where a browser asked for a page.

    BOINC clients accept anything, scripts mostly so; a browser names ``text/html`` first.
    """
    handlers = app.error_handler_spec[None][None]
    plain = cast("Callable[[HTTPException], Response]", handlers[HTTPException])

    def answer(error: HTTPException) -> Response:
        response = plain(error)
        return _as_page(error, response) if _wants_page() else response

    app.register_error_handler(HTTPException, answer)


def _wants_page() -> bool:
    named = [kind for kind, _ in request.accept_mimetypes]
    return "text/html" in named and not request.path.startswith("/api/")


def _as_page(error: HTTPException, plain: Response) -> Response:
    status = plain.status_code
    # A description of our own differs from the one that the framework's class has.
    own = error.description if error.description != type(error).description else None
    page = make_response(
        render_template(
            "error.html",
            title=TITLES.get(status, error.name),
            sentence=own or OWN_WORDS.get(status) or error.description,
        ),
        status,
    )
    for key, value in plain.headers.items():
        if key.lower() not in ("content-type", "content-length"):
            page.headers[key] = value
    return page
