"""JSON and files for scientists and their programs."""

from __future__ import annotations

from flask import Flask

from server.blueprints.api.routes import blueprint


def register(app: Flask) -> None:
    """Add the routes to the application."""
    app.register_blueprint(blueprint)
