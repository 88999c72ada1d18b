"""How true the results are, and what they are worth: open to everybody."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from server.blueprints.web.blueprint import blueprint
from server.project import current_project
from server.services.trust_view import rates_by_name, trust_view


@blueprint.get("/trust")
def trust_page() -> ResponseReturnValue:
    """Show the project's error rates, with what they rest on."""
    project = current_project()
    view = trust_view(project.database, now=project.clock())
    return render_template(
        "trust.html", view=view, rates=rates_by_name(view), trust=project.settings.trust
    )


@blueprint.get("/help/credit")
def help_credit() -> ResponseReturnValue:
    """Explain what a task is worth."""
    return render_template("help/credit.html", trust=current_project().settings.trust)
