"""The pages: for volunteers, for scientists, and for whoever wonders what this is."""

from __future__ import annotations

from typing import Any

from flask import Flask

from server.blueprints.web import (
    account_pages,
    campaign_pages,
    home,
    public_pages,
    trust_pages,
)
from server.blueprints.web.blueprint import DIGESTS, STATUS_BOARD, blueprint
from server.blueprints.web.error_pages import install_error_pages
from server.blueprints.web.forms import EmptyForm
from server.blueprints.web.limits import install_limits
from server.blueprints.web.session import install_sessions
from server.blueprints.web.text import install_text
from server.project import EXTENSION, Project
from server.services.products_view import DigestMemory
from server.services.status import StatusBoard

ROUTES = (home, account_pages, campaign_pages, public_pages, trust_pages)
"""Modules whose routes are on the blueprint once they are imported."""


def register(app: Flask) -> None:
    """Add pages, sessions, limits and error pages to the application."""
    project = app.extensions[EXTENSION]
    assert isinstance(project, Project)
    app.extensions[STATUS_BOARD] = StatusBoard(project.database, project.clock)
    app.extensions.setdefault(DIGESTS, DigestMemory())
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.register_blueprint(blueprint)
    install_sessions(app)
    install_text(app)
    install_limits(app)
    install_error_pages(app)

    def shared() -> dict[str, Any]:
        return {"project": project.settings.project, "logout_form": EmptyForm}

    app.context_processor(shared)
