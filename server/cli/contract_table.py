"""``openastro app test`` on the terminal."""

from __future__ import annotations

import time
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from boinc_project import application
from boinc_project.errors import InputError
from server.cli.context import console
from server.contract_kit.kit import findings
from server.contract_kit.subject import planned
from work_generator.campaign_file import load_campaign


def show_findings(
    name: str, file: Path | None, directory: Path, *, seed: int, rounds: int, out: Console
) -> bool:
    """Test an app, print a table, and tell whether everything passed.

    Parameters
    ----------
    name : str
        The app's.
    file : Path or None
        A campaign file; None: the app's own example.
    directory : Path
        Where to compute.
    seed, rounds : int
        See `server.contract_kit.kit.findings`.
    out : Console
        Where to print.

    Raises
    ------
    OpenAstroError
        If there is no such app, or no campaign of it.
    """
    app = application.get(name)
    campaign = load_campaign(app.example(directory) if file is None else file)
    if campaign.app != name:
        raise InputError(f"{file} is a campaign of {campaign.app}, not of {name}.", path=file)
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1), pad_edge=False)
    for heading in ("", "Promise", "What was seen"):
        table.add_column(heading, overflow="fold")
    n_failed = 0
    with console(stderr=True).status(f"Testing {name} ...") as bar:
        subject = planned(app, campaign, directory, time.monotonic)
        for finding in findings(subject, seed=seed, rounds=rounds):
            bar.update(f"{finding.name}: {'passed' if finding.passed else 'failed'}")
            n_failed += not finding.passed
            mark = Text("passed", "green") if finding.passed else Text("failed", "bold red")
            table.add_row(mark, Text(finding.name), Text(finding.sentence))
    out.print(table)
    if n_failed:
        out.print(f"{name} does not keep the contract: {n_failed} of {table.row_count} failed.")
    else:
        out.print(f"{name} keeps the contract.")
    return not n_failed
