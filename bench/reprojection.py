"""Reprojecting one 4096 x 4096 frame, file to file: ``python bench/reprojection.py``.

A float32 frame with TAN-SIP coordinates (distorted by up to 12 pixels, turned by 12 degrees, scale
1.1), a mask of 0.05 % and a plane of variances, onto a TAN grid of the same size. One thread each,
every peer in a process of its own, one after the other, several rounds; CPU seconds, user and
system together, because the machine may be shared.

ours
    The app's ``run``, from the files of a unit to the output on the disk: Lanczos3 with mask,
    variance and Jacobian, digests of all tiles, steps of sigma/4 as tile-compressed FITS; without
    imports. *whole* is the process as a client starts it, with Python's start and the SHA-256 of
    all inputs. The pixel map comes with the unit: what the server took for it is in neither.
reproject
    ``reproject_interp(order="bicubic")`` of the package reproject with astropy reading and writing;
    without its imports, without mask and variance.
SWarp
    ``-RESAMPLING_TYPE LANCZOS3`` with a weight map, one thread; whole process, which has no imports
    to speak of. It ignores SIP, which costs it nothing.

reproject comes from PyPI into a virtual environment beside the build if it is not installed here,
SWarp from Debian where this is allowed; a peer that cannot be had is named. Then the bytes of a
uint16 frame both ways. The last line is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.programs import measured, program, python_with
from boinc_project.fits.cards import card
from boinc_project.fits.writing import create_fits
from boinc_project.unit import Unit

ROOT = Path(__file__).resolve().parents[1]
PEER = Path(__file__).with_name("reprojection_peer.py")
NOISE, LEVEL = 12.0, 300.0
STEP = 128


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="where files are kept (default: thrown away)")
    options = parser.parse_args()
    python, swarp = python_with("reproject"), program("swarp", "SWarp", "swarp")
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        size = options.size
        prepare(work, size, python)
        rows: list[dict[str, float]] = []
        for _ in range(options.rounds):
            row = {}
            row["ours"], row["whole"], row["peak_mb"] = run_ours(work / "float32")
            if swarp:
                row["SWarp"], row["swarp_mb"] = run_swarp(swarp, work, size)
            if python:
                row["reproject"], row["reproject_mb"] = run_reproject(python, work)
            rows.append(row)
            print("  ".join(f"{name} {value:.3g}" for name, value in row.items()), flush=True)
        result: dict[str, Any] = {"size": size, "peak_mb": max(row["peak_mb"] for row in rows)}
        for key, name in (("vs_reproject", "reproject"), ("vs_swarp", "SWarp")):
            for what, suffix in (("ours", ""), ("whole", "_whole")):
                ratios = [row[name] / row[what] for row in rows if name in row]
                result[key + suffix] = round(float(np.median(ratios)), 2) if ratios else None
        run_ours(work / "uint16")
        sent = (work / "uint16" / "frame_00.fits").stat().st_size
        back = (work / "uint16" / "output.fits").stat().st_size
        print(f"uint16: {sent / 1e6:.1f} MB to the volunteer, {back / 1e6:.1f} MB back")
        result["mb_both_ways"] = round((sent + back) / 1e6, 1)
        result["peak_mb"] = round(result["peak_mb"], 1)
        print(json.dumps(result))
    return 0


OURS = """
import sys, time
from apps import main
from apps.images.compute import app, computing
import boinc_project.unit
compute = computing.run
def timed(*arguments):
    began = time.process_time()
    compute(*arguments)
    print(time.process_time() - began, flush=True)
computing.run = timed
main.main(app.Frames(), ["--slot", sys.argv[1]])
"""


def run_ours(slot: Path) -> tuple[float, float, float]:
    """Return CPU seconds of ``run`` and of the process, and its peak memory in MB."""
    for left in ("checkpoint", "checkpoint.previous", "tiles.spool", "boinc_finish_called"):
        (slot / left).unlink(missing_ok=True)
    cpu, peak, said = measured([sys.executable, "-c", OURS, str(slot)], ROOT, PYTHONPATH=str(ROOT))
    return float(said.split()[-1]), cpu, peak


def run_reproject(python: str, work: Path) -> tuple[float, float]:
    _, peak, said = measured([python, str(PEER), "run", str(work)], work)
    return float(said.split()[-1]), peak


def run_swarp(swarp: str, work: Path, size: int) -> tuple[float, float]:
    command = [
        *(swarp, "frame.fits", "-c", "/dev/null", "-COMBINE", "N", "-SUBTRACT_BACK", "N"),
        *("-RESAMPLING_TYPE", "LANCZOS3", "-NTHREADS", "1", "-VERBOSE_TYPE", "QUIET"),
        *("-WEIGHT_TYPE", "MAP_WEIGHT", "-WEIGHT_IMAGE", "weight.fits", "-WRITE_XML", "N"),
        *("-CENTER_TYPE", "MANUAL", "-CENTER", "150.0,2.2", "-IMAGE_SIZE", f"{size},{size}"),
        *("-PIXELSCALE_TYPE", "MANUAL", "-PIXEL_SCALE", "1.0", "-CELESTIAL_TYPE", "EQUATORIAL"),
    ]
    cpu, peak, _ = measured(command, work)
    return cpu, peak


def prepare(work: Path, size: int, python: str | None) -> None:
    """Write the frame for all, and seal our units."""
    rng = np.random.default_rng(1)
    pixels = rng.normal(LEVEL, NOISE, (size, size)).astype(np.float32)
    bad = rng.random((size, size)) < 5e-4
    variance = rng.uniform(0.9, 1.1, (size, size)).astype(np.float32) * np.float32(NOISE**2)
    n_node = (size - 1) // STEP + 4
    if python:
        np.savez(work / "request.npz", pixels=pixels, size=size, step=STEP, n_node=n_node)
        subprocess.run([python, str(PEER), "prepare", str(work)], check=True)
        nodes = np.load(work / "nodes.npy")
        (work / "request.npz").unlink()
    else:
        nodes = _turned(size, n_node)
        with create_fits(work / "frame.fits") as file:
            file.primary()
            file.image("FRAME", pixels)
    weight = np.where(bad, 0, 1 / variance).astype(np.float32)
    with create_fits(work / "weight_.fits") as file:
        file.primary()
        file.image("W", weight)
    _as_primary(work / "weight_.fits", work / "weight.fits")
    _unit(work / "float32", pixels, nodes, bad, variance)
    _unit(work / "uint16", np.clip(np.rint(pixels), 0, 65535).astype(np.uint16), nodes, bad, None)


def _as_primary(source: Path, target: Path) -> None:
    """Make the only extension of a file its primary HDU, as SWarp wants its weights."""
    data = source.read_bytes()[2880:]
    head = data[:2880].replace(b"XTENSION= 'IMAGE   '".ljust(80)[:20], b"SIMPLE  =          T")
    head = head.replace(head[:80], b"SIMPLE  =                    T".ljust(80), 1)
    target.write_bytes(head + data[2880:])
    source.unlink()


def _turned(size: int, n_node: int) -> Any:
    x, y = np.meshgrid(*[(np.arange(n_node) - 1.0) * STEP - size / 2] * 2)
    c, s = 1.1 * np.cos(np.radians(12)), 1.1 * np.sin(np.radians(12))
    return np.stack([c * x - s * y, s * x + c * y]) + size / 2


def _unit(slot: Path, pixels: Any, nodes: Any, bad: Any, variance: Any) -> None:
    slot.mkdir(exist_ok=True)
    size = len(pixels)
    x = np.arange(1025)[:, None] / 1024 - np.arange(-2, 4)
    table = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    with create_fits(slot / "kernel.fits") as file:
        file.primary()
        file.image("LANCZOS3", table / table.sum(axis=1, keepdims=True))
    with create_fits(slot / "frame_00.fits") as file:
        file.primary()
        if pixels.dtype == np.uint16:
            stored = (pixels.astype(np.int32) - 32768).astype(np.int16)
            file.compressed("PIXELS", stored, cards=[card("BZERO", 32768.0)])
        else:
            file.image("PIXELS", pixels)
        file.compressed("MASK", bad.astype(np.uint8))
        if variance is not None:
            file.image("VARIANCE", variance)
        window = [card("STEP", STEP), card("NX", size), card("NY", size)]
        file.image("MAP", nodes, window)
    constant = {"kind": "constant", "value": NOISE**2}
    spread = constant if variance is None else {"kind": "map"}
    frame = {
        "name": "frame", "input": "frame_00.fits", "x0": 0, "y0": 0, "nx": size, "ny": size,
        "noise": NOISE, "sky": LEVEL * 1.21, "variance": spread, "exposure_s": 60.0, "filter": "V",
        "saturation": None,
    }  # fmt: skip
    settings = {
        "grid": {"nx": size, "ny": size, "cards": ["CTYPE1  = 'RA---TAN'", "CTYPE2  = 'DEC--TAN'"]},
        "method": "lanczos3", "flux": "conserve", "tile": 256,
        "output": {"kind": "steps", "step_sigma": 0.25}, "frames": [frame], "calibrate": None,
        "digest_only": False,
    }  # fmt: skip
    names = ("frame_00.fits", "kernel.fits")
    inputs = {name: hashlib.sha256((slot / name).read_bytes()).hexdigest() for name in names}
    unit = Unit("reprojection", 100, "bench", 1, 0, 0, settings, inputs)
    (slot / "unit.json").write_bytes(unit.to_bytes())


if __name__ == "__main__":
    sys.exit(main())
