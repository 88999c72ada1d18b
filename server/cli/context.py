"""What every command needs: the project that ``--project`` names, and a console."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from boinc_project.settings import Settings
    from server.project import Project


INTERRUPTED = 130
"""Exit code after Ctrl-C, as of any program."""


def project_directory(context: typer.Context) -> Path:
    """Return the directory given with ``--project``, absolute."""
    directory: Path = context.find_root().obj
    return directory.expanduser().resolve()


def read_settings(context: typer.Context) -> Settings:
    """Read the project's settings; its database need not be there."""
    from boinc_project.settings import SETTINGS_FILE, load_settings

    return load_settings(project_directory(context) / SETTINGS_FILE)


def open_from(context: typer.Context) -> Project:
    """Open the project, whose database must have the newest schema."""
    from server.project import open_project

    return open_project(project_directory(context))


def console(*, stderr: bool = False) -> Console:
    """Return a console that writes paths and addresses as they are."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)
