"""``openastro demo``: a whole project on this machine, computed by two volunteers' clients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console


def demo(
    directory: Path = typer.Option(Path("var/demo"), help="Where the project is made."),
    apps: Path = typer.Option(Path("build/apps"), help="Frozen app versions, from `make app`."),
    campaign: Path = typer.Option(
        Path("examples/kepler-9.toml"), help="The campaign file to compute."
    ),
    time_limit: float = typer.Option(
        320.0, help="Seconds after which the newest product is shown, sampled or not."
    ),
    images: bool = typer.Option(
        False,
        "--images",
        help="Co-add images instead: two real exposures, or simulated ones if those cannot be had.",
    ),
    own_client: bool = typer.Option(
        False, "--own-client", help="Use our small client even if the stock one is installed."
    ),
) -> None:
    """Run a real campaign from its file to a merged posterior, with two volunteers' clients."""
    from rich.console import Console

    from server.demo.run import Demo, run_demo

    out = Console()
    if images:
        campaign = _image_campaign(directory, out)
    settings = Demo(
        directory=directory,
        apps=apps,
        campaign_file=campaign,
        time_limit=time_limit,
        own_client=own_client,
    )
    run_demo(settings, out)


def _image_campaign(directory: Path, out: Console) -> Path:
    """Lay the example and its images beside the demo's project; return where the example is."""
    import shutil

    from boinc_project.errors import InputError
    from server.demo.images import get_images

    example = Path("examples/goto-stack.toml")
    if not example.is_file():
        raise InputError(f"There is no {example} here: run the demo in the project's sources.")
    beside = directory.with_name(directory.name + "-images")
    beside.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(beside / "goto", ignore_errors=True)
    found = get_images(beside)
    out.print(found.text, markup=False)
    return Path(shutil.copy(example, beside))
