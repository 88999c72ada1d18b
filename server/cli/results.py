"""``openastro results``: fetch merged products over HTTP, checked and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.context import console, project_directory

if TYPE_CHECKING:
    pass

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
    from server.services.judgement import UNJUDGED

    client = ProductClient(_master_url(context, url))
    table = Table("campaign", "state", "workunits", "product", "judgement", title=client.url)
    for one in client.campaigns():
        version = one.product_version
        table.add_row(
            escape(one.name),
            escape(one.state),
            f"{one.ended} of {one.issued}",
            "-" if version is None else f"version {version}",
            "-" if version is None else escape(one.judgement) or UNJUDGED,
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
    """Download the newest product of a campaign, check every file's SHA-256, say how far it is.

    A download that was cut off goes on where it stopped; files that are there already and have the
    right digest are not fetched again.
    """
    from server.cli.report_table import outcome_lines
    from server.product_client import ProductClient, download_product

    client = ProductClient(_master_url(context, url))
    directory = out if out is not None else Path(campaign)
    screen = console()
    product = download_product(
        client, campaign, directory, tell=lambda line: screen.print(line, markup=False)
    )
    screen.print(*outcome_lines(product.report, product.judgement), sep="\n")
    screen.print(
        f"{campaign}, product version {product.version} ({product.judgement.phrase}): "
        f"{len(product.files)} files in "
        f"{directory}, every SHA-256 as the server says.",
        markup=False,
    )


@app.command("cutout")
def cutout(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(help="Directory of a product, or the name of a campaign of a project.")
    ],
    ra: Annotated[float, typer.Option("--ra", help="Right ascension, ICRS, degrees.")],
    dec: Annotated[float, typer.Option("--dec", help="Declination, ICRS, degrees.")],
    size: Annotated[float, typer.Option("--size", help="Side of the square, arcseconds.")] = 60.0,
    plane: Annotated[
        str, typer.Option("--plane", help="image, weight, variance, count or rejected.")
    ] = "image",
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The FITS file to write.")
    ] = Path("cutout.fits"),
    url: UrlOption = None,
) -> None:
    """Cut a square of the sky out of an image, here or on a project's server."""
    from apps.images.merge.cutout import cut_out
    from boinc_project.errors import InputError
    from server.product_client import ProductClient
    from server.services.files import write_durably

    data: bytes | None
    if url is None and Path(source).is_dir():
        data = cut_out(Path(source), ra, dec, size, plane)
    else:
        client = ProductClient(_master_url(context, url))
        data = client.cutout(source, ra, dec, size, plane)
    if data is None:
        raise InputError(f"The image in {source} does not reach the place {ra:g}, {dec:g}.")
    write_durably(out, data)
    console().print(f"{out}: {len(data)} bytes.", markup=False)


@app.command("hips")
def hips(
    product: Annotated[Path, typer.Argument(help="Directory of a product.")],
    out: Annotated[Path, typer.Argument(help="Directory to make; it must not be there yet.")],
    level: Annotated[
        int | None,
        typer.Option("--level", min=0, max=15, help="Finest order; by default the image's own."),
    ] = None,
) -> None:
    """Make a hierarchical survey (HiPS) of an image, for Aladin and other sky browsers."""
    from apps.images.merge.hips import write_hips

    order = write_hips(product, out, level=level)
    console().print(f"{out}: a HiPS of order {order}.", markup=False)


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
