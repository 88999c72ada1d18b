"""The scheduler's address."""

from __future__ import annotations

from flask import Flask

from server.blueprints.scheduler.routes import EXTENSION, Doorkeeper, blueprint
from server.project import current_project


def register(app: Flask) -> None:
    """Add the route to the application."""
    with app.app_context():
        threads = current_project().settings.web.threads
    app.extensions[EXTENSION] = Doorkeeper(max(1, threads - 2))
    app.register_blueprint(blueprint)
