"""Images for the demo: two real exposures, or a field of known stars where those cannot be had.

The real ones are not the project's to give away: the demo takes them from the package that ships
them, by its name, as anybody can. Nothing of that package is run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PACKAGE = "zogyp==1.6.3"
"""PyPI package with two exposures by GOTO; credit: the GOTO collaboration, Ry Cutter (Warwick)."""
MEMBERS = {
    "zogyp/test/1.fits": "071a35ec65cdc529c9ba03f8e6ac2ff1ed6e1ce276b5fadbe1e106c75eca34ce",
    "zogyp/test/2.fits": "046efba868f862e0f8c6b3f6670bd5fed4a00fde1c0dc9d4e18a2dff16fcd795",
}
FOLDER = "goto"
"""What the example calls the folder of its images."""
_SIDE = 1024
_N_STAR = 400
_SCALE = 1.24 / 3600
_NOISE, _SKY = 16.0, 500.0
_WAIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Found:
    """Which images there are, and a sentence that says so."""

    folder: Path
    text: str


def get_images(directory: Path) -> Found:
    """Put two images into ``directory / "goto"``: real ones if they can be had."""
    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    reason = _fetch(folder)
    if not reason:
        return Found(folder, f"Two exposures by GOTO, from the package {PACKAGE}, are in {folder}")
    simulate(folder)
    return Found(
        folder,
        f"The real images cannot be had ({reason}): {folder} has simulated exposures of "
        f"{_N_STAR} known stars instead.",
    )


def simulate(folder: Path, n_frame: int = 4) -> None:
    """Write exposures of a field of known stars, each turned, moved, and of its own seeing."""
    from astropy.io import fits
    from astropy.wcs import WCS

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(11)
    half = 0.5 * _SIDE * _SCALE
    ra, dec = 188.5 + rng.uniform(-half, half, _N_STAR), 12.6 + rng.uniform(-half, half, _N_STAR)
    flux = 2e3 * rng.pareto(1.2, _N_STAR).clip(0.2, 500)
    for number in range(n_frame):
        turn, fwhm = np.radians(4.0 * number), 2.6 + 0.4 * number
        header = fits.Header()
        header.update(
            {
                "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 188.5 + 0.002 * number,
                "CRVAL2": 12.6, "CRPIX1": _SIDE / 2, "CRPIX2": _SIDE / 2, "RADESYS": "ICRS",
                "CD1_1": -_SCALE * np.cos(turn), "CD1_2": _SCALE * np.sin(turn),
                "CD2_1": _SCALE * np.sin(turn), "CD2_2": _SCALE * np.cos(turn),
                "EXPTIME": 60.0, "FILTER": "L", "OBJECT": "simulated",
            }
        )  # fmt: skip
        image = rng.normal(_SKY, _NOISE, (_SIDE, _SIDE))
        x, y = WCS(header).all_world2pix(ra, dec, 0)
        for star in zip(x, y, flux, strict=True):
            _add_star(image, *star, fwhm)
        path = folder / f"field-{number + 1}.fits"
        fits.PrimaryHDU(image.astype(np.float32), header).writeto(path, overwrite=True)


def _add_star(image: np.ndarray, x: float, y: float, flux: float, fwhm: float) -> None:
    sigma, reach = fwhm / 2.3548, 12
    left, low = round(x) - reach, round(y) - reach
    if left < 0 or low < 0 or left + 2 * reach >= _SIDE or low + 2 * reach >= _SIDE:
        return
    rows, columns = np.mgrid[low : low + 2 * reach + 1, left : left + 2 * reach + 1]
    distance = (columns - x) ** 2 + (rows - y) ** 2
    light = np.exp(-0.5 * distance / sigma**2) * flux / (2 * np.pi * sigma**2)
    image[low : low + 2 * reach + 1, left : left + 2 * reach + 1] += light


def _fetch(folder: Path) -> str:
    """Get the real images; return why not, or nothing."""
    with tempfile.TemporaryDirectory(prefix="openastro-images-") as name:
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--only-binary", ":all:", "--dest", name, PACKAGE,
        ]  # fmt: skip
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_WAIT_S)
            (wheel,) = Path(name).glob("*.whl")
            with zipfile.ZipFile(wheel) as packed:
                images = {member: packed.read(member) for member in MEMBERS}
        except (OSError, subprocess.SubprocessError, ValueError, zipfile.BadZipFile, KeyError):
            return f"{PACKAGE} cannot be downloaded here"
    for member, data in images.items():
        if hashlib.sha256(data).hexdigest() != MEMBERS[member]:
            return f"{PACKAGE} has other images than expected"
    for member, data in images.items():
        (folder / f"goto-{Path(member).name}").write_bytes(data)
    return ""
