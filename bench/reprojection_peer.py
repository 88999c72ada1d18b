"""The part of ``bench/reprojection.py`` that needs astropy and reproject: run by it, not by hand.

``prepare DIR``
    Write frame.fits with its TAN-SIP coordinates, and the pixel map's nodes.
``run DIR``
    Reproject frame.fits by reproject, file to file; print the CPU seconds without imports.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

SCALE = 1.0 / 3600


def grid(size: int) -> WCS:
    header = fits.Header()
    middle = (size + 1) / 2
    header.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRPIX1=middle, CRPIX2=middle, CRVAL1=150.0,
        CRVAL2=2.2, CD1_1=-SCALE, CD1_2=0.0, CD2_1=0.0, CD2_2=SCALE, RADESYS="ICRS",
    )  # fmt: skip
    return WCS(header)


def frame_header(size: int) -> fits.Header:
    c, s = SCALE / 1.1 * np.cos(np.radians(12)), SCALE / 1.1 * np.sin(np.radians(12))
    half = size / 2
    header = fits.Header()
    header.update(
        CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", CRPIX1=half + 1.2, CRPIX2=half - 0.7,
        CRVAL1=150.0, CRVAL2=2.2, CD1_1=-c, CD1_2=s, CD2_1=s, CD2_2=c, RADESYS="ICRS",
        A_ORDER=3, B_ORDER=3, A_2_0=4 / half**2, A_1_2=6 / half**3, A_3_0=2 / half**3,
        B_0_2=-3 / half**2, B_2_1=5 / half**3, B_0_3=4 / half**3,
    )  # fmt: skip
    return header


def prepare(work: Path) -> None:
    request = np.load(work / "request.npz")
    size, step, n_node = (int(request[key]) for key in ("size", "step", "n_node"))
    header = frame_header(size)
    fits.PrimaryHDU(request["pixels"], header).writeto(work / "frame.fits", overwrite=True)
    x, y = np.meshgrid(*[(np.arange(n_node) - 1.0) * step] * 2)
    sky = grid(size).all_pix2world(x, y, 0)
    np.save(work / "nodes.npy", np.stack(WCS(header).all_world2pix(*sky, 0, tolerance=1e-8)))


def run(work: Path) -> None:
    from reproject import reproject_interp

    began = time.process_time()
    with fits.open(work / "frame.fits") as opened:
        size = opened[0].data.shape[0]
        array, footprint = reproject_interp(
            (opened[0].data, WCS(opened[0].header)),
            grid(size),
            shape_out=(size, size),
            order="bicubic",
        )
        target = grid(size).to_header()
        hdus = [fits.PrimaryHDU(array.astype("f4"), target), fits.ImageHDU(footprint.astype("u1"))]
        fits.HDUList(hdus).writeto(work / "reprojected.fits", overwrite=True)
    print(time.process_time() - began)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    {"prepare": prepare, "run": run}[sys.argv[1]](Path(sys.argv[2]))
