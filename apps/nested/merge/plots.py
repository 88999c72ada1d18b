"""The plot of a nested run: where the posterior lies in the prior, and how the runs agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from apps.nested.weights import live_counts
from apps.ttv.merge.plots import BLUE, GREY, SKY, STYLE, VERMILION, margins, png

if TYPE_CHECKING:
    from apps.nested.merge.product import Posterior, SubRun

MAX_POINTS = 4000
"""Points of a curve: more than there are pixels."""


def run_plot(posterior: Posterior, runs: Sequence[SubRun], title: str) -> bytes:
    """Plot live points, likelihood, weight and evidence by the volume inside, and the runs.

    The volume is the prior's. If the runs had a proposal, it is that of the cube, and the
    likelihood is L* of `apps.nested.compute.proposal`.
    """
    points, weighted = posterior.points, posterior.weighted
    x = -weighted.log_volume
    chosen = np.unique(np.linspace(0, len(x) - 1, MAX_POINTS).astype(int))
    likelihood = points.logl - points.logl.max()
    name, whole = ("L*", "cube") if posterior.has_proposal else ("L", "prior")
    weight = _density(x, weighted.weights)
    evidence = np.cumsum(weighted.weights)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 10.2))
        axes = figure.subplots(5, 1, height_ratios=[1, 1.2, 1.2, 1.2, 1.4])
        margins(figure, left=0.95, right=0.2, bottom=0.65, top=0.8, hspace=0.42)
        alive = live_counts(points.logl, points.birth)
        axes[0].plot(x[chosen], alive[chosen], color=BLUE, lw=1.1)
        axes[0].set_ylabel("live points")
        axes[1].plot(x[chosen], likelihood[chosen], color=BLUE, lw=1.1)
        # What lies far below has no weight, and would flatten all the rest.
        axes[1].set_ylim(-4.0 * float(weighted.weights @ x) - 20.0, 2.0)
        axes[1].set_ylabel(f"log ({name} / best {name})")
        axes[2].fill_between(*weight, color=SKY, lw=0)
        axes[2].plot(*weight, color=BLUE, lw=1.0)
        axes[2].set_ylabel("posterior weight")
        axes[3].plot(x[chosen], evidence[chosen], color=BLUE, lw=1.1)
        axes[3].set_ylabel("evidence so far")
        axes[3].set_xlabel(f"−log (volume of the {whole} inside)")
        for panel in axes[1:4]:
            panel.sharex(axes[0])
        for panel in axes[:4]:
            panel.set_xlim(0.0, float(x[chosen].max()))
        _draw_runs(axes[4], posterior, runs)
        figure.suptitle(title, x=0.01, ha="left", fontsize=13)
        return png(figure)


def _density(x: Any, weights: Any) -> tuple[Any, Any]:
    """Return the weight per unit of -log volume in bins of equal width: centres and heights."""
    edges = np.linspace(0.0, float(x.max()), 161)
    heights, _ = np.histogram(x, edges, weights=weights)
    return 0.5 * (edges[1:] + edges[:-1]), heights / np.diff(edges)


def _draw_runs(axes: Any, posterior: Posterior, runs: Sequence[SubRun]) -> None:
    logz = posterior.evidence.logz
    axes.axhspan(logz.value - logz.mcse, logz.value + logz.mcse, color=SKY, alpha=0.6, lw=0)
    axes.axhline(logz.value, color=BLUE, lw=1.1)
    axes.errorbar(
        np.arange(len(runs)),
        [run.logz.value for run in runs],
        [run.logz.mcse for run in runs],
        fmt="o",
        ms=3.5,
        color=VERMILION,
        elinewidth=0.9,
    )
    axes.set_ylabel("log Z")
    axes.set_xlabel("run (points), and all of them merged (line with its error)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(colors=GREY)
