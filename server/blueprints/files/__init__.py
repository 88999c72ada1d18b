"""Downloads and uploads."""

from __future__ import annotations

from flask import Flask

from server.blueprints.files import download, upload


def register(app: Flask) -> None:
    """Add the routes to the application."""
    app.register_blueprint(download.blueprint)
    app.register_blueprint(upload.blueprint)
