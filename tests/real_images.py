"""Real images of others, which the project does not contain: where tests find them.

In the directory that ``OPENASTRO_FITS`` names, or in ``../shared/data/fits`` beside the checkout.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.conftest import missing

_BESIDE = Path(__file__).parents[2] / "shared" / "data" / "fits"


def real_image(name: str) -> Path:
    """Return the path of a real image, or skip the test; see `tests.conftest`."""
    directory = Path(os.environ.get("OPENASTRO_FITS", _BESIDE))
    path = directory / name
    if not path.exists():
        missing("fits", f"there is no {name} in {directory} (set OPENASTRO_FITS)")
    return path


def decam(plane: str) -> list[Path]:
    """Return the six DECam cutouts of one sky position: ``ooi`` images, or ``oow`` weights."""
    real_image("decam_case6")
    return sorted(real_image("decam_case6").glob(f"*_{plane}_*.fits"))
