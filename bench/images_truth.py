"""Truth tables of images: stars and noise of stacks whose frames are known.

Each scene is written as FITS files and stacked by a whole ``openastro campaign run-local``, by
SWarp (WEIGHTED and CLIPPED) and by ccdproc. SWarp and ccdproc are told the frames' true
transparencies, and ccdproc their noise, which the product measures. SWarp comes from Debian where
this is allowed, ccdproc from PyPI into a virtual environment beside the build; a peer that cannot
be had is named.

    python bench/images_truth.py [SCENE ...] [--markdown] [--plot PNG]

The last line is JSON, of the product: worst bias of the fluxes of stars that are not faint, worst
noise over the optimum, pixels of cosmic rays and trails that are left, worst error of the variance
that its weights say, and the programs that were beside it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.programs import program, python_with
from bench.tables import show
from bench.truth.measures import BINS, Measured, measure
from bench.truth.plot import draw
from bench.truth.scenes import SCENES, Scene
from bench.truth.sky import Stars, take
from bench.truth.stacks import run_ccdproc, run_product, run_swarp

CCDPROC_VERSION = "2.5.1"


@dataclass(frozen=True, slots=True)
class Peers:
    """The programs that can be had here: SWarp, and a Python with ccdproc."""

    swarp: str | None
    python: str | None


def run(scene: Scene, directory: Path, peers: Peers) -> list[Measured]:
    """Write a scene's frames, stack them with each program, and measure the stacks."""
    rng = np.random.default_rng(scene.seed)
    stars = Stars.of(scene.side, scene.n_star, rng)
    (directory / "frames").mkdir(parents=True)
    taken = [
        take(directory / "frames" / f"f{number:02d}.fits", stars, how, scene.side, rng)
        for number, how in enumerate(scene.exposures)
    ]
    stacks = [run_product(directory, scene, taken)]
    if peers.swarp:
        stacks += [
            run_swarp(peers.swarp, directory, scene, taken, kind)
            for kind in ("WEIGHTED", "CLIPPED")
        ]
    if peers.python:
        stacks.append(run_ccdproc(peers.python, directory, scene, taken))
    return [measure(scene, stars, taken, stack) for stack in stacks]


def main() -> None:
    """Run the scenes that are asked for, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(SCENES))
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--plot", type=Path, help="also draw the fluxes of all stars into a PNG")
    chosen = parser.parse_args()
    peers = Peers(program("swarp", "SWarp", "swarp"), python_with("ccdproc", CCDPROC_VERSION))
    products, programs, drawn = [], [], {}
    for name in chosen.scenes or SCENES:
        scene = SCENES[name]()
        with tempfile.TemporaryDirectory(prefix="openastro-truth-") as directory:
            results = run(scene, Path(directory) / "scene", peers)
        products.append(results[0])
        programs = [result.program for result in results[1:]]
        stars = Stars.of(scene.side, scene.n_star, np.random.default_rng(scene.seed))
        drawn[scene.name] = stars.flux, results
        _show(scene, results, markdown=chosen.markdown)
    if chosen.plot:
        draw(chosen.plot, drawn)
    print(json.dumps({**_verdict(products), "beside": programs}))


def _show(scene: Scene, results: list[Measured], *, markdown: bool) -> None:
    bins = [f"{low:.0e} to {high:.0e}" for low, high in itertools.pairwise(BINS)]
    columns = [
        "",
        *bins,
        "noise / optimum",
        "weight error",
        "position",
        "rays left",
        "trails left",
        "CPU s",
    ]
    rows = [
        [
            result.program,
            *(f"{100 * bias:+.2f} % ± {100 * scatter:.2f}"
              for bias, scatter in zip(result.bias, result.scatter, strict=True)),
            f"{result.noise_ratio:.3f}",
            "-" if result.weight_error is None else f"{100 * result.weight_error:+.1f} %",
            f"{result.position:.1f} mas",
            str(result.survivors),
            str(result.on_trails),
            f"{result.seconds:.1f}",
        ]
        for result in results
    ]  # fmt: skip
    show(scene.name, columns, rows, markdown=markdown)


def _verdict(products: list[Measured]) -> dict[str, float | int]:
    """Return the worst of the product; the faintest stars tell more of noise than of bias."""
    biases = [bias for result in products for bias in result.bias[1:] if math.isfinite(bias)]
    errors = [result.weight_error for result in products if result.weight_error is not None]
    return {
        "worst_flux_bias": round(max(abs(bias) for bias in biases), 5),
        "worst_noise_ratio": round(max(result.noise_ratio for result in products), 4),
        "survivors": sum(result.survivors + result.on_trails for result in products),
        "weight_error": round(max(abs(error) for error in errors), 4),
    }


if __name__ == "__main__":
    main()
