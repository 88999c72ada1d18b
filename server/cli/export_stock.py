"""``openastro export-stock``: apps, templates, programs and entries for a stock BOINC server."""

from __future__ import annotations

from pathlib import Path

import typer

from server.cli.context import console, open_from


def export_stock(
    context: typer.Context,
    directory: Path = typer.Argument(..., help="Where to; an earlier export is completed."),
    campaign: list[str] = typer.Option([], "--campaign", help="Only this one; may be repeated."),
) -> None:
    """Write what a stock BOINC server needs to compute this project's campaigns."""
    from server.stock.export import export

    done = export(open_from(context), directory.expanduser().resolve(), campaign)
    console().print(
        f"{done.app_versions} app versions, {done.campaigns} campaigns and {done.workunits} "
        f"workunits are in {directory}.",
        markup=False,
    )
