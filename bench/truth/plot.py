"""A picture beside the tables: each star's flux in each program's image over the true one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.truth.measures import Measured
from bench.truth.sky import Doubles

FARTHEST = 8.0
"""Percent: stars that are farther off are drawn at the edge, those that are holes below, in red."""


def draw(path: Path, scenes: Mapping[str, tuple[Doubles, Sequence[Measured]]]) -> None:
    """Draw a row for each scene and a column for each program.

    Parameters
    ----------
    path : Path
        Of the picture.
    scenes : Mapping
        By the scene's name: true fluxes of its stars, and what was measured of each stack.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    n_program = max(len(results) for _, results in scenes.values())
    figure, axes = plt.subplots(
        len(scenes),
        n_program,
        figsize=(2.6 * n_program, 2.2 * len(scenes) + 0.4),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for row, (name, (flux, results)) in zip(axes, scenes.items(), strict=True):
        seen = np.isfinite([result.ratios for result in results]).any(axis=0)
        row[0].set_ylabel(f"{name}\nflux / true - 1, %", fontsize=8)
        for axis, result in zip(row, results, strict=False):
            off = 100 * (result.ratios - 1)
            lost = seen & ~np.isfinite(off)
            axis.axhline(0, color="0.6", linewidth=0.8)
            axis.plot(flux, np.clip(off, -FARTHEST, FARTHEST), ".", markersize=3, color="tab:blue")
            axis.plot(
                flux[lost], np.full(lost.sum(), -FARTHEST), "x", markersize=3, color="tab:red"
            )
            axis.set(xscale="log", ylim=(-1.06 * FARTHEST, 1.06 * FARTHEST))
            axis.tick_params(labelsize=7)
    for axis, result in zip(axes[0], next(iter(scenes.values()))[1], strict=False):
        axis.set_title(result.program, fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("true flux", fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
