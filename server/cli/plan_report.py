"""``openastro campaign plan`` on the terminal: a forecast as tables, with all arithmetic."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from work_generator.advice import money
from work_generator.costs import NAMES, Venue
from work_generator.estimate import duration, volume
from work_generator.forecast import Forecast, Outlook
from work_generator.prices import Origin

BRIEF_SECONDS = 60.0
"""Below a minute of computing here no price decides anything: three lines say all."""


def plan_report(told: Forecast, remark: str, calls: str, *, every: bool = False) -> RenderableType:
    """Return what a campaign takes, what it costs, and the advice.

    A campaign that this machine computes in less than `BRIEF_SECONDS` gets no tables.

    Parameters
    ----------
    told : Forecast
        All numbers.
    remark : str
        About the length of a unit; may be empty.
    calls : str
        What the app counts.
    every : bool
        Whether to show all tables, however little there is to compute.
    """
    if not every and told.outlooks[-1].local_seconds < BRIEF_SECONDS:
        return _brief(told, remark, calls)
    parts: list[RenderableType] = [_work_table(told, calls), Text(told.expectation.text)]
    if remark:
        parts.append(Text(remark))
    deciding = told.deciding
    parts += [
        Text(f"Fleet: {told.fleet.words}. {deciding.words}: {deciding.wall.text}."),
        _cost_table(told),
        _terms_table(deciding),
        Text("\n".join(_origins(told))),
        Text(f"Advice: {deciding.advice.text}"),
    ]
    first = told.outlooks[0]
    if told.expectation.likely is None and first.advice.venue is not deciding.advice.venue:
        parts.append(Text(f"If the first generation is enough: {first.advice.text}"))
    return Group(*parts)


def _brief(told: Forecast, remark: str, calls: str) -> RenderableType:
    cost, most = told.told.cost, told.outlooks[-1]
    unit = f"{cost.n_call:,} {calls[:1].lower()}{calls[1:]}"
    lines = [
        f"One unit: {unit}, {duration(told.told.unit_seconds)} of CPU here; memory at most "
        f"{volume(cost.memory)}, disk at most {volume(cost.disk)}.",
        told.expectation.text,
        remark,
        f"Advice: Compute it here: `openastro campaign run-local` takes about "
        f"{duration(most.local_seconds)} for {_counted(most.work.n_unit)}. Bytes, wall times and "
        "bills: add --all.",
    ]
    return Group(*(Text(line) for line in lines if line))


def _counted(n_unit: int) -> str:
    return "the unit" if n_unit == 1 else f"{n_unit} units"


def _work_table(told: Forecast, calls: str) -> Table:
    estimate, cost = told.told, told.told.cost
    table = _table(told, "One unit")

    def row(name: str, unit: str, cell: Callable[[Outlook], str] | None = None) -> None:
        cells = [cell(one) if cell else "" for one in told.outlooks]
        table.add_row(Text(name), Text(unit), *(Text(text) for text in cells))

    row(calls, f"{cost.n_call:,}", lambda one: f"{one.work.n_unit * cost.n_call:,}")
    row(
        "CPU time on this machine",
        duration(estimate.unit_seconds),
        lambda one: duration(one.work.n_unit * estimate.unit_seconds),
    )
    row(
        "CPU time on the reference host",
        duration(told.reference_seconds),
        lambda one: f"{one.work.core_hours:,.3g} h",
    )
    row(
        f"  computed {estimate.results_per_unit} times",
        duration(told.reference_seconds * estimate.results_per_unit),
        lambda one: f"{one.work.core_hours * one.work.copies:,.3g} h",
    )
    row("Each host downloads", volume(cost.bytes_down + cost.bytes_shared))
    row("Each host uploads", volume(cost.bytes_up))
    row(
        "Hosts upload in all",
        volume(estimate.results_per_unit * cost.bytes_up),
        lambda one: volume(one.work.n_unit * one.work.copies * cost.bytes_up),
    )
    row("Operations (rsc_fpops_est)", f"{cost.fpops:.2g}")
    row("Memory", f"at most {volume(cost.memory)}")
    row("Disk", f"at most {volume(cost.disk)}")
    row("Wall time, volunteers", "", lambda one: duration(one.wall.seconds))
    row(
        f"Wall time, {told.machine.cores} cores here",
        "",
        lambda one: duration(one.local_seconds),
    )
    table.caption = Text(
        f"{calls}: {1e3 * estimate.seconds_per_call:.3g} ms of CPU each here, measured just now; "
        f"one core of this machine is worth {told.machine.speed:.2g} of the reference host."
    )
    return table


def _cost_table(told: Forecast) -> Table:
    table = _table(told, f"{told.prices.currency} in all")
    for venue in Venue:
        totals = [bill.total for one in told.outlooks for bill in one.bills if bill.venue is venue]
        table.add_row(Text(NAMES[venue]), "", *(Text(money(total)) for total in totals))
    return table


def _terms_table(one: Outlook) -> Table:
    table = Table(header_style="bold", title=Text(f"{one.words}, {one.work.n_unit} units"))
    table.add_column("")
    table.add_column("What")
    table.add_column("Arithmetic", overflow="fold")
    table.add_column("Amount", justify="right")
    for bill in one.bills:
        name = NAMES[bill.venue]
        for term in bill.terms:
            table.add_row(
                *(Text(t) for t in (name, term.name, term.arithmetic)), money(term.amount)
            )
            name = ""
        for term in bill.asides:
            amount = f"({money(term.amount)})"
            table.add_row("", Text(f"not in the sum: {term.name}"), Text(term.arithmetic), amount)
        table.add_row("", Text("sum", style="bold"), "", Text(money(bill.total), style="bold"))
    return table


def _table(told: Forecast, second: str) -> Table:
    table = Table(show_header=True, header_style="bold")
    table.add_column("")
    table.add_column(second, justify="right")
    for one in told.outlooks:
        table.add_column(f"{one.words} ({one.work.n_unit} units)", justify="right")
    return table


def _origins(told: Forecast) -> list[str]:
    prices = told.prices
    sections: dict[str, Origin] = {
        "cloud, spot": prices.cloud_spot.origin,
        "cloud, on demand": prices.cloud_on_demand.origin,
        "rented": prices.rented.origin,
        "owned": prices.owned.origin,
        "volunteers": prices.volunteers.origin,
    }
    return [f"Prices, {name}: {one.source} ({one.date})." for name, one in sections.items()]
