"""``openastro results``: fetch merged products over HTTP, checked and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.context import console, project_directory

if TYPE_CHECKING:
    from server.product_client import RemoteCampaign, RemoteProduct

app = typer.Typer(
    help="Fetch the merged product of a campaign, from any project.", no_args_is_help=True
)

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Master URL of the project; by default the one in openastro.toml.",
    ),
]


@app.command("list")
def list_campaigns(context: typer.Context, url: UrlOption = None) -> None:
    """List the campaigns of a project, and whether they have a product."""
    from rich.markup import escape
    from rich.table import Table

    from server.product_client import ProductClient

    client = ProductClient(_master_url(context, url))
    table = Table("campaign", "state", "workunits", "product", "verdict", title=client.url)
    for one in client.campaigns():
        version = one.product_version
        table.add_row(
            escape(one.name),
            escape(one.state),
            f"{one.ended} of {one.issued}",
            "-" if version is None else f"version {version}",
            "-" if version is None else _verdict(one),
        )
    console().print(table)


@app.command("get")
def get(
    context: typer.Context,
    campaign: Annotated[str, typer.Argument(help="Name of the campaign.")],
    url: UrlOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Directory to write to; default: ./CAMPAIGN"),
    ] = None,
) -> None:
    """Download the newest product of a campaign, check every file's SHA-256, show its verdict.

    A download that was cut off goes on where it stopped; files that are there already and have the
    right digest are not fetched again.
    """
    from server.cli.verdict_table import verdict_report
    from server.product_client import ProductClient, download_product

    client = ProductClient(_master_url(context, url))
    directory = out if out is not None else Path(campaign)
    screen = console()
    product = download_product(
        client, campaign, directory, tell=lambda line: screen.print(line, markup=False)
    )
    if product.is_complete_image is None:
        screen.print(*verdict_report(product.verdict), sep="\n")
    screen.print(
        f"{campaign}, product version {product.version} ({_verdict(product)}): "
        f"{len(product.files)} files in "
        f"{directory}, every SHA-256 as the server says.",
        markup=False,
    )


def _verdict(remote: RemoteCampaign | RemoteProduct) -> str:
    from server.services.image_view import ALL_FRAMES, SOME_FRAMES

    if remote.is_complete_image is not None:
        return ALL_FRAMES if remote.is_complete_image else SOME_FRAMES
    return "no verdict" if remote.verdict is None else remote.verdict.phrase


def _master_url(context: typer.Context, url: str | None) -> str:
    from boinc_project.errors import ConfigError
    from boinc_project.settings import SETTINGS_FILE, load_settings

    if url is not None:
        return url
    path = project_directory(context) / SETTINGS_FILE
    if not path.is_file():
        raise ConfigError(
            "Which project? Give its address with --url, for example --url http://127.0.0.1:8080/",
            path=path,
        )
    return load_settings(path).project.url
