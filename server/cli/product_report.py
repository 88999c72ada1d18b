"""A product on the terminal, whatever it is: a posterior or an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from boinc_project.campaign import StopRule
from boinc_project.report import read_report
from server.cli import report_table
from server.cli.posterior_table import interval, posterior_report
from server.services.image_view import FrameView, ImageView, read_image

EXTENDED = "More images have joined the campaign since."
SHOWN = 20
"""Frames of the short table: those of most weight."""


def product_report(
    summary: Mapping[str, Any],
    stop: StopRule | None = None,
    *,
    meets_rule: bool = True,
    every: bool = False,
) -> RenderableType:
    """Return what a product says, whether it is a posterior or an image.

    Parameters
    ----------
    summary : Mapping[str, Any]
        The parsed summary.json.
    stop : StopRule, optional
        The campaign's, which an image must have all units of; None: only the summary is asked.
    meets_rule : bool
        Whether the campaign may end on it, as far as is known.
    every : bool
        Whether to show every parameter, or every frame.
    """
    if read_report(summary) is not None:
        return report_table.product_report(summary, meets_rule=meets_rule, every=every)
    view = read_image(summary)
    if view is None:
        return posterior_report(summary, every=every)
    title = str(summary.get("title") or summary.get("campaign") or "Image")
    # A product from before its campaign was extended was complete then.
    complete = summary.get("converged") is True and (stop is None or view.n_unit >= stop.max_units)
    return image_report(view, title, complete=complete, every=every)


def image_report(view: ImageView, title: str, *, complete: bool, every: bool) -> RenderableType:
    """Return the numbers of an image, its frames, and whether it is complete."""
    reference = f"Fluxes and background are those of {view.reference}."
    size = f"{view.nx} x {view.ny} pixels, {view.n_frame} frames"
    numbers = [
        f"exposure {_number(view.exposure)} s",
        f"noise of a pixel {_number(view.depth)}",
        f"{_percent(view.covered)} of the grid covered",
        f"{_percent(view.rejected)} of the values rejected",
    ]
    frames = list(view.frames)
    left_out = 0 if every else max(0, len(frames) - SHOWN)
    if left_out:
        frames.sort(key=lambda one: -(one.weight_share or 0.0))
    more = [Text(f"and {left_out} frames of less weight")] if left_out else []
    return Group(
        Text(title, "bold"),
        Text(f"{size}; {', '.join(numbers)}."),
        *([Text(_sources(view))] if view.n_source else []),
        *([Text(reference)] if view.reference else []),
        *([_frame_table(frames[: len(frames) - left_out])] if frames else []),
        *more,
        *(Text(line) for line in view.remarks),
        *_verdict(view, complete=complete),
    )


def _sources(view: ImageView) -> str:
    words = f"{view.n_source} sources in the catalogue"
    if view.seeing is not None:
        words += f", {view.seeing:.3g} arcseconds FWHM"
    if view.zero_point is not None:
        error = "" if view.zero_point_error is None else f" +- {view.zero_point_error:.4f}"
        band = f" in {view.band}" if view.band else ""
        words += f"; zero point {view.zero_point:.4f}{error} mag{band}"
    return f"{words}."


def _frame_table(frames: list[FrameView]) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1), pad_edge=False)
    table.add_column("Frame", overflow="fold", min_width=12)
    for name in ("Exposure, s", "Flux scale", "Stars", "Weight", 'Moved, "'):
        table.add_column(name, justify="right", overflow="fold", min_width=5)
    table.add_column("Remark", overflow="fold")
    for one in frames:
        table.add_row(
            Text(one.name),
            _number(one.exposure),
            _scale(one),
            str(one.n_star or "-"),
            _percent(one.weight_share),
            _number(one.moved),
            Text(one.remark),
        )
    return table


def _verdict(view: ImageView, *, complete: bool) -> list[Text]:
    if complete:
        return [Text.assemble(("complete", "bold green"), ": all frames are in the image.")]
    return [
        Text.assemble(("not complete", "bold yellow"), ":"),
        *(Text(f"  {line}") for line in view.missing or (EXTENDED,)),
    ]


def _scale(one: FrameView) -> str:
    if one.flux_scale is None:
        return "-"
    if not one.flux_scale_error:
        return f"{one.flux_scale:.4g}"
    return interval(one.flux_scale, one.flux_scale_error, one.flux_scale_error)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.3g} %"
