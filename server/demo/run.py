"""Run the main job once, on this machine, from one file to a merged posterior."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from boinc_project.errors import ConfigError
from boinc_project.settings import SETTINGS_FILE, load_settings
from boinc_project.states import CampaignState
from server.cli.report_table import product_report
from server.db import Database, open_database
from server.demo.live_project import LiveProject
from server.demo.ports import free_port
from server.demo.view import render
from server.demo.volunteer import StockVolunteer, Volunteer, make_volunteer
from server.services import campaign_view

PORT = 8080
REFRESH_S = 0.5
LOG_EVERY_S = 15.0
"""Without a terminal, a line of progress this often."""

SETTINGS = {
    # Volunteers a network away wait longer; here both sit on this machine.
    "scheduler": {"request_delay": 1.0, "no_work_delay": 5.0},
    "daemons": {"interval": 0.5},
}
PEOPLE = (("Ann", "ann@example.org"), ("Ben", "ben@example.org"))
PASSWORD = "correct horse battery staple"  # noqa: S105 - a demo's account on loopback
NAMED = (".png", ".fits", ".h5", ".nc", ".json")
"""Files of a product that the demo names, by their suffix."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What to run, and where.

    Attributes
    ----------
    directory : Path
        The project's directory; what an earlier demo left there is removed.
    apps : Path
        Frozen app versions (``build/apps``).
    campaign_file : Path
        The campaign.
    time_limit : float
        Seconds after which the newest product is shown, whatever it says.
    own_client : bool
        Use our own small client even if the stock one is there.
    """

    directory: Path
    apps: Path
    campaign_file: Path
    time_limit: float
    own_client: bool = False

    @property
    def campaign(self) -> str:
        """The campaign's name: the file's."""
        return self.campaign_file.stem

    @property
    def beside(self) -> Path:
        """Where signing keys and clients live: outside the project's own directory."""
        return self.directory.with_name(self.directory.name + "-outside")


def run_demo(demo: Demo, console: Console) -> None:
    """Run the demo; the result is printed and lies in the project's products.

    Raises
    ------
    ConfigError
        If the app is not frozen yet, or a step fails.
    """
    if not any(demo.apps.glob("*/manifest.json")):
        raise ConfigError(f"There is no frozen app in {demo.apps}: run `make app` first.")
    project = _new_project(demo, console)
    volunteers = [
        make_volunteer(name, demo.beside / name.lower(), project.url, own_client=demo.own_client)
        for name, _ in PEOPLE
    ]
    stock = isinstance(volunteers[0], StockVolunteer)
    console.print(
        "Volunteers use "
        + ("the stock BOINC client." if stock else "our own small client: no stock one is here.")
    )
    database = open_database(load_settings(demo.directory / SETTINGS_FILE))
    with _running(project, volunteers):
        console.print(f"The project is at {project.url}; issuing {demo.campaign_file}")
        # The clients attach, which takes them some twenty seconds, while the campaign is planned.
        for volunteer, (name, email) in zip(volunteers, PEOPLE, strict=True):
            volunteer.start(project.create_account(name, email, PASSWORD))
        project.issue(demo.campaign_file, show=True)
        _watch(demo, database, volunteers, console)
        _report(demo, project, console)
        _stay(project, console)


def _new_project(demo: Demo, console: Console) -> LiveProject:
    for old in (demo.directory, demo.beside):
        if old.exists():
            console.print(f"Removing what an earlier demo left in {old}")
            shutil.rmtree(old)
    project = LiveProject(demo.directory, port=free_port(PORT))
    project.initialise(SETTINGS, name="OpenAstro@home demo")
    project.publish(demo.apps, keys=demo.beside / "keys")
    return project


@contextmanager
def _running(project: LiveProject, volunteers: Sequence[Volunteer]) -> Iterator[None]:
    # Being terminated ends clients and server as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        project.start()
        yield
    finally:
        for volunteer in volunteers:
            volunteer.stop()
        project.stop()


def _watch(
    demo: Demo, database: Database, volunteers: Sequence[Volunteer], console: Console
) -> None:
    """Show the campaign until it is complete or the time is up."""
    start = time.monotonic()
    next_line = 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while (elapsed := time.monotonic() - start) < demo.time_limit:
            view = campaign_view.campaign(database, demo.campaign)
            tasks = [(volunteer.name, volunteer.tasks()) for volunteer in volunteers]
            picture = render(view, tasks, elapsed=elapsed)
            if console.is_terminal:
                live.update(picture, refresh=True)
            elif elapsed >= next_line:
                console.print(picture)
                next_line = elapsed + LOG_EVERY_S
            if view is not None and view.summary.state == CampaignState.COMPLETE:
                return
            time.sleep(REFRESH_S)


def _report(demo: Demo, project: LiveProject, console: Console) -> None:
    products = demo.directory / "products" / demo.campaign
    summary = products / "summary.json"
    if not summary.exists():
        raise ConfigError(
            "The time was up before the first units were merged; the server's log is "
            f"{demo.directory / 'server.log'}."
        )
    console.print(product_report(json.loads(summary.read_text(encoding="utf-8"))))
    for path in sorted(products.iterdir()):
        if path.suffix in NAMED:
            console.print(f"  {path}")
    console.print(f"The same as a page: {project.url}campaigns/{demo.campaign}")


def _stay(project: LiveProject, console: Console) -> None:
    """Leave the pages up while somebody looks at the terminal."""
    if not console.is_terminal:
        console.print(f"To look at it: openastro --project {project.directory} serve")
        return
    console.print("The pages stay up until you press Ctrl-C.")
    try:
        while True:
            time.sleep(3600.0)
    except KeyboardInterrupt:
        console.print("Stopping; products stay. To look again: make demo-serve")
