"""``openastro campaign``: check, plan, issue and steer campaigns; compute one without BOINC."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from server.cli.context import INTERRUPTED, console, open_from, project_directory

if TYPE_CHECKING:
    from rich.console import RenderableType

    from boinc_project.campaign import Campaign
    from boinc_project.input_store import InputStore
    from server.project import Project
    from server.services.campaign_view import CampaignSummary
    from work_generator.fleet import Fleet
    from work_generator.forecast import Forecast
    from work_generator.prices import Prices, Volunteers

app = typer.Typer(
    help="Check, plan, issue and steer campaigns; compute one without BOINC.",
    no_args_is_help=True,
)

FILE = typer.Argument(..., help="The campaign file (TOML).", show_default=False)
NAME = typer.Argument(..., help="The campaign's name.", show_default=False)
AGAIN = typer.Option(
    False, "--again", help="Prepare anew, though a preparation of the same is kept."
)
WATCH_SECONDS = 2.0


@app.command()
def validate(file: Path = FILE) -> None:
    """Check a campaign file and its data; compute nothing."""
    from work_generator.campaign_file import load_campaign

    campaign = load_campaign(file)
    out = console()
    for line in _description(campaign):
        out.print(line, markup=False)
    out.print(f"[green]{file} can be planned and issued.[/green]")


@app.command()
def plan(
    context: typer.Context,
    file: Path = FILE,
    prices: Path | None = typer.Option(
        None, "--prices", help="Your prices; see `openastro campaign prices`."
    ),
    hosts: int = typer.Option(
        0, "--hosts", min=0, max=10_000_000, help="Assume this many average hosts."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print all numbers as JSON."),
    every: bool = typer.Option(False, "--all", help="Show all tables, however small it is."),
    again: bool = AGAIN,
) -> None:
    """Say what a campaign will take: units, CPU time, bytes, wall time, money, and where."""
    from boinc_project import application
    from server.cli.plan_report import plan_report
    from work_generator import sizing
    from work_generator.campaign_file import load_campaign
    from work_generator.forecast import to_plain
    from work_generator.prices import load_prices

    campaign = load_campaign(file)
    known = load_prices(prices)
    fleet = _fleet(context, known.volunteers, hosts)
    planner = application.get(campaign.app)
    prepared = _prepare(context, campaign, again=again, details=False)
    told = _forecast(prepared, known, fleet)
    fitting = planner.fitting(prepared, told.told.seconds_per_call * told.machine.speed)
    remark = sizing.remark(told.reference_seconds, fitting)
    out = console()
    if as_json:
        out.print(json.dumps({**to_plain(told), "remark": remark}, indent=1), markup=False)
        return
    for line in (*_description(prepared), *planner.preparation(prepared)):
        out.print(line, markup=False)
    asked = every or prices is not None or hosts > 0
    out.print(plan_report(told, remark, planner.call_words, every=asked))


@app.command()
def prices() -> None:
    """Print the example of a price file, to be copied and filled with your own prices."""
    from work_generator.prices import packaged_text

    print(packaged_text(), end="")


@app.command()
def issue(
    context: typer.Context,
    file: Path = FILE,
    here: bool = typer.Option(
        False, "--here", help="Prepare it on this machine first, instead of by volunteers."
    ),
    again: bool = AGAIN,
) -> None:
    """Put a campaign and its first workunits into the project; repeating it does nothing.

    If no preparation of it is kept, the first workunits are the preparation and a second opinion.
    """
    from server.services import campaigns
    from work_generator.campaign_file import load_campaign

    campaign = load_campaign(file)
    project = open_from(context)

    def prepare(given: Campaign, store: InputStore) -> Campaign:
        return _prepare(context, given, store, again=again, here=here or again)

    done = campaigns.issue(project, campaign, prepare=prepare)
    words = "was issued before, unchanged" if done.existed else "is issued"
    more = "" if done.prepared else " They prepare it; its chains follow when that is validated."
    out = console()
    for line in campaign.settings.get("remarks", ()):
        out.print(f"Note: {line}", markup=False)
    out.print(f"{done.name} {words}: {done.n_unit} workunits.{more}", markup=False)


@app.command()
def extend(context: typer.Context, name: str = NAME, file: Path = FILE) -> None:
    """Add the images of an edited campaign file to its campaign; what is computed stays."""
    from boinc_project import application
    from server.services.campaign_extend import extend as extend_campaign
    from work_generator.campaign_file import load_campaign

    edited = load_campaign(file)
    project = open_from(context)
    with _bar(application.get(edited.app).preparing_words) as progress:
        done = extend_campaign(project, name, edited, file, progress=progress)
    out = console()
    for line in edited.settings.get("remarks", ()):
        out.print(line, markup=False)
    if not done.n_unit:
        out.print(f"{name} has all {done.known} images of {file}: nothing to add.", markup=False)
    else:
        out.print(
            f"{name} is extended: {_counted(len(done.added), 'image')} in "
            f"{_counted(done.n_unit, 'workunit')}; {done.known} of {file} were in it before.",
            markup=False,
        )
    if done.unnamed:
        out.print(
            f"{_counted(len(done.unnamed), 'image')} of it not named in {file} stay in it.",
            markup=False,
        )
    if done.reopened:
        out.print(f"{name} was complete, and is active again.", markup=False)


@app.command()
def status(
    context: typer.Context,
    name: str = NAME,
    watch: bool = typer.Option(False, "--watch", help="Show it live until the campaign ends."),
    every: bool = typer.Option(False, "--all", help="Show every parameter, or every frame."),
) -> None:
    """Show a campaign: workunits by state, credit, and the newest product."""
    project = open_from(context)
    out = console()
    if not watch:
        out.print(_status(project, name, every=every))
        return
    _watch(project, name, every=every)


@app.command(name="list")
def list_campaigns(context: typer.Context) -> None:
    """List all campaigns, newest first."""
    from server.cli.campaign_tables import campaign_list
    from server.services import campaign_view

    project = open_from(context)
    before: int | None = None
    summaries: list[CampaignSummary] = []
    while True:
        page = campaign_view.campaigns(project.database, before=before)
        summaries += page.campaigns
        before = page.older
        if before is None:
            break
    console().print(campaign_list(summaries))


@app.command()
def pause(context: typer.Context, name: str = NAME) -> None:
    """Send no more tasks of a campaign; what is out may come back."""
    from server.services import campaigns

    campaigns.pause(open_from(context), name)
    console().print(f"{name} is paused.", markup=False)


@app.command()
def resume(context: typer.Context, name: str = NAME) -> None:
    """Send the tasks of a paused campaign again."""
    from server.services import campaigns

    campaigns.resume(open_from(context), name)
    console().print(f"{name} is active.", markup=False)


@app.command()
def cancel(
    context: typer.Context,
    name: str = NAME,
    reason: str = typer.Option("", "--reason", help="Why, for its page and its story."),
) -> None:
    """End a campaign now: withdraw its tasks. Its product stays."""
    from server.services import campaigns

    number = campaigns.cancel(open_from(context), name, reason)
    console().print(f"{name} is cancelled: {number} workunits withdrawn.", markup=False)


@app.command(name="run-local")
def run_local(
    context: typer.Context,
    file: Path = FILE,
    jobs: int = typer.Option(0, "--jobs", min=0, help="Processes at once; 0: all processors."),
    out: Path | None = typer.Option(
        None, "--out", help="Where to compute; the campaign's name in this directory if not given."
    ),
    every: bool = typer.Option(False, "--all", help="Show every parameter, or every frame."),
    again: bool = AGAIN,
) -> None:
    """Compute a campaign on this machine, without BOINC; repeat the command to go on."""
    from server.cli.local_run import show_run
    from work_generator.campaign_file import load_campaign

    campaign = load_campaign(file)
    show_run(
        campaign,
        out or Path(campaign.name),
        kept=_kept(context),
        jobs=jobs,
        again=again,
        every=every,
        out=console(),
    )


def _kept(context: typer.Context) -> Path:
    """Return where preparations are kept: in the project if there is one, else in a cache."""
    import os

    from boinc_project.settings import SETTINGS_FILE
    from server.executors.kept import directory_of

    project = project_directory(context)
    return directory_of(project if (project / SETTINGS_FILE).exists() else None, os.environ)


def _prepare(
    context: typer.Context,
    campaign: Campaign,
    store: InputStore | None = None,
    *,
    again: bool,
    details: bool = True,
    here: bool = True,
) -> Campaign:
    """Prepare a campaign, or take what is kept, and say on standard error how that goes.

    If it is not to be prepared `here`, and nothing is kept, it is returned as it is.
    """
    import time

    from rich.progress import Progress

    from boinc_project import application
    from server.cli.preparation_bar import COLUMNS, PreparationBar
    from server.executors.local import LocalPool
    from server.executors.preparing import Preparing

    with Progress(*COLUMNS, console=console(stderr=True), transient=True) as progress:
        bar = PreparationBar(
            progress, application.get(campaign.app).preparing_words, details=details
        )
        preparing = Preparing(_kept(context), LocalPool(1), time.monotonic, bar, again=again)
        try:
            if not here and application.get(campaign.app).preparing(campaign):
                return preparing.if_kept(campaign)
            return preparing.prepare(campaign, store)
        except KeyboardInterrupt:
            progress.stop()
            bar.says("Interrupted. Run the same command again to go on from here.")
            raise typer.Exit(INTERRUPTED) from None


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _fleet(context: typer.Context, assumed: Volunteers, hosts: int) -> Fleet:
    """Return the fleet asked for, else the project's active hosts, else the example."""
    import time

    from boinc_project.settings_file import SETTINGS_FILE
    from work_generator.fleet import example_fleet

    if hosts:
        return example_fleet(assumed, hosts)
    if not (project_directory(context) / SETTINGS_FILE).exists():
        return example_fleet(assumed)
    from server.services.fleet import active_fleet

    found = active_fleet(open_from(context).database, assumed, now=time.time())
    return found or example_fleet(assumed)


def _forecast(prepared: Campaign, prices: Prices, fleet: Fleet) -> Forecast:
    """Measure this machine, and say what the campaign takes."""
    import os

    from boinc_project import application
    from boinc_project.campaign import Progress
    from work_generator import reference
    from work_generator.estimate import estimate
    from work_generator.forecast import Machine, forecast

    planner = application.get(prepared.app)
    (unit, *_) = planner.plan(prepared, Progress())
    told = estimate(prepared, planner.cost(prepared, unit), planner.seconds_per_call(prepared))
    machine = Machine(len(os.sched_getaffinity(0)), reference.speed())
    return forecast(prepared, told, machine=machine, fleet=fleet, prices=prices)


def _description(campaign: Campaign) -> list[str]:
    """Return what a campaign is, in a few lines."""
    from boinc_project import application
    from work_generator.stop import rule_text

    quorum = campaign.quorum
    return [
        f"{campaign.name}: {campaign.title}",
        *application.get(campaign.app).describe(campaign),
        f"Units: {campaign.units_per_generation} in a generation, at most "
        f"{campaign.stop.max_units}; {quorum.min_quorum} agreeing results each.",
        f"Stops at {rule_text(campaign.stop)}. Seed {campaign.seed}.",
    ]


def _status(project: Project, name: str, *, every: bool = False) -> RenderableType:
    from server.cli.campaign_tables import status_report
    from server.services import campaigns

    return status_report(campaigns.status(project, name), every=every)


def _watch(project: Project, name: str, *, every: bool) -> None:
    import time

    from rich.live import Live

    from boinc_project.states import CampaignState
    from server.cli.campaign_tables import status_report
    from server.services import campaigns

    with Live(console=console(), auto_refresh=False) as live:
        while True:
            found = campaigns.status(project, name)
            live.update(status_report(found, every=every), refresh=True)
            if found.view.summary.state in (CampaignState.COMPLETE, CampaignState.CANCELLED):
                return
            time.sleep(WATCH_SECONDS)


@contextmanager
def _bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on the terminal; nothing where there is none."""
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
