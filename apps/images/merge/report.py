"""The report of an image: all that people are shown of it, made of the numbers of its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from boinc_project.report import Cell, Criterion, Fact, Measured, Picture, Report, Table, Word

ALL_FRAMES = "all frames in"
"""The word of an image; it is none of those of a campaign's state."""
HEADLINES = 20
"""Frames of the short table: those of most weight."""
_PREVIEW = "The image, with north, east and a scale; brightness by the arcsinh of the flux"
_COVERAGE = "Frames in the mean of each pixel"


def image_report(summary: Mapping[str, Any], outcome: str, size: str) -> Report:
    """Return the report of an image, or of images of several filters.

    Parameters
    ----------
    summary : Mapping[str, Any]
        Its summary; see ``docs/scientist/image-products.md``.
    outcome : str
        How far it is, one sentence.
    size : str
        How much is in it.
    """
    is_whole = bool(summary["converged"])
    meaning = (
        "Every frame of the campaign is in."
        if is_whole
        else "The image below is of the frames that are in so far."
    )
    units = Criterion(
        "Units in the image",
        met=is_whole,
        value=summary["n_unit"],
        wanted=summary["n_unit_wanted"],
        relation="at least",
        sentence=" ".join(summary["missing"]),
        group=ALL_FRAMES,
    )
    filters = summary.get("filters", ())
    tables = [_filter_table(filters)] if filters else []
    if summary["frames"]:
        tables.append(_frame_table(summary, has_filters=bool(filters)))
    return Report(
        outcome=outcome,
        size=size,
        criteria=(units,),
        facts=_facts(summary),
        tables=tuple(tables),
        pictures=_pictures(summary),
        remarks=tuple(summary["remarks"]),
        words=(Word(ALL_FRAMES, is_whole, meaning),),
    )


def _facts(summary: Mapping[str, Any]) -> tuple[Fact, ...]:
    grid, point = summary["grid"], summary.get("zero_point")
    facts = [
        Fact("Frames", summary["n_frame"]),
        Fact("Grid", f"{grid['nx']} x {grid['ny']}", "pixels"),
        Fact("Exposure", summary["exposure_s"], "s"),
        Fact("Noise of a pixel", summary["depth"]),
        Fact("Sources", summary.get("n_source")),
        Fact("FWHM", summary.get("seeing"), "arcseconds"),
    ]
    if point:
        band = f" in {point['band']}" if point.get("band") else ""
        facts.append(Fact(f"Zero point{band}", point["value"], "mag", point.get("error")))
    facts += [
        Fact("Grid covered", _percent(summary["covered_fraction"]), "%"),
        Fact("Values rejected", _percent(summary["rejected_fraction"]), "%"),
    ]
    return tuple(fact for fact in facts if fact.value is not None)


def _frame_table(summary: Mapping[str, Any], *, has_filters: bool) -> Table:
    reference = summary.get("reference")
    matched = f" those of {reference}" if reference else " those of the reference"
    frames: Sequence[Mapping[str, Any]] = summary["frames"]
    order = sorted(range(len(frames)), key=lambda place: -frames[place]["weight_share"])
    columns = (
        "Frame", "Exposure, s", "Flux scale", "Stars", "Weight, %", "Moved, arcseconds", "Remark",
    )  # fmt: skip
    return Table(
        caption=f"Frames, with their flux scales: fluxes and background are{matched}",
        columns=(columns[0], "Filter", *columns[1:]) if has_filters else columns,
        rows=tuple(_frame(frame, has_filter=has_filters) for frame in frames),
        headlines=tuple(order[:HEADLINES]) if len(order) > HEADLINES else (),
    )


def _frame(frame: Mapping[str, Any], *, has_filter: bool) -> tuple[Cell, ...]:
    scale, astrometry = frame["flux_scale"], frame.get("astrometry") or {}
    return (
        frame["name"],
        *([frame["filter"]] if has_filter else []),
        frame["exposure_s"],
        Measured(scale["value"], scale["error"], scale["error"]),
        frame["n_star"] or None,
        _percent(frame["weight_share"]),
        astrometry.get("correction") or None,
        frame["remark"],
    )


def _filter_table(filters: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        caption="Filters, each with an image of its own",
        columns=(
            "Filter", "Frames", "Exposure, s", "Noise of a pixel", "Grid covered, %", "Sources",
            "FWHM, arcseconds", "Zero point, mag", "Reference",
        ),
        rows=tuple(_filter(entry) for entry in filters),
    )  # fmt: skip


def _filter(entry: Mapping[str, Any]) -> tuple[Cell, ...]:
    point = entry.get("zero_point")
    return (
        entry["filter"] or entry["files"],
        entry["n_frame"],
        entry["exposure_s"],
        entry["depth"],
        _percent(entry["covered_fraction"]),
        entry["n_source"],
        entry["seeing"],
        Measured(point["value"], point["error"], point["error"]) if point else None,
        entry["reference"],
    )


def _pictures(summary: Mapping[str, Any]) -> tuple[Picture, ...]:
    if not summary["n_frame"]:
        return ()
    pictures = [Picture("preview.png", _PREVIEW), Picture("coverage.png", _COVERAGE)]
    for entry in summary.get("filters", ()):
        if entry["n_frame"]:
            name = entry["filter"] or entry["files"]
            pictures.append(Picture(f"preview-{entry['files']}.png", f"The image in {name}"))
    return tuple(pictures)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share
