"""FITS files, exactly: what the images of the project need of the standard, without astropy.

Plain images, small binary tables, and tile-compressed images (RICE_1, GZIP_1 and GZIP_2). Bits in
are bits out: nothing is scaled, rounded or dithered on the way. Files may come from strangers:
sizes are bounded before memory is taken, and every defect is a `boinc_project.errors.FitsError` of
one sentence.

References: FITS standard 4.0 (Pence et al. 2010, A&A 524, A42; IAU FWG 2018), sections 4, 7 and 10.
"""

from __future__ import annotations
