"""Siril and SWarp for ``bench/stacking.py``: given the same frames, and measured.

What each is asked for is the nearest that it has to sigma-clipped weighted means:

- Siril: ``stack rej s 3 3``, sigma clipping without a bound of iterations, unweighted (weights need
  a normalisation); float32, divided by 65535, with 0 in holes.
- SWarp: ``COMBINE_TYPE MEDIAN`` with weight maps that are 0 in holes, without resampling and
  without subtracting a background. Its ``CLIPPED`` is not used, because SWarp 2.41.5 clips nothing
  of these frames: hits of 300 standard deviations stay in its mean.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.programs import measured

LEVEL = 1000.0
"""Sky of the frames: what a stack must show."""
FULL = 65535.0
"""What Siril holds for 1."""
SIRIL = """\
requires 1.0.0
setcpu 1
set32bits
stack f_ rej s 3 3 -nonorm -out=stacked
close
"""
Frames = Iterable[NDArray[np.float32]]


def run_siril(siril: str, directory: Path, frames: Frames) -> tuple[float, float]:
    """Return the CPU seconds and the peak in MB of Siril's whole process."""
    from astropy.io import fits

    with _scratch(directory / "siril") as work:
        for number, pixels in enumerate(frames, start=1):
            scaled = np.nan_to_num(pixels, nan=0.0) / np.float32(FULL)
            fits.PrimaryHDU(scaled).writeto(work / f"f_{number:05d}.fit")
        (work / "stack.ssf").write_text(SIRIL)
        command = [siril, "-d", str(work), "-s", "stack.ssf"]
        cpu, peak, _ = measured(command, work, HOME=str(work))
        _check("Siril", fits.getdata(work / "stacked.fit") * FULL)
    return cpu, peak


def run_swarp(swarp: str, directory: Path, frames: Frames) -> tuple[float, float]:
    """Return the CPU seconds and the peak in MB of SWarp's whole process."""
    from astropy.io import fits

    with _scratch(directory / "swarp") as work:
        names = []
        for number, pixels in enumerate(frames):
            header, bad = _header(pixels.shape), np.isnan(pixels)
            names.append(f"f{number:05d}.fits")
            filled = np.where(bad, np.float32(0), pixels)
            fits.PrimaryHDU(filled, header).writeto(work / names[-1])
            weight = np.where(bad, np.float32(0), np.float32(0.01))
            fits.PrimaryHDU(weight, header).writeto(work / f"f{number:05d}.weight.fits")
        (work / "frames").write_text("\n".join(names) + "\n")
        command = [
            *(swarp, "@frames", "-c", "/dev/null", "-RESAMPLE", "N", "-SUBTRACT_BACK", "N"),
            *("-COMBINE", "Y", "-COMBINE_TYPE", "MEDIAN", "-FSCALASTRO_TYPE", "NONE"),
            *("-WEIGHT_TYPE", "MAP_WEIGHT", "-WEIGHT_SUFFIX", ".weight.fits"),
            *("-NTHREADS", "1", "-WRITE_XML", "N", "-VERBOSE_TYPE", "QUIET"),
        ]
        cpu, peak, _ = measured(command, work)
        _check("SWarp", fits.getdata(work / "coadd.fits"))
    return cpu, peak


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """Yield a directory for a peer's own copies of the frames, gone afterwards: they are large."""
    work = path.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _header(shape: tuple[int, ...]) -> Any:
    from astropy.io import fits

    ny, nx = shape
    return fits.Header(
        {
            "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0,
            "CRPIX1": nx / 2 + 0.5, "CRPIX2": ny / 2 + 0.5, "CDELT1": -1 / 3600,
            "CDELT2": 1 / 3600, "CUNIT1": "deg", "CUNIT2": "deg",
        }
    )  # fmt: skip


def _check(name: str, image: NDArray[np.float32]) -> None:
    """Refuse a peer's time for something else than a stack of the frames."""
    median, high = float(np.median(image)), float(np.percentile(image, 99.9))
    if abs(median - LEVEL) > 1 or high > LEVEL + 100:
        raise SystemExit(f"{name} has made another image: median {median:g}, 99.9 % {high:g}.")
