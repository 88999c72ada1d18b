"""The home page, which is also the master page of the BOINC protocol, and how to take part."""

from __future__ import annotations

from urllib.parse import urljoin

from flask import make_response, render_template
from flask.typing import ResponseReturnValue

from server.blueprints.web.blueprint import blueprint, status_board
from server.project import current_project
from server.services.apps_view import apps
from server.services.campaign_view import campaigns
from server.services.scheduler import SCHEDULER_PATH

HOME_CAMPAIGNS = 4


def scheduler_url() -> str:
    """Return the scheduler's absolute URL below the master URL, whatever host was asked.

    Clients must see one spelling of the project: another one would be another project to them.
    """
    return urljoin(current_project().settings.project.url, SCHEDULER_PATH)


@blueprint.get("/")
def home() -> ResponseReturnValue:
    """Show the home page; clients read the scheduler's address from it."""
    project = current_project()
    page = render_template(
        "home.html",
        scheduler_url=scheduler_url(),
        status=status_board().read(),
        campaigns=campaigns(project.database).campaigns[:HOME_CAMPAIGNS],
        flashes=True,
    )
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/join")
def join() -> ResponseReturnValue:
    """Tell how to attach a computer."""
    project = current_project()
    platforms = {version.platform for app in apps(project.database) for version in app.versions}
    return render_template(
        "join.html",
        platforms=platforms,
        creation=project.settings.web.account_creation,
    )
