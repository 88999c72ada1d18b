"""``openastro app``: sign app versions off-line, publish them on the server."""

from __future__ import annotations

from pathlib import Path

import typer

from server.cli.context import console, open_from

app = typer.Typer(
    help="Write and test applications; sign, publish and list app versions.", no_args_is_help=True
)


@app.command()
def new(
    name: str = typer.Argument(..., help="Lower-case letters, digits, underscores."),
    directory: Path | None = typer.Option(
        None,
        "--directory",
        help="Where to write it; openastro-NAME here if not given.",
    ),
) -> None:
    """Write a small package with an application that works, to put your own science into."""
    from boinc_project import application
    from server.new_app.names import checked_names
    from server.new_app.writing import write_package

    names = checked_names(name, application.names())
    where = directory or Path(f"openastro-{names.slug}")
    out = console()
    for path in write_package(names, where):
        out.print(f"  {path}", markup=False)
    out.print(f"Install it: pip install -e {where}", markup=False)
    out.print(f"Test it:    openastro app test {name}", markup=False)


@app.command(name="test")
def examine(
    name: str = typer.Argument(..., help="An installed app."),
    campaign: Path | None = typer.Option(
        None, "--campaign", help="A small campaign file; the app's own example if not given."
    ),
    rounds: int = typer.Option(3, "--kills", min=1, max=100, help="Units to kill and resume."),
    seed: int = typer.Option(1, "--seed", min=0, help="Of the moments and the damages."),
) -> None:
    """Test whether an app keeps the contract: kills, quits, forged outputs, merging."""
    from tempfile import TemporaryDirectory

    from server.cli.contract_table import show_findings

    with TemporaryDirectory(prefix="openastro-app-test-") as directory:
        passed = show_findings(
            name, campaign, Path(directory), seed=seed, rounds=rounds, out=console()
        )
    if not passed:
        raise typer.Exit(1)


@app.command()
def keygen(
    directory: Path = typer.Argument(..., help="Where the key pair is written."),
) -> None:
    """Make the code-signing key pair. Run this on a machine that is not the server."""
    from boinc_project.signing import fingerprint, load_public_key
    from server.services.app_signing import make_signing_key

    private, public = make_signing_key(directory)
    out = console()
    out.print(f"Private key: {private} (keep it off-line, and keep a copy)", markup=False)
    out.print(f"Public key:  {public} (copy it to the project's keys/)", markup=False)
    out.print(f"Fingerprint: {fingerprint(load_public_key(public))}")


@app.command()
def sign(
    build: Path = typer.Argument(..., help="A build directory, or its manifest.json."),
    key: Path = typer.Option(..., "--key", help="The file code_sign_private."),
) -> None:
    """Sign a built app version: writes FILE.sig beside every file. Needs no project."""
    from server.services.app_signing import build_directory, sign_app_version

    manifest, written = sign_app_version(build_directory(build), key)
    console().print(f"{manifest.label}: {len(written)} signatures written.", markup=False)


@app.command()
def publish(
    context: typer.Context,
    build: Path = typer.Argument(..., help="A signed build directory."),
    public_key: Path | None = typer.Option(
        None,
        "--public-key",
        help="The file code_sign_public, for a project that trusts no key yet.",
    ),
) -> None:
    """Verify a signed app version and offer it to volunteers' computers."""
    from server.services import apps
    from server.services.app_signing import build_directory

    project = open_from(context)
    if public_key is not None:
        apps.trust(project, public_key)
    done = apps.publish(project, build_directory(build))
    words = "is published" if done.is_new else "was published before, unchanged"
    console().print(f"{done.manifest.label} {words} ({done.nbytes:,} bytes).", markup=False)


@app.command()
def alike(
    context: typer.Context,
    name: str = typer.Argument(..., help="The app."),
    redundancy: str = typer.Option(
        "none", help="Computers of one workunit must be alike: none, coarse or fine."
    ),
    one_version: bool = typer.Option(
        False, "--one-version", help="All results of a workunit must come from one app version."
    ),
) -> None:
    """Say how alike the computers must be that compute one workunit of an app."""
    from server.services.apps import set_alike

    set_alike(open_from(context), name, redundancy, one_version=one_version)
    words = "from one app version" if one_version else "from any app version"
    console().print(f"{name}: {redundancy} classes of computers, results {words}.", markup=False)


@app.command(name="list")
def list_versions(context: typer.Context) -> None:
    """List the published app versions."""
    from datetime import UTC, datetime

    from rich.table import Column, Table

    from server.services.apps import versions

    table = Table(
        "App",
        "Version",
        Column("Platform", overflow="fold"),
        "Files",
        "Bytes",
        "Published (UTC)",
        "State",
    )
    for version in versions(open_from(context)):
        when = datetime.fromtimestamp(version.create_time, UTC)
        table.add_row(
            version.app,
            f"{version.version_num // 100}.{version.version_num % 100:02d}",
            f"{version.platform} {version.plan_class}".strip(),
            str(version.n_files),
            f"{version.nbytes:,}",
            f"{when:%Y-%m-%d %H:%M}",
            "deprecated" if version.deprecated else "current",
        )
    console().print(table)
