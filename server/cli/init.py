"""``openastro init``: make a project, or bring an existing one up to date."""

from __future__ import annotations

from pathlib import Path

import typer

from server.cli.context import console, project_directory


def init(
    context: typer.Context,
    directory: Path | None = typer.Argument(
        None, help="Where the project will live; the current directory if not given."
    ),
    url: str | None = typer.Option(
        None, "--url", help="Master URL: what volunteers attach to, e.g. https://sky.example.org/"
    ),
    name: str | None = typer.Option(None, "--name", help="Name shown to volunteers."),
    bind: str | None = typer.Option(None, "--bind", help="Address and port to listen on."),
    signing_keys: Path | None = typer.Option(
        None,
        "--signing-keys",
        help="For demos and tests: make the code-signing key pair here, on this machine, outside "
        "the project. A real project makes it elsewhere with `openastro app keygen`.",
    ),
) -> None:
    """Write openastro.toml, directories, keys and the database; safe to repeat."""
    from server.services.projects import NewProject, make_project

    where = directory.expanduser().resolve() if directory else project_directory(context)
    wanted = NewProject(url=url, name=name, bind=bind, signing_keys=signing_keys)
    done = make_project(where, wanted)
    out = console()
    for line in done.lines:
        out.print(line, markup=False)
    if done.warning:
        console(stderr=True).print(f"[yellow]Warning:[/yellow] {done.warning}")
