"""The plot of a posterior's modes: how much of it each holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from apps.ttv.merge.plots import BLUE, GREY, STYLE, margins, png

LEAST = 1e-4
"""Where the axis ends: what holds less is drawn there."""


def modes_plot(modes: Sequence[Mapping[str, Any]], title: str) -> bytes:
    """Plot the parts of the posterior, with their errors, and how well each mode fits.

    Parameters
    ----------
    modes : sequence of mapping
        As a prepared campaign's settings keep them: ``weight``, ``weight_error``, ``trusted``,
        ``chi2``.
    title : str
        Above it.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 0.5 * len(modes) + 1.9))
        axes = figure.subplots()
        margins(figure, left=2.6, right=0.4, bottom=0.75, top=0.85)
        for place, mode in enumerate(modes):
            weight, error = max(mode["weight"], LEAST), mode["weight_error"]
            axes.barh(
                place,
                weight - LEAST,
                left=LEAST,
                color=BLUE if mode["trusted"] else GREY,
                height=0.6,
            )
            if error:
                axes.errorbar(
                    weight, place, xerr=min(error, 0.99 * weight), color="black", capsize=3
                )
        how = ["" if mode["trusted"] else ", not measured" for mode in modes]
        axes.set_yticks(
            range(len(modes)),
            [f"chi² {mode['chi2']:.1f}{word}" for mode, word in zip(modes, how, strict=True)],
        )
        axes.set_xscale("log")
        axes.set_xlim(LEAST, 1.5)
        axes.invert_yaxis()
        axes.set_xlabel("part of the posterior")
        figure.suptitle(title, x=0.01, ha="left", fontsize=13)
        return png(figure)
