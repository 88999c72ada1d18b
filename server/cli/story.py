"""``openastro story WORKUNIT``: all that happened to a workunit."""

from __future__ import annotations

import typer

from server.cli.context import console, open_from


def story(
    context: typer.Context,
    workunit: str = typer.Argument(..., help="Name or number of a workunit, or name of a task."),
) -> None:
    """Tell all that happened to a workunit and its tasks, in order."""
    from server.services.story import story as tell
    from server.services.story import utc

    project = open_from(context)
    with project.database.read() as session:
        told = tell(session, workunit)
    out = console()
    out.print(f"{told.workunit} of campaign {told.campaign}: {told.state}", markup=False)
    for line in told.lines:
        out.print(f"{utc(line.time)}  {line.actor:<14}  {line.sentence}", markup=False)
