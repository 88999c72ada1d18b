"""CPU seconds of the engine for many targets, beside astropy's fast method in the same run.

``python bench.py`` takes a minute; ``python bench.py --targets 50 --theirs 5`` is the short form.
Every target has times of its own, so nothing is shared between them. The last line is JSON.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import json
import time

import numpy as np
from astropy.timeseries import LombScargle

from openastro_period.compute.bootstrap import resampled
from openastro_period.compute.engine import Engine
from openastro_period.curves import LightCurve
from openastro_period.grid import grid_between
from openastro_period.validate.exact import exact_powers

SPAN, POINTS, SEED = 1000.0, 300, 20261130


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--frequencies", type=int, default=100_000)
    parser.add_argument("--theirs", type=int, default=20, help="targets that astropy computes")
    options = parser.parse_args()
    rng = np.random.default_rng(SEED)
    curves = [curve(rng, number) for number in range(options.targets)]
    high = 0.01 + (options.frequencies - 1) / (10 * SPAN)
    grid = grid_between(0.01, high, SPAN, 10)
    engine = Engine(grid, 1, lambda: None)
    worst, ours = 0.0, 0.0
    for target in curves:
        began = time.process_time()
        power = engine.powers(target, target.value[np.newaxis], target.error[np.newaxis])[0]
        ours += time.process_time() - began
        places = rng.choice(grid.n, 3)
        exact = exact_powers(target, grid.at(places), 1)
        worst = max(worst, float(np.abs(power[places] - exact).max()))
    theirs = astropy_seconds(curves[: options.theirs], grid.first, grid.step, grid.n)
    began = time.process_time()
    count = engine.batch * max(1, min(10, options.targets // 5))
    for first in range(0, count, engine.batch):
        engine.powers(curves[0], *resampled(curves[0], (1, 2), first, engine.batch))
    of_bootstrap = (time.process_time() - began) / count
    per_target = ours / options.targets
    print(f"{options.targets} targets x {grid.n} frequencies, {POINTS} points: {ours:.2f} CPU s")
    print(f"astropy, fast: {theirs * 1e3:.1f} ms a target; here {per_target * 1e3:.2f} ms")
    print(f"a resampled light curve: {of_bootstrap * 1e3:.2f} ms; largest error {worst:.1e}")
    print(
        json.dumps(
            {
                "bench": "period",
                "targets": options.targets,
                "frequencies": grid.n,
                "cpu_s": round(ours, 3),
                "ms_per_target": round(per_target * 1e3, 3),
                "astropy_ms_per_target": round(theirs * 1e3, 2),
                "times_faster": round(theirs / per_target, 1),
                "ms_per_resampled": round(of_bootstrap * 1e3, 3),
                "largest_error": worst,
            }
        )
    )


def curve(rng: np.random.Generator, number: int) -> LightCurve:
    moments = np.sort(rng.uniform(0.0, SPAN, POINTS))
    error = rng.uniform(0.01, 0.03, POINTS)
    value = 15.0 + 0.02 * np.sin(2 * np.pi * 1.234 * moments) + error * rng.normal(size=POINTS)
    return LightCurve(f"{number}", moments, value, error, np.full(POINTS, ""))


def astropy_seconds(curves: list[LightCurve], first: float, step: float, n: int) -> float:
    """Return CPU seconds a target."""
    frequencies = first + step * np.arange(n)
    began = time.process_time()
    for target in curves:
        judge = LombScargle(target.time, target.value, target.error)
        judge.power(frequencies, method="fast", assume_regular_frequency=True)
    return (time.process_time() - began) / len(curves)


if __name__ == "__main__":
    main()
