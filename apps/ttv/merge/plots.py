"""The plots of a product, as PNG bytes.

Drawn without pyplot, so that no global state and no display take part. Colours are those of Okabe &
Ito, which colour-blind people can tell apart; everything is also told apart by line or place.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import rankdata

from apps.ttv.merge.quantities import Quantity
from apps.ttv.merge.timing import TimingCurve

BLACK, BLUE, SKY, VERMILION, GREY = "#1a1a1a", "#0072B2", "#56B4E9", "#D55E00", "#6b6b6b"
DPI = 110
MAX_CORNER_DRAWS = 6000
"""More only take time: a bin of a 2-d histogram then already holds 1 % of them to 13 %."""
RANK_BINS = 20

STYLE: dict[Any, Any] = {
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": BLACK,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "mathtext.fontset": "dejavusans",
}

Floats = NDArray[np.float64]


def oc_plot(curves: Sequence[TimingCurve], title: str) -> bytes:
    """Plot observed minus calculated times, the posterior's bands, and what is left over."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 4.3 * len(curves) + 1.1))
        axes = figure.subplots(
            2 * len(curves), 1, sharex=True, squeeze=False, height_ratios=[3, 1] * len(curves)
        )[:, 0]
        margins(figure, left=0.85, right=0.2, bottom=0.9, top=0.8, hspace=0.28)
        for k, curve in enumerate(curves):
            _draw_curve(axes[2 * k], axes[2 * k + 1], curve)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, ncols=4, loc="lower center", fontsize=9.5)
        axes[-1].set_xlabel(r"transit time, BKJD (BJD$_\mathrm{TDB}$ − 2454833, days)")
        figure.suptitle(title, x=0.01, ha="left", fontsize=13)
        return png(figure)


def corner_plot(quantities: Sequence[Quantity], title: str) -> bytes:
    """Plot all one- and two-dimensional marginal distributions."""
    import corner

    shown = [_shifted(quantity) for quantity in quantities if np.ptp(quantity.values) > 0]
    columns = np.stack([values.reshape(-1) for values, _ in shown], axis=1)
    chosen = np.unique(np.linspace(0, len(columns) - 1, MAX_CORNER_DRAWS).astype(int))
    size = max(4.5, 1.35 * len(shown) + 1.3)
    with mpl.rc_context(
        {**STYLE, "axes.titleweight": "normal", "axes.titlelocation": "center", "font.size": 9.5}
    ):
        figure = Figure(figsize=(size, size))
        FigureCanvasAgg(figure)
        corner.corner(
            columns[chosen],
            fig=figure,
            labels=[label for _, label in shown],
            color=BLUE,
            levels=(0.393, 0.865),  # one and two sigma of a 2-d Gaussian
            plot_datapoints=False,
            plot_density=False,
            fill_contours=True,
            bins=24,
            smooth=0.9,
            quantiles=(0.158655, 0.5, 0.841345),
            max_n_ticks=3,
            label_kwargs={"fontsize": 9.5},
            labelpad=0.12,
        )
        margins(figure, left=1.25, right=0.15, bottom=1.25, top=0.15)  # two-line labels
        for axes in figure.axes:
            axes.tick_params(labelsize=7.5)
        figure.text(0.98, 0.97, title, ha="right", va="top", fontsize=15, fontweight="bold")
        figure.text(
            0.98,
            0.97 - 0.35 / size,
            "contours: 39 % and 86 % (1σ and 2σ)\ndashed: median and 68 % interval",
            ha="right",
            va="top",
            fontsize=11,
            color=GREY,
        )
        return png(figure)


def rank_plot(quantities: Sequence[Quantity], title: str) -> bytes:
    """Plot in which ranks each sub-chain's draws stand: flat lines if sub-chains agree.

    Ranks are those among the draws of all sub-chains (Vehtari et al. 2021, section 4.5).
    """
    shown = [quantity for quantity in quantities if np.ptp(quantity.values) > 0]
    n_column = min(3, len(shown))
    n_row = math.ceil(len(shown) / n_column)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * n_column, 2.0 * n_row + 1.2))
        axes = figure.subplots(n_row, n_column, sharex=True, sharey=True, squeeze=False)
        margins(figure, left=0.85, right=0.2, bottom=0.7, top=0.9, hspace=0.35, wspace=0.08)
        for place, quantity in enumerate(shown):
            _draw_ranks(axes.flat[place], quantity)
        for empty in axes.flat[len(shown) :]:
            empty.set_visible(False)
        figure.supxlabel("rank among all draws, per cent", fontsize=10.5)
        figure.supylabel("draws, relative to equal shares", fontsize=10.5)
        figure.suptitle(title, x=0.01, ha="left", fontsize=13)
        return png(figure)


def _draw_curve(top: Any, bottom: Any, curve: TimingCurve) -> None:
    scale, unit = (60.0, "hours") if np.abs(curve.observed).max() > 180.0 else (1.0, "minutes")
    low95, low68, median, high68, high95 = curve.bands / scale
    x = curve.model_times
    top.fill_between(x, low95, high95, color=SKY, alpha=0.35, lw=0, label="posterior, 95 %")
    top.fill_between(x, low68, high68, color=SKY, alpha=0.9, lw=0, label="posterior, 68 %")
    top.plot(x, median, color=BLUE, lw=1.0, label="posterior, median")
    points = {"fmt": "o", "ms": 3.5, "color": VERMILION, "ecolor": VERMILION, "elinewidth": 0.9}
    top.errorbar(
        curve.times, curve.observed / scale, curve.errors / scale, label="observed", **points
    )
    top.set_ylabel(f"O − C ({unit})")
    top.set_title(
        f"planet {curve.planet}: against {curve.reference:.5f} + {curve.period:.6f} d × epoch"
    )
    bottom.axhline(0.0, color=BLUE, lw=1.0)
    for edges, alpha in (((0, 4), 0.35), ((1, 3), 0.9)):
        low, high = (curve.bands[edge] - curve.bands[2] for edge in edges)
        bottom.fill_between(x, low, high, color=SKY, alpha=alpha, lw=0)
    bottom.errorbar(curve.times, curve.residuals, curve.errors, **points)
    bottom.set_ylabel("residual (min)")


def _draw_ranks(axes: Any, quantity: Quantity) -> None:
    values = quantity.values
    ranks = rankdata(values).reshape(len(values), -1) / values.size
    edges = np.linspace(0.0, 1.0, RANK_BINS + 1)
    colours = mpl.colormaps["cividis"](np.linspace(0.0, 0.9, len(values)))
    for chain, colour in zip(ranks, colours, strict=True):
        share = np.histogram(chain, edges)[0] * RANK_BINS / chain.size
        axes.stairs(share, 100 * edges, color=colour, lw=1.1)
    axes.axhline(1.0, color=VERMILION, lw=0.9, ls="--")
    axes.set_ylim(0.0, None)
    axes.set_title(_label(quantity.symbol, quantity.symbol_unit))


def _shifted(quantity: Quantity) -> tuple[Floats, str]:
    """Return values and label; a narrow quantity is shown as its distance from a round number."""
    values, spread = quantity.values, float(quantity.values.std())
    centre = float(np.median(values))
    if abs(centre) < 300.0 * spread:
        return values, _label(quantity.symbol, quantity.symbol_unit)
    digits = max(0, 1 - math.floor(math.log10(spread)))
    base = round(centre, digits)
    exponent = math.floor(math.log10(spread))
    sign = "−" if base >= 0 else "+"
    unit = f"$10^{{{exponent}}}$ {quantity.symbol_unit}".strip()
    label = f"{quantity.symbol} {sign} {abs(base):.{digits}f}\n({unit})"
    return (values - base) / 10.0**exponent, label


def _label(symbol: str, unit: str) -> str:
    return f"{symbol} ({unit})" if unit else symbol


def margins(
    figure: Figure, *, left: float, right: float, bottom: float, top: float, **gaps: float
) -> None:
    """Set the margins in inches; a solver for the layout would take longer than the drawing."""
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=left / width,
        right=1 - right / width,
        bottom=bottom / height,
        top=1 - top / height,
        **gaps,
    )


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    # No metadata: equal plots are equal bytes.
    figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
    return stream.getvalue()
