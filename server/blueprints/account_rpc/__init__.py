"""The RPCs of attach wizards: the project's configuration, creating and looking up accounts."""

from __future__ import annotations

from flask import Flask

from server.blueprints.account_rpc.routes import blueprint


def register(app: Flask) -> None:
    """Add the routes to the application."""
    app.register_blueprint(blueprint)
