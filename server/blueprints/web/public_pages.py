"""Server status, apps and help: open to everybody; status and apps also as XML."""

from __future__ import annotations

from flask import make_response, render_template, request
from flask.typing import ResponseReturnValue

from server.blueprints.web.blueprint import blueprint, status_board, wants_fragment
from server.project import current_project
from server.services.apps_view import apps


@blueprint.get("/server_status")
@blueprint.get("/server_status.php", endpoint="stock_server_status")
def server_status() -> ResponseReturnValue:
    """Show the state of daemons and queues; ``?xml=1`` as statistics sites read it."""
    view = status_board().read()
    if request.args.get("xml"):
        return _xml(render_template("status/status.xml", status=view))
    template = "status/_live.html" if wants_fragment() else "status/page.html"
    return render_template(template, status=view)


@blueprint.get("/apps")
@blueprint.get("/apps.php", endpoint="stock_apps")
def apps_page() -> ResponseReturnValue:
    """Show apps with versions, sizes and digests; ``?xml=1`` for machines."""
    found = apps(current_project().database)
    if request.args.get("xml"):
        return _xml(render_template("apps.xml", apps=found))
    return render_template("apps.html", apps=found)


@blueprint.get("/help")
def help_index() -> ResponseReturnValue:
    """List the help pages."""
    return render_template("help/index.html")


@blueprint.get("/help/idle")
def help_idle() -> ResponseReturnValue:
    """Explain every reason for which a computer may get no work."""
    return render_template("help/idle.html", scheduler=current_project().settings.scheduler)


@blueprint.get("/help/task")
def help_task() -> ResponseReturnValue:
    """Explain what a task does on a volunteer's computer."""
    return render_template("help/task.html")


def _xml(body: str) -> ResponseReturnValue:
    response = make_response(body)
    response.mimetype = "text/xml"
    return response
