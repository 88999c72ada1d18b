"""Whole commands that make one image of raw frames: this project, SWarp, and reproject.

``python bench/images_whole.py [--one 4096] [--size 2048] [--frames 20 100] [--repeat 1]``. Frames
of one field are written from a seed, as integers of 16 bits. Every program then makes one image of
the same files on the same grid, in processes of its own and on one core, and is charged all of
their CPU seconds, imports included:

- ``openastro campaign run-local --jobs 1``, with nothing in its file but the frames and the grid.
  It measures noise, seeing, skies and fluxes, looks for trails and cut stars, clips, and writes
  eight files and a catalogue of sources;
- SWarp with ``COMBINE_TYPE`` WEIGHTED and CLIPPED, weights from its own background maps, and fluxes
  that are given to it; not for the largest number of frames, which shows whether the product's
  time is linear;
- reproject's functions ``reproject_interp`` and ``reproject_adaptive`` with their defaults, and a
  plain mean, for the single frame, because they are slow;
- not dfreproject, which needs PyTorch.

Each number is the least of ``--repeat`` runs, because other work on a machine only adds to it.
``--short`` is for a minute: frames of 512 pixels.

The last line is JSON. ``vs_swarp_one`` is the CPU seconds of SWarp WEIGHTED over ours for one frame
of 4096 x 4096, ``vs_swarp_twenty`` those of SWarp CLIPPED for twenty of 2048 x 2048, and
``vs_reproject_one`` those of ``reproject_interp`` for one frame. ``linear`` is the time for a frame
of the largest number of frames over that of the smallest. ``import_s`` is what the command takes
until it begins to look at a frame, and ``peak_mb`` the memory of its largest process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.programs import program
from bench.tables import show
from bench.whole.frames import make
from bench.whole.phases import PHASES
from bench.whole.programs import Run, run_product, run_reproject, run_swarp

SHORT = {"one": 512, "size": 512, "frames": [4, 20]}


def least(repeat: int, run: Callable[[], Run]) -> Run:
    """Return the run that took the least CPU seconds."""
    return min((run() for _ in range(repeat)), key=lambda each: each.seconds)


def runs_of(
    directory: Path, size: int, repeat: int, swarp: str | None, methods: Sequence[str]
) -> dict[str, Run]:
    """Run every program on the frames of a directory; return its runs by their program."""
    runs = [least(repeat, lambda: run_product(directory, table=directory / "phases.json"))]
    for kind in ("WEIGHTED", "CLIPPED") if swarp else ():
        runs.append(least(repeat, lambda kind=kind: run_swarp(swarp, directory, size, kind)))
    for method in methods:
        runs.append(least(repeat, lambda method=method: run_reproject(directory, size, method)))
    return {run.program: run for run in runs}


def compare(root: Path, chosen: argparse.Namespace) -> dict[str, float | None]:
    """Run all cases, print their tables, and return what the last line says."""
    swarp = program("swarp", "SWarp", "swarp")
    print("dfreproject is left out: it needs PyTorch, which this project does not have.")
    cases = [(1, chosen.one), *((n, chosen.size) for n in chosen.frames)]
    every, starts, rows, times = {}, [], [], []
    for n_frame, size in cases:
        directory = root / f"{n_frame}-{size}"
        make(directory, n_frame, size)
        methods = ["reproject_interp", "reproject_adaptive"] if n_frame == 1 else []
        # The largest number is there for the product's own time to be linear.
        peer = swarp if n_frame <= min(chosen.frames) else None
        runs = runs_of(directory, size, chosen.repeat, peer, methods)
        name = f"{n_frame} of {size} x {size}"
        every[n_frame] = runs
        rows += [
            [name, run.program, f"{run.seconds:.2f}", f"{run.peak_mb:.0f}",
             f"{run.seconds / runs['product'].seconds:.2f}"]
            for run in runs.values()
        ]  # fmt: skip
        seconds = json.loads((directory / "phases.json").read_text())
        times.append([name, *(f"{seconds[phase]:.2f}" for phase in PHASES)])
        starts.append(seconds["start"])
    show("Whole processes", ["frames", "program", "CPU s", "MB", "over ours"], rows)
    show("Phases of the command, CPU s", ["frames", *PHASES], times)
    few, many = min(chosen.frames), max(chosen.frames)
    each = {n: every[n]["product"].seconds / n for n in (few, many)}
    return {
        "vs_swarp_one": ratio(every[1], "SWarp WEIGHTED"),
        "vs_swarp_twenty": ratio(every[few], "SWarp CLIPPED"),
        "vs_reproject_one": ratio(every[1], "reproject_interp"),
        "linear": round(each[many] / each[few], 2),
        "import_s": round(min(starts), 2),
        "peak_mb": round(max(runs["product"].peak_mb for runs in every.values()), 1),
    }


def ratio(runs: dict[str, Run], peer: str) -> float | None:
    """Return how many times the product's CPU seconds a peer takes; None if it cannot be had."""
    if peer not in runs:
        return None
    return round(runs[peer].seconds / runs["product"].seconds, 2)


def main() -> None:
    """Run the cases that are asked for."""
    parser = argparse.ArgumentParser(description="Whole commands from raw frames to an image.")
    parser.add_argument("--one", type=int, default=4096, help="pixels along the single frame")
    parser.add_argument("--size", type=int, default=2048, help="pixels along the others")
    parser.add_argument("--frames", type=int, nargs="+", default=[20, 100], help="how many")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each, the least counts")
    parser.add_argument("--short", action="store_true", help="small frames, for a minute")
    parser.add_argument("--directory", type=Path, help="keeps the frames; else they are removed")
    chosen = parser.parse_args()
    if chosen.short:
        vars(chosen).update(SHORT)
    with tempfile.TemporaryDirectory(prefix="openastro-whole-") as temporary:
        print(json.dumps(compare(chosen.directory or Path(temporary), chosen)))


if __name__ == "__main__":
    main()
