"""The web application: `create_app` ties settings, database and blueprints together."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from boinc_project.errors import (
    AuthError,
    ConfigError,
    OpenAstroError,
    RequestTooLarge,
    StateError,
    TransientError,
)
from boinc_project.settings import Settings
from server.blueprints import account_rpc, api, files, scheduler, web
from server.db import Database
from server.project import EXTENSION, Project

log = structlog.get_logger("web")

BLUEPRINTS = (scheduler, account_rpc, files, web, api)
"""Packages with ``register(app)``."""

STATUS_OF_ERROR: tuple[tuple[type[OpenAstroError], int], ...] = (
    (AuthError, 401),
    (RequestTooLarge, 413),
    (StateError, 409),
    (TransientError, 503),
    (ConfigError, 500),
    (OpenAstroError, 400),
)
"""The first class that fits decides."""


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    clock: Callable[[], float] = time.time,
) -> Flask:
    """Make the Flask application of one project.

    Parameters
    ----------
    settings : Settings
        The project's settings.
    database : Database, optional
        An open database; by default the one that the settings name.
    clock : Callable[[], float], optional
        Returns epoch seconds (UTC).
    """
    project = Project(settings, database=database, clock=clock)
    app = Flask("server")
    app.config.from_mapping(
        SECRET_KEY=project.session_secret,
        MAX_CONTENT_LENGTH=settings.web.max_request_bytes,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.project.url.startswith("https://"),
    )
    app.url_map.merge_slashes = False  # one file, one address
    app.extensions[EXTENSION] = project
    if settings.web.proxies:
        hops = settings.web.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    app.register_error_handler(OpenAstroError, _answer_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.after_request(_default_caching)
    for package in BLUEPRINTS:
        package.register(app)
    return app


def status_of(error: OpenAstroError) -> int:
    """Return the HTTP status of an error."""
    return next(status for kind, status in STATUS_OF_ERROR if isinstance(error, kind))


def _answer_error(error: OpenAstroError) -> Response:
    status = status_of(error)
    if status >= 500:
        log.error("request failed", path=request.path, error=error.message)
    return _sentence(status, error.message)


def _answer_http_error(error: HTTPException) -> Response:
    response = error.get_response()
    answer = _sentence(error.code or 500, error.description or error.name)
    # Headers such as Allow, Retry-After, Location and Content-Range belong to the answer.
    for key, value in response.headers.items():
        if key.lower() not in ("content-type", "content-length"):
            answer.headers[key] = value
    return answer


def _sentence(status: int, text: str) -> Response:
    if request.path.startswith("/api/"):
        response = jsonify(error={"status": status, "message": text})
    else:
        response = Response(text + "\n", mimetype="text/plain")
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def _default_caching(response: Response) -> Response:
    # Volunteers sit behind caching proxies: only what says so itself may be kept.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
