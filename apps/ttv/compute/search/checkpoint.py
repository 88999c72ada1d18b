"""A journal as arrays: what a checkpoint holds of a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.search.journal import Fitted, Fitting, Journal

_GOING = ("w", "points", "residuals", "costs", "damping", "idle")


def to_arrays(journal: Journal) -> dict[str, NDArray[Any]]:
    """Return the journal as arrays by name."""
    arrays: dict[str, NDArray[Any]] = {"keys": np.array([fit.key for fit in journal.fitted], "S64")}
    for number, fit in enumerate(journal.fitted):
        arrays[f"w{number}"], arrays[f"costs{number}"] = fit.w, fit.costs
        arrays[f"n_call{number}"] = np.array(fit.n_call)
    if journal.going is not None:
        for name in _GOING:
            arrays[f"going_{name}"] = getattr(journal.going, name)
        arrays["going_key"] = np.array(journal.going_key, "S64")
        counts = (journal.going.n_iteration, journal.going.n_call)
        arrays["going_counts"] = np.array(counts, dtype=np.int64)
    return arrays


def from_arrays(arrays: Mapping[str, NDArray[Any]], n_dim: int) -> Journal:
    """Return the journal that was stored.

    Raises
    ------
    ValueError, KeyError
        If the arrays are not those of a journal of so many parameters.
    """
    journal = Journal()
    for number, key in enumerate(arrays["keys"].tolist()):
        w, costs = arrays[f"w{number}"], arrays[f"costs{number}"]
        _check(w, costs, n_dim)
        n_call = int(arrays[f"n_call{number}"])
        journal.fitted.append(Fitted(key.decode("ascii"), w, costs, n_call))
    if "going_key" in arrays:
        now = [arrays[f"going_{name}"] for name in _GOING]
        w, points, residuals, costs, damping, idle = now
        _check(w, costs, n_dim)
        n = len(w)
        shapes = points.shape == w.shape and residuals.shape[:1] == (n,) and residuals.ndim == 2
        if not shapes or damping.shape != (n,) or idle.shape != (n,):
            raise ValueError("the fit on its way has arrays of another shape")
        n_iteration, n_call = arrays["going_counts"].tolist()
        journal.going = Fitting(w, points, residuals, costs, damping, idle, n_iteration, n_call)
        journal.going_key = arrays["going_key"].item().decode("ascii")
    return journal


def _check(w: NDArray[Any], costs: NDArray[Any], n_dim: int) -> None:
    if w.ndim != 2 or w.shape[1] != n_dim or costs.shape != w.shape[:1]:
        raise ValueError("a fit has arrays of another shape")
