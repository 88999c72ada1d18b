"""Whole processes that make one image of a folder of frames, each as its users start it."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.programs import measured
from bench.whole import phases
from bench.whole.frames import transparency

CAMPAIGN = """\
[campaign]
name = "whole"
title = "Whole commands"
app = "reprojection"
seed = 1
[images]
files = ["frames/*.fits"]
[reference]
header = "grid.hdr"
"""
REPROJECT = """\
import glob, sys, warnings
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
import reproject
warnings.simplefilter("ignore")
size, method = int(sys.argv[1]), getattr(reproject, sys.argv[2])
grid = WCS(fits.Header.fromtextfile("../grid.hdr"))
total, count = np.zeros((size, size)), np.zeros((size, size))
for path in sorted(glob.glob("../frames/*.fits")):
    with fits.open(path) as hdus:
        image, footprint = method(hdus[0], grid, shape_out=(size, size))
    image -= np.nanmedian(image)
    there = np.isfinite(image) & (footprint > 0)
    total[there] += image[there]
    count += there
with np.errstate(invalid="ignore", divide="ignore"):
    fits.PrimaryHDU((total / count).astype("f4"), grid.to_header()).writeto("mean.fits")
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a program.

    Attributes
    ----------
    program : str
        Which.
    seconds : float
        CPU, of the process and all that it has started.
    peak_mb : float
        Of the largest process.
    """

    program: str
    seconds: float
    peak_mb: float


def run_product(directory: Path, jobs: int = 1, table: Path | None = None) -> Run:
    """Run ``openastro campaign run-local`` from the frames to the product.

    Parameters
    ----------
    directory : Path
        With frames and grid.
    jobs : int
        Processes at once.
    table : Path, optional
        Where the phases' times are written; they are not measured else.
    """
    (directory / "campaign.toml").write_text(CAMPAIGN)
    out = _empty(directory / "out")
    program = [str(Path(sys.executable).parent / "openastro")]
    if table is not None:
        program = [sys.executable, str(Path(phases.__file__).resolve()), str(table)]
    words = ["campaign", "run-local", "--jobs", str(jobs), "--out", str(out), "campaign.toml"]
    seconds, peak, _ = measured([*program, *words], directory)
    if not (out / "product" / "image.fits").exists():
        raise SystemExit("The campaign has made no image.")
    return Run("product", seconds, peak)


def run_swarp(swarp: str, directory: Path, size: int, kind: str) -> Run:
    """Run SWarp with its own resampling, backgrounds and weights; fluxes are given to it."""
    work = _empty(directory / f"swarp-{kind.lower()}")
    frames = sorted((directory / "frames").glob("*.fits"))
    for number, path in enumerate(frames):
        (work / path.name).symlink_to(path)
        head = f"FLXSCALE= {1 / transparency(number):.12f}\nEND\n"
        (work / path.with_suffix(".head").name).write_text(head)
    shutil.copy(directory / "grid.hdr", work / "coadd.head")
    command = [
        *(swarp, *(path.name for path in frames), "-c", "/dev/null", "-COMBINE_TYPE", kind),
        *("-WEIGHT_TYPE", "BACKGROUND", "-IMAGE_SIZE", f"{size},{size}"),
        *("-CENTER_TYPE", "MANUAL", "-PIXELSCALE_TYPE", "MANUAL", "-PIXEL_SCALE", "1"),
        *("-BACK_SIZE", "128", "-NTHREADS", "1", "-WRITE_XML", "N", "-VERBOSE_TYPE", "QUIET"),
    ]
    seconds, peak, _ = measured(command, work)
    shutil.rmtree(work)
    return Run(f"SWarp {kind}", seconds, peak)


def run_reproject(directory: Path, size: int, method: str) -> Run:
    """Run a script of the `reproject` library and a plain mean of the frames."""
    work = _empty(directory / method)
    seconds, peak, _ = measured([sys.executable, "-c", REPROJECT, str(size), method], work)
    shutil.rmtree(work)
    return Run(method, seconds, peak)


def _empty(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
