"""The command line: ``openastro``.

One module a command. A module holds either ``app``, a Typer group, or a function with the module's
own name. Everything slow is imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import typer

from boinc_project.errors import OpenAstroError

COMMANDS = (
    "init",
    "serve",
    "web",
    "daemon",
    "app",
    "campaign",
    "story",
    "results",
    "doctor",
    "demo",
    "simulate",
    "credit",
    "export-stock",
)
USAGE_ERROR = 2

cli = typer.Typer(
    name="openastro",
    help="Run a BOINC project: server, apps and campaigns.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@cli.callback()
def _root(
    context: typer.Context,
    project: Path = typer.Option(
        Path(),
        "--project",
        envvar="OPENASTRO_PROJECT",
        help="Directory of the project's openastro.toml.",
    ),
) -> None:
    context.obj = project


def _add_commands() -> None:
    for name in COMMANDS:
        word = name.replace("-", "_")
        module = import_module(f"server.cli.{word}")
        group = getattr(module, "app", None)
        if isinstance(group, typer.Typer):
            cli.add_typer(group, name=name)
        else:
            cli.command(name)(getattr(module, word))


_add_commands()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake is one sentence on stderr and exit code 2."""
    try:
        cli(args=_project_first(sys.argv[1:] if arguments is None else arguments))
    except OpenAstroError as error:
        print(f"openastro: {error.message}", file=sys.stderr)
        sys.exit(USAGE_ERROR)


def _project_first(arguments: Sequence[str]) -> list[str]:
    """Move ``--project DIR`` to the front: it means the same wherever it is written."""
    front: list[str] = []
    rest = list(arguments)
    for index, argument in enumerate(rest):
        if argument == "--":
            break
        if argument == "--project" or argument.startswith("--project="):
            taken = 2 if argument == "--project" else 1
            front = rest[index : index + taken]
            del rest[index : index + taken]
            break
    return front + rest
