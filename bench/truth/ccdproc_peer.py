"""The part of ``bench/images_truth.py`` that needs ccdproc: run by it, not by hand.

``python ccdproc_peer.py DIR`` stacks the frames that DIR/request.json names onto DIR/grid.hdr, and
writes DIR/coadd.fits. Frames are brought onto the grid by ``wcs_project`` and combined as the CCD
Data Reduction Guide does it: weighted mean, values farther than 5 times the median absolute
deviation from the median clipped.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import ccdproc
import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.stats import mad_std
from astropy.wcs import WCS


def main(work: Path) -> None:
    """Stack the frames; the request holds what multiplies each, and its weight."""
    header = fits.Header.fromtextfile(work / "grid.hdr")
    target, shape = WCS(header), (header["NAXIS2"], header["NAXIS1"])
    request = json.loads((work / "request.json").read_text())
    frames = []
    for entry in request:
        with fits.open(entry["path"]) as hdus:
            pixels, head = hdus["SCI"].data.astype(float), hdus["SCI"].header
        pixels = (pixels - np.median(pixels)) * entry["factor"]
        frame = CCDData(pixels, unit="adu", wcs=WCS(head))
        frames.append(ccdproc.wcs_project(frame, target, target_shape=shape))
    combiner = ccdproc.Combiner(frames)
    combiner.weights = np.array([entry["weight"] for entry in request])
    combiner.sigma_clipping(low_thresh=5, high_thresh=5, func=np.ma.median, dev_func=mad_std)
    made = combiner.average_combine()
    image = np.asarray(made.data, np.float32)
    if made.mask is not None:
        image = np.where(made.mask, np.float32(np.nan), image)
    fits.PrimaryHDU(image).writeto(work / "coadd.fits", overwrite=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
