"""The merged draws of a product, for those who plan on."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import TransientError

POSTERIOR_FILE = "posterior.h5"


def read_draws(directory: Path, *, digest: str) -> NDArray[np.float64]:
    """Return all merged draws of the free parameters, float64 (n_draw, n_dim).

    Parameters
    ----------
    directory : Path
        The product's.
    digest : str
        Of the draws that are meant, as the product's row has it.

    Raises
    ------
    TransientError
        If the file is not there, or has other draws: the assimilator is at work.
    """
    path = directory / POSTERIOR_FILE
    try:
        with h5py.File(path, "r") as file:
            found = str(file.attrs["posterior_digest"])
            draws = np.asarray(file["draws"], dtype=np.float64)
    except FileNotFoundError:
        raise TransientError(f"{path} is not there.", path=path) from None
    if found != digest:
        raise TransientError(f"{path} is not of the newest product.", path=path)
    return draws.reshape(-1, draws.shape[-1])
