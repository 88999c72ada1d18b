"""``openastro demo``: a whole project on this machine, computed by two volunteers' clients."""

from __future__ import annotations

from pathlib import Path

import typer


def demo(
    directory: Path = typer.Option(Path("var/demo"), help="Where the project is made."),
    apps: Path = typer.Option(Path("build/apps"), help="Frozen app versions, from `make app`."),
    campaign: Path = typer.Option(
        Path("examples/kepler-9.toml"), help="The campaign file to compute."
    ),
    time_limit: float = typer.Option(
        320.0, help="Seconds after which the newest product is shown, converged or not."
    ),
    own_client: bool = typer.Option(
        False, "--own-client", help="Use our small client even if the stock one is installed."
    ),
) -> None:
    """Run a real campaign from its file to a merged posterior, with two volunteers' clients."""
    from rich.console import Console

    from server.demo.run import Demo, run_demo

    settings = Demo(
        directory=directory,
        apps=apps,
        campaign_file=campaign,
        time_limit=time_limit,
        own_client=own_client,
    )
    run_demo(settings, Console())
