"""The report of a product: what people are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from boinc_project.report import Cell, Criterion, Fact, Measured, Picture, Report, Table
from openastro_period.merge.target import Target
from openastro_period.settings import Search

HEADLINES = 20
"""Targets of the short table: those of highest power."""
ERRORS = (
    "Errors of periods are from the curvature of chi2 at its minimum, with chi2 scaled to one for "
    "each degree of freedom; they hold if the best peak is the right one and not an alias."
)


def report(
    targets: Sequence[Target],
    search: Search,
    settings: Mapping[str, Any],
    pictures: Sequence[Picture],
) -> Report:
    """Return the report.

    Parameters
    ----------
    targets : Sequence of Target
        Those that are in, in the order of the campaign.
    search : Search
        What was searched.
    settings : Mapping[str, Any]
        The campaign's.
    pictures : Sequence of Picture
        Of the best of them.
    """
    wanted = sum(len(entry["targets"]) for entry in settings["units"])
    limit = settings["false_alarm"]
    periodic = sum(target.false_alarm.below(limit) for target in targets)
    missing = wanted - len(targets)
    return Report(
        outcome=f"{periodic} of {len(targets)} targets vary with a period, at a false-alarm "
        f"probability of {limit:g} each." + (f" {missing} are missing." if missing else ""),
        size=f"{len(targets):,} targets",
        criteria=_criteria(targets, wanted),
        facts=_facts(targets, search, settings, periodic),
        tables=(_periods(targets, settings),) if targets else (),
        pictures=tuple(pictures),
        remarks=_remarks(targets, search, settings),
    )


def _criteria(targets: Sequence[Target], wanted: int) -> tuple[Criterion, ...]:
    searched = len(targets)
    no_error = sum(target.fit.period_error is None for target in targets)
    return (
        Criterion(
            name="Targets searched",
            met=searched == wanted,
            value=float(searched),
            wanted=float(wanted),
            relation="at least",
            sentence="" if searched == wanted else f"{wanted - searched} targets are missing.",
        ),
        Criterion(
            name="Best peaks without an error of their period",
            met=no_error == 0,
            value=float(no_error),
            wanted=0.0,
            relation="at most",
            sentence=""
            if no_error == 0
            else "Their chi2 has no minimum inside of the range: search a wider one.",
            counts=False,
        ),
    )


def _facts(
    targets: Sequence[Target], search: Search, settings: Mapping[str, Any], periodic: int
) -> tuple[Fact, ...]:
    grid = search.grid
    limit = settings["false_alarm"]
    expected = limit * len(targets)
    return (
        Fact("Targets", len(targets)),
        Fact(f"With a false-alarm probability of at most {limit:g}", periodic),
        Fact("Of these by chance, expected at most", expected),
        Fact("Frequencies", grid.n),
        Fact("Shortest period", 1.0 / grid.last, "d"),
        Fact("Longest period", 1.0 / grid.first, "d"),
        Fact("Width of a peak", grid.resolution, "1/d"),
        Fact("Terms of the model", search.n_terms),
        Fact("Resampled light curves of each target", search.bootstrap),
    )


def _periods(targets: Sequence[Target], settings: Mapping[str, Any]) -> Table:
    unit = "mag" if settings["value"] == "magnitude" else "unit of flux"
    order = sorted(range(len(targets)), key=lambda place: -targets[place].power)
    has_transits = any(target.result.transits for target in targets)
    columns = [
        "Target", "Period, d", "Power", "False alarm, counted", "False alarm, Baluev",
        f"Amplitude, {unit}", "Images of the peak", "Remark",
    ]  # fmt: skip
    if has_transits:
        columns[6:6] = ["Transits, d", "Their depth"]
    return Table(
        caption="Periods of the highest peaks, by target",
        columns=tuple(columns),
        rows=tuple(_row(target, has_transits=has_transits) for target in targets),
        headlines=tuple(order[:HEADLINES]),
    )


def _row(target: Target, *, has_transits: bool) -> tuple[Cell, ...]:
    fit, alarm, transits = target.fit, target.false_alarm, target.result.transits
    boxes: list[Cell] = []
    if has_transits:
        depth = Measured(transits[4], transits[5], transits[5]) if transits else None
        boxes = [transits[1] if transits else None, depth]
    return (
        target.name,
        Measured(fit.period, fit.period_error, fit.period_error),
        target.power,
        alarm.text or None,
        alarm.baluev,
        fit.amplitude,
        *boxes,
        target.alias_text or None,
        target.remark or None,
    )


def _remarks(
    targets: Sequence[Target], search: Search, settings: Mapping[str, Any]
) -> tuple[str, ...]:
    remarks = [ERRORS]
    if search.bootstrap:
        remarks.append(
            f"No false-alarm probability below 1/{search.bootstrap} is known: such are shown as "
            f'"< {1 / search.bootstrap:.3g}".'
        )
    if settings["left_out"]:
        remarks.append(f"{settings['left_out']} points that are not finite were left out.")
    if settings["skipped"]:
        some = ", ".join(settings["skipped"][:5])
        remarks.append(
            f"{len(settings['skipped'])} targets had too few points, or all alike: {some}."
        )
    near = [target.name for target in targets if target.remark]
    if near:
        remarks.append(f"{len(near)} best peaks stand where nights repeat: {', '.join(near[:5])}.")
    return tuple(remarks)
