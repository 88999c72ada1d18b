"""Programs that stack the frames of a scene, each as its users run it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from bench.programs import measured
from bench.truth.scenes import Scene
from bench.truth.sky import Doubles, Taken, write_grid

CCDPROC = Path(__file__).with_name("ccdproc_peer.py")


@dataclass(frozen=True, slots=True)
class Stack:
    """An image of a scene.

    Attributes
    ----------
    program : str
        Which made it.
    image : ndarray
        float64 (ny, nx); NaN for nothing.
    weight : ndarray or None
        What it says is one over the variance; None if it says nothing of that kind.
    transparency : float
        Counts of the image for each unit of a star's flux.
    seconds : float
        CPU, of the whole process.
    """

    program: str
    image: Doubles
    weight: Doubles | None
    transparency: float
    seconds: float


def grid_side(scene: Scene) -> int:
    """Return the pixels along the grid."""
    return round(scene.side / scene.scale)


def run_product(directory: Path, scene: Scene, taken: Sequence[Taken]) -> Stack:
    """Stack by a whole ``openastro campaign run-local``."""
    write_grid(directory / "grid.hdr", grid_side(scene), scene.scale)
    (directory / "campaign.toml").write_text(
        '[campaign]\nname = "truth"\ntitle = "Truth"\napp = "reprojection"\nseed = 1\n'
        f'[images]\nfiles = ["frames/*.fits"]\nextension = "SCI"\n{scene.images}\n'
        f'[reference]\nheader = "grid.hdr"\n[reproject]\n{scene.reproject}\n'
        f"[coadd]\n{scene.coadd}\n"
    )
    program = shutil.which("openastro") or str(Path(sys.executable).parent / "openastro")
    out = directory / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [program, "campaign", "run-local", "--jobs", "1", "--out", str(out), "campaign.toml"]
    seconds, _, _ = measured(command, directory)
    product = out / "product"
    reference = json.loads((product / "summary.json").read_text())["reference"]
    how = next(exposure.how for exposure in taken if exposure.path.name == reference)
    # Surface brightness is by the reference's pixel, a flux by the grid's.
    factor = 1.0
    if "surface_brightness" in scene.reproject:
        factor = (how.scale / scene.scale) ** 2
    image, weight = (_plane(product / f"{name}.fits") for name in ("image", "weight"))
    return Stack("product", image, weight, how.transparency * factor, seconds)


def run_swarp(
    swarp: str, directory: Path, scene: Scene, taken: Sequence[Taken], kind: str
) -> Stack:
    """Stack by SWarp with its background subtraction.

    ``FLXSCALE`` is the truth, because SWarp measures no stars: it is favoured by that.
    """
    work = directory / f"swarp-{kind.lower()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    has_maps = any(exposure.how.plane for exposure in taken)
    for exposure in taken:
        head = exposure.header.copy()
        head["FLXSCALE"] = 1.0 / exposure.how.transparency
        fits.PrimaryHDU(fits.getdata(exposure.path, "SCI"), head).writeto(work / exposure.path.name)
        if has_maps:
            weight = (1.0 / exposure.how.sigma(exposure.side) ** 2).astype(np.float32)
            name = exposure.path.name.replace(".fits", ".weight.fits")
            fits.PrimaryHDU(weight, exposure.header).writeto(work / name)
    n = grid_side(scene)
    write_grid(work / "coadd.head", n, scene.scale)
    command = [
        *(swarp, *(exposure.path.name for exposure in taken)),
        *("-c", "/dev/null", "-COMBINE_TYPE", kind),
        *("-WEIGHT_TYPE", "MAP_WEIGHT" if has_maps else "NONE", "-IMAGE_SIZE", f"{n},{n}"),
        *("-CENTER_TYPE", "MANUAL", "-PIXELSCALE_TYPE", "MANUAL", "-BACK_SIZE", "128"),
        *("-PIXEL_SCALE", f"{scene.scale:g}", "-NTHREADS", "1", "-WRITE_XML", "N"),
        *("-VERBOSE_TYPE", "QUIET"),
    ]
    seconds, _, _ = measured(command, work)
    image = fits.getdata(work / "coadd.fits").astype(float)
    weight = fits.getdata(work / "coadd.weight.fits").astype(float)
    image[weight <= 0] = np.nan
    return Stack(f"SWarp {kind}", image, weight, 1.0, seconds)


def run_ccdproc(python: str, directory: Path, scene: Scene, taken: Sequence[Taken]) -> Stack:
    """Stack by ccdproc in a Python that has it, with true fluxes and weights."""
    work = directory / "ccdproc"
    work.mkdir(exist_ok=True)
    write_grid(work / "grid.hdr", grid_side(scene), scene.scale)
    request = []
    for exposure in taken:
        area = (scene.scale / exposure.how.scale) ** 2
        sigma = float(np.median(exposure.how.sigma(exposure.side)))
        request.append(
            {
                "path": str(exposure.path.resolve()),
                "factor": 1.0 / exposure.how.transparency,  # areas it knows
                "weight": 1.0 / (area * (sigma / exposure.how.transparency) ** 2),
            }
        )
    (work / "request.json").write_text(json.dumps(request))
    seconds, _, _ = measured([python, str(CCDPROC), str(work.resolve())], work)
    image = fits.getdata(work / "coadd.fits").astype(float)
    return Stack("ccdproc", image, None, 1.0, seconds)


def _plane(path: Path) -> Doubles:
    with fits.open(path) as hdus:
        return next(np.asarray(hdu.data, float) for hdu in hdus if hdu.data is not None)
