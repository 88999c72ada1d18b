"""A product on the terminal, whatever it is: a posterior or an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from boinc_project.campaign import StopRule
from server.cli.posterior_table import posterior_report

MOST_FRAMES = 20
"""Frames that the short table shows."""


def product_report(
    summary: Mapping[str, Any], stop: StopRule | None = None, *, every: bool = False
) -> RenderableType:
    """Return the table of a product, and below it whether it is what was wanted.

    Parameters
    ----------
    summary : Mapping
        Its ``summary.json``.
    stop : StopRule, optional
        The campaign's rule, for a posterior.
    every : bool
        Show every parameter, or every frame.
    """
    if summary.get("kind") == "image":
        return image_report(summary, every=every)
    return posterior_report(summary, stop, every=every)


def image_report(summary: Mapping[str, Any], *, every: bool = False) -> RenderableType:
    """Return the table of an image's frames, and its numbers below."""
    frames = summary["frames"]
    shown = frames if every else frames[:MOST_FRAMES]
    table = Table(box=SIMPLE_HEAD, title=Text(str(summary.get("title", ""))))
    for name in ("Frame", "Exposure", "Noise", "Flux scale", "Weight"):
        table.add_column(name, justify="left" if name == "Frame" else "right")
    for one in shown:
        scale = one["flux_scale"]
        error = "" if scale["error"] is None else f" ± {scale['error']:.2g}"
        table.add_row(
            Text(one["name"]),
            f"{one['exposure_s']:g} s",
            f"{one['noise']:.4g}",
            f"{scale['value']:.5g}{error}",
            f"{100 * one['weight_share']:.1f} %",
        )
    lines = [] if len(shown) == len(frames) else [f"... and {len(frames) - len(shown)} more."]
    grid, depth = summary["grid"], summary["depth"]
    lines.append(
        f"{summary['n_frame']} frames, {summary['exposure_s']:g} s in all, on {grid['nx']} x "
        f"{grid['ny']} pixels, {100 * summary['covered_fraction']:.1f} % of them covered; "
        f"{summary['n_rejected']:,} values clipped."
    )
    if depth is not None:
        lines.append(
            f"Sky noise where all {summary['frames_deepest']} frames overlap: {depth:.4g}."
        )
    lines += [*summary["missing"], *summary["remarks"]]
    if summary["converged"]:
        lines.append("All frames are in the image.")
    return Group(table, *(Text(line) for line in lines))
