"""``openastro web``: the web server on its own."""

from __future__ import annotations

import socket

import typer

from server.cli.context import open_from


def web(
    context: typer.Context,
    descriptor: int | None = typer.Option(
        None, "--fd", help="An inherited listening socket, instead of web.bind.", hidden=True
    ),
) -> None:
    """Run the web server until SIGTERM."""
    from server.logging import configure_logging
    from server.services.checks import check_keys
    from server.supervisor import die_with_supervisor
    from server.web_server import listen, serve

    die_with_supervisor()
    configure_logging("web")
    project = open_from(context)
    check_keys(project)
    project.database.dispose()
    listener = (
        socket.socket(fileno=descriptor)
        if descriptor is not None
        else listen(project.settings.web.bind)
    )
    serve(project.settings, listener)
