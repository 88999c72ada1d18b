"""Light curves, and the file in which a unit gets its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import UnitError
from boinc_project.unit import canonical_json

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LightCurve:
    """The light curve of one target.

    Attributes
    ----------
    name : str
        The target.
    time : ndarray
        Rising or equal, days, shape (n,).
    value, error : ndarray
        Magnitudes or fluxes and their standard errors, shape (n,).
    band : ndarray of str
        The band of each point, shape (n,); all empty if there are none.
    """

    name: str
    time: Floats
    value: Floats
    error: Floats
    band: NDArray[np.str_]

    @property
    def span(self) -> float:
        """Days from the first point to the last."""
        return float(self.time[-1] - self.time[0])

    @property
    def sampling(self) -> bytes:
        """A key that light curves share if they can be transformed together."""
        return self.time.tobytes() + b"\n".join(name.encode() for name in self.band.tolist())

    def bands(self) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Yield each band with the places of its points."""
        for name in sorted(set(self.band.tolist())):
            yield name, np.flatnonzero(self.band == name)

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "name": self.name,
            "time": self.time.tolist(),
            "value": self.value.tolist(),
            "error": self.error.tolist(),
            "band": self.band.tolist() if self.band.any() else [],
        }


def curves_bytes(curves: Sequence[LightCurve]) -> bytes:
    """Return the input file of a unit."""
    return canonical_json([curve.plain() for curve in curves])


def read_curves(data: bytes) -> list[LightCurve]:
    """Return the light curves of an input file.

    Raises
    ------
    UnitError
        If it is none.
    """
    try:
        entries = json.loads(data)
        return [_curve(entry) for entry in entries]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnitError(f"The light curves cannot be read: {error}.") from error


def _curve(entry: Mapping[str, Any]) -> LightCurve:
    time, value, error = (
        np.array(entry[name], dtype=np.float64) for name in ("time", "value", "error")
    )
    band = np.array(entry["band"] or [""] * len(time), dtype=np.str_)
    if not (time.ndim == 1 and time.shape == value.shape == error.shape == band.shape):
        raise ValueError("columns differ in length")
    if not (np.isfinite(time).all() and np.isfinite(value).all() and (error > 0).all()):
        raise ValueError("numbers are not finite, or errors not positive")
    if len(time) < 3 or (np.diff(time) < 0).any() or time[0] == time[-1]:
        raise ValueError("times do not rise")
    return LightCurve(str(entry["name"]), time, value, error, band)
