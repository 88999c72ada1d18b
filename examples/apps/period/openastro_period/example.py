"""A small campaign: six simulated light curves, two of them at the same times."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CAMPAIGN = """\
# A small campaign of simulated light curves: some seconds on one processor.

[campaign]
name = "six-stars"
title = "Periods of six simulated stars"
description = "Their periods are known: this shows that everything works."
app = "period"
seed = 20261130

[light_curves]
files = ["curves/*.csv"]
time = "time"                # days; time_unit = "h", "min" or "s" is converted
magnitude = "mag"            # or flux = "flux"
error = "magerr"             # or a number, if all points have one
time_zero = 2400000.5        # days to add for BJD: the times are MJD

[search]
min_period = 0.1
max_period = 20.0
bootstrap = 200
targets_per_unit = 2
"""
PERIODS = (0.6143, 0.3115, 2.35, 5.366, None, None)
"""Days; None: a star that does not vary."""
SEED, AMPLITUDE, NOISE, NIGHTS = 20261130, 0.12, 0.04, 180


def write_example(directory: Path) -> Path:
    """Write the campaign into a directory; return its file."""
    curves = directory / "curves"
    curves.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    nights = np.sort(rng.choice(400, NIGHTS, replace=False))
    shared = 58000.0 + nights + 0.3 * rng.random(NIGHTS)
    for number, period in enumerate(PERIODS):
        time = shared if number < 2 else 58000.0 + nights + 0.3 * rng.random(NIGHTS)
        value = 14.0 + NOISE * rng.normal(size=NIGHTS)
        if period is not None:
            value += AMPLITUDE * np.sin(2 * np.pi * time / period)
        rows = (f"{t:.6f},{v:.4f},{NOISE}" for t, v in zip(time, value, strict=True))
        path = curves / f"star-{number + 1}.csv"
        path.write_text("time,mag,magerr\n" + "\n".join(rows) + "\n", encoding="utf-8")
    path = directory / "campaign.toml"
    path.write_text(CAMPAIGN, encoding="utf-8")
    return path
