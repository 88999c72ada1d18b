"""``openastro daemon NAME``: one daemon on its own."""

from __future__ import annotations

import typer

from server.cli.context import console, open_from


def daemon(
    context: typer.Context,
    name: str = typer.Argument(
        ..., help="transitioner, validator, assimilator, work_generator or file_deleter."
    ),
    once: bool = typer.Option(False, "--once", help="One pass, then end."),
) -> None:
    """Run one daemon until SIGTERM, or for one pass."""
    from server.daemons.loop import DaemonLoop, find_daemon
    from server.logging import configure_logging
    from server.supervisor import die_with_supervisor

    die_with_supervisor()
    configure_logging(name)
    one_pass = find_daemon(name)
    project = open_from(context)
    if once:
        done = one_pass(project)
        console().print(f"{name}: {done} done.", markup=False)
        return
    loop = DaemonLoop(name, one_pass, project)
    loop.stop.install()
    loop.run()
