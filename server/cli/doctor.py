"""``openastro doctor``: tell whether everything is in order."""

from __future__ import annotations

import typer

from server.cli.context import console, read_settings


def doctor(context: typer.Context) -> None:
    """Check settings, database, directories, keys, apps, disk and daemons."""
    from collections import Counter

    from rich.text import Text

    from server.project import Project
    from server.services.doctor import Health, diagnose

    colours = {Health.GOOD: "green", Health.WARNING: "yellow", Health.BAD: "bold red"}
    findings = diagnose(Project(read_settings(context)))
    out = console()
    for finding in findings:
        out.print(Text(f"{finding.health.value:>4}  ", colours[finding.health]) + finding.text)
    count = Counter(finding.health for finding in findings)
    bad, look, good = (count[health] for health in (Health.BAD, Health.WARNING, Health.GOOD))
    out.print(f"{bad} wrong, {look} to look at, {good} good.", style="bold")
    if bad:
        raise typer.Exit(1)
