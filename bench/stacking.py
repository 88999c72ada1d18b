"""Sigma-clipped weighted means of many frames: this project against astropy, Siril and SWarp.

``python bench/stacking.py [--size 1024] [--frames 20 100] [--directory DIR]``. Frames are made on
the disk from a seed: a sky, noise, cosmic rays and holes, float32. Both read the same files in
bands of rows and write one image; each runs in a process of its own, one thread, and is charged its
CPU seconds without the imports. ``--size 4096`` is the size of real cameras: 100 frames are
7 GB on the disk, and astropy takes its time, so ``--peer-rows`` has it do some of the rows only.

Siril and SWarp (``bench/stacking_peers.py``) are programs: their CPU seconds are those of the whole
process, and so are ours beside them, Python's start and imports included. One that is not there
and cannot be installed is left out, and the line says so; ``--without-programs`` leaves out both.

The comparison is of ``clip = "scatter"``, because astropy has no other. What a campaign does that
does not say how, ``clip = "noise"`` with all variances, is measured beside it.

The last line is JSON: ``vs_astropy`` is the smallest ratio of CPU seconds a pixel, ``peak_mb`` the
largest memory of ours, ``differing`` the largest share of pixels that were clipped otherwise or
differ by more than 2 units in the last place of float32. ``vs_siril`` and ``vs_swarp`` are the
smallest ratios of whole processes. ``default_s`` and ``default_mb`` are the most CPU seconds and
memory that the default takes.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from apps.images.merge.coadd.clip import Stacked
from apps.images.merge.coadd.frames import Source
from apps.images.merge.coadd.measure import Grid
from apps.images.merge.coadd.options import Options
from apps.images.merge.coadd.stack import coadd
from bench import stacking_peers as peers
from bench.programs import measured, program

SEED = 20261126
CHUNK = 64
"""Rows that astropy is given at once: the fastest of 16, 64 and 256 when it was tried."""
ULP = 2 * 2.0**-23


@dataclass(frozen=True)
class FileFrame:
    """A frame whose pixels are a raw float32 file."""

    name: str
    path: Path
    nx: int
    ny: int
    noise: float
    x0: int = 0
    y0: int = 0

    @property
    def tile_digests(self) -> NDArray[np.uint8]:
        """The frame's number and seed make its pixels, so its name stands for them."""
        return np.frombuffer(self.name.encode().ljust(32)[:32], np.uint8).reshape(1, 32)

    def rows(self, start: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return pixels and their variances."""
        n = (stop - start) * self.nx
        pixels = np.fromfile(self.path, np.float32, n, offset=start * self.nx * 4)
        pixels = pixels.reshape(-1, self.nx)
        return pixels, np.broadcast_to(np.float32(self.noise**2), pixels.shape)


def make(directory: Path, n_frame: int, size: int) -> None:
    """Write frames and their noises; those that are there already are kept."""
    for number in range(n_frame):
        path = directory / f"{size}-{number:03d}.raw"
        if path.exists() and path.stat().st_size == size * size * 4:
            continue
        rng = np.random.default_rng((SEED, number))
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            for start in range(0, size, 256):
                rows = min(256, size - start)
                pixels = rng.standard_normal((rows, size), dtype=np.float32)
                pixels *= np.float32(noise_of(number))
                pixels += np.float32(1000)
                # Never side by side: a ray beside a hole looks like a star whose core is lost, and
                # such a star is left out before anything is clipped.
                rays, holes = pixels[:, ::4], pixels[:, 2::4]
                rays[rng.random(rays.shape, np.float32) < 8e-4] += np.float32(3000)
                holes[rng.random(holes.shape, np.float32) < 4e-3] = np.nan
                file.write(pixels.data)
        part.replace(path)


def noise_of(number: int) -> float:
    return 8.0 + number % 5


def frames(directory: Path, n_frame: int, size: int) -> list[FileFrame]:
    return [
        FileFrame(f"{i:03d}", directory / f"{size}-{i:03d}.raw", size, size, noise_of(i))
        for i in range(n_frame)
    ]


class RawSink:
    """Writes image and counts as raw files."""

    def __init__(self, directory: Path) -> None:
        self.image = (directory / "ours.image").open("wb")
        self.count = (directory / "ours.count").open("wb")

    def write(self, _start: int, band: Stacked) -> None:
        """Append a band."""
        self.image.write(band.image.data)
        self.count.write(band.count.data)


OPTIONS = {
    "default": Options(),
    "matched": Options(clip="scatter"),
    "ours": Options(clip="scatter", background="none", flux="none"),
}
"""How frames are co-added, by the side of the comparison."""


def ours(directory: Path, n_frame: int, size: int, side: str) -> float:
    sources = [Source(frame) for frame in frames(directory, n_frame, size)]
    began = time.process_time()
    coadd(
        sources, Grid(size, size), OPTIONS[side], RawSink(directory), scratch=directory,
        with_variance=side == "default",
    )  # fmt: skip
    return time.process_time() - began


def astropy(directory: Path, n_frame: int, size: int, rows: int) -> float:
    import warnings

    from astropy.stats import sigma_clip

    warnings.simplefilter("ignore")  # that NaN is clipped
    all_frames = frames(directory, n_frame, size)
    weights = np.array([frame.noise**-2 for frame in all_frames])
    began = time.process_time()
    image = (directory / "astropy.image").open("wb")
    count = (directory / "astropy.count").open("wb")
    for start in range(0, rows, CHUNK):
        stop = min(start + CHUNK, rows)
        stack = np.stack([frame.rows(start, stop)[0] for frame in all_frames])
        clipped = sigma_clip(stack, sigma=3, maxiters=3, axis=0, masked=True, copy=False)
        mean = np.ma.average(clipped, axis=0, weights=weights)
        image.write(mean.filled(np.nan).astype(np.float32).data)
        count.write(clipped.count(axis=0).astype(np.uint16).data)
    return time.process_time() - began


def differing(directory: Path, size: int, rows: int) -> float:
    n = rows * size
    images = [np.fromfile(directory / f"{one}.image", np.float32, n) for one in ("ours", "astropy")]
    counts = [np.fromfile(directory / f"{one}.count", np.uint16, n) for one in ("ours", "astropy")]
    off = np.abs(images[0] - images[1]) > ULP * np.abs(images[1])
    return float(((counts[0] != counts[1]) | off | np.isnan(images[0] - images[1])).mean())


def child(arguments: list[str]) -> dict[str, float]:
    """Run one side in a process of its own; ``process`` is the CPU seconds of all of it."""
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    cpu, _, said = measured(command, Path.cwd())
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return {**found, "process": cpu}


def run_side(side: str, directory: Path, n_frame: int, size: int, rows: int) -> None:
    if side == "astropy":
        seconds = astropy(directory, n_frame, size, rows)
    else:
        seconds = ours(directory, n_frame, size, side)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


def programs() -> dict[str, str]:
    """Return the programs that can be had, by the name of their ratio."""
    found = {
        "siril": program("siril", "siril-cli"),
        "swarp": program("swarp", "SWarp", "swarp"),
    }
    return {name: path for name, path in found.items() if path}


def beside_programs(
    directory: Path, n_frame: int, size: int, found: dict[str, str], ours_s: float
) -> dict[str, float]:
    """Let the programs stack the same frames; return the ratios of CPU seconds."""
    runs = {"siril": peers.run_siril, "swarp": peers.run_swarp}
    ratios = {}
    for name, path in found.items():
        pixels = (one.rows(0, size)[0] for one in frames(directory, n_frame, size))
        seconds, peak = runs[name](path, directory, pixels)
        ratios[f"vs_{name}"] = seconds / ours_s
        print(
            f"{'':12}{name}: {seconds:.2f} CPU s, {peak:.0f} MB; ours as a process "
            f"{ours_s:.2f}; ratio {seconds / ours_s:.2f}",
            flush=True,
        )
    return ratios


def compare(
    directory: Path, n_frame: int, size: int, rows: int, found_programs: dict[str, str]
) -> dict[str, float]:
    make(directory, n_frame, size)
    shared = ["--directory", str(directory), "--frames", str(n_frame), "--size", str(size)]
    sides = {
        side: child([*shared, "--peer-rows", str(rows), "--side", side])
        for side in (*OPTIONS, "astropy")
    }
    per_pixel = {
        "ours": sides["ours"]["seconds"] / size,
        "astropy": sides["astropy"]["seconds"] / rows,
    }
    result = {
        "vs_astropy": per_pixel["astropy"] / per_pixel["ours"],
        "peak_mb": max(sides["ours"]["peak_mb"], sides["matched"]["peak_mb"]),
        "differing": differing(directory, size, rows),
        "default_s": sides["default"]["seconds"],
        "default_mb": sides["default"]["peak_mb"],
    }
    print(
        f"{n_frame:5d} frames of {size} x {size}: ours {sides['ours']['seconds']:.2f} CPU s "
        f"(with matching {sides['matched']['seconds']:.2f}), {result['peak_mb']:.0f} MB; "
        f"astropy {sides['astropy']['seconds']:.2f} CPU s for {rows} rows, "
        f"{sides['astropy']['peak_mb']:.0f} MB; ratio {result['vs_astropy']:.1f}, "
        f"differing {result['differing']:.1e}; by default {result['default_s']:.2f} CPU s, "
        f"{result['default_mb']:.0f} MB",
        flush=True,
    )
    ours_s = sides["ours"]["process"]
    return {**result, **beside_programs(directory, n_frame, size, found_programs, ours_s)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--directory", type=Path, help="keeps the frames; else they are removed")
    parser.add_argument("--peer-rows", type=int, help="rows that astropy does; else all")
    parser.add_argument("--without-programs", action="store_true", help="astropy alone")
    parser.add_argument("--side", choices=(*OPTIONS, "astropy"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    rows = min(chosen.peer_rows or chosen.size, chosen.size)
    if chosen.side:
        run_side(chosen.side, chosen.directory, chosen.frames[0], chosen.size, rows)
        return
    there = {} if chosen.without_programs else programs()
    with tempfile.TemporaryDirectory() as temporary:
        directory = chosen.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        results = [compare(directory, n, chosen.size, rows, there) for n in chosen.frames]
    worst = {
        "vs_astropy": round(min(result["vs_astropy"] for result in results), 2),
        "peak_mb": round(max(result["peak_mb"] for result in results), 1),
        "differing": max(result["differing"] for result in results),
        "default_s": round(max(result["default_s"] for result in results), 2),
        "default_mb": round(max(result["default_mb"] for result in results), 1),
        **{
            f"vs_{name}": round(min(result[f"vs_{name}"] for result in results), 2)
            for name in there
        },
    }
    print(json.dumps(worst))


if __name__ == "__main__":
    main()
