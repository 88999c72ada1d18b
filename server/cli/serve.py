"""``openastro serve``: web server and daemons in one command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import typer

from server.cli.context import console, open_from, project_directory


def serve(
    context: typer.Context,
    ready_file: Path | None = typer.Option(
        None, "--once-ready-file", help="Write the master URL to this file once the server answers."
    ),
    daemons: bool = typer.Option(True, help="Run the daemons too."),
) -> None:
    """Run the project: the web server and all daemons, until SIGTERM or Ctrl-C."""
    from server.daemons.loop import DAEMONS
    from server.logging import configure_logging
    from server.services.checks import check_keys
    from server.supervisor import Command, Supervisor
    from server.web_server import listen

    configure_logging("supervisor")
    project = open_from(context)
    check_keys(project)
    project.database.dispose()
    settings = project.settings
    listener = listen(settings.web.bind)
    program = [sys.executable, "-m", "server.cli", "--project", str(project_directory(context))]
    descriptor = listener.fileno()
    commands = [Command("web", [*program, "web", "--fd", str(descriptor)], (descriptor,))]
    if daemons:
        commands += [Command(name, [*program, "daemon", name]) for name in DAEMONS]
    announce = _announcer(settings.web.bind, settings.project.url, ready_file)
    Supervisor(commands, on_tick=announce).run()


def _announcer(bind: str, url: str, ready_file: Path | None) -> Callable[[], None]:
    """Return a function that tells, once, that the web server answers."""
    from server.services.files import write_durably

    told = False

    def announce() -> None:
        nonlocal told
        if told or not _answers(bind):
            return
        told = True
        console().print(f"The project answers at {url}", markup=False)
        if ready_file is not None:
            write_durably(ready_file.resolve(), (url + "\n").encode())

    return announce


def _answers(bind: str) -> bool:
    import http.client

    host, _, port = bind.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=1.0)
    try:
        connection.request("GET", "/get_project_config.php")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
