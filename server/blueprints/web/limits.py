"""How often one address may try: passwords are tried out and accounts are made by machines.

Counts are kept in each server process, so several processes allow as many times more.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

LIMITS = {
    # A person mistypes a few times; a thousand tries a day against 6 characters find nothing.
    "web.login": "10 per minute; 60 per hour",
    # A class room behind one address may make its accounts in one hour.
    "web.create_account": "10 per minute; 60 per hour",
}


def install_limits(app: Flask) -> None:
    """Count the forms sent to the routes in `LIMITS`; looking at a form is free."""
    app.config.setdefault("RATELIMIT_STORAGE_URI", "memory://")
    app.config.setdefault("RATELIMIT_HEADERS_ENABLED", True)
    limiter = Limiter(get_remote_address, app=app)
    for endpoint, limit in LIMITS.items():
        view: Any = limiter.limit(
            limit,
            methods=["POST"],
            error_message="That was tried too often from your address. Please wait a few minutes.",
        )(app.view_functions[endpoint])
        app.view_functions[endpoint] = view
