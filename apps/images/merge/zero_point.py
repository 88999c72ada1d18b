"""The photometric zero point: sources of the stack against stars of known magnitude."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

TABLE_FILE = "photometry.json"
"""Which input of a campaign has the stars; `apps.images.plan.photometry_table` writes it."""
FEWEST_STARS = 5
"""Below it nobody can tell the outliers."""
LEAST_SNR = 20.0
"""Signal over noise of a source that is used: 0.05 mag."""
OUTLIER = 3.0
"""Standard deviations from the median at which a star is variable, blended or another one."""
FLOOR = 0.002
"""Magnitudes by which no two catalogues agree better: it keeps few bright stars from all weight."""
_ROUNDS = 20
_SIGMA_OF_MAD = 1.482602218505602
_MAGNITUDES = 2.5 / math.log(10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Standards:
    """Stars of known magnitude.

    Attributes
    ----------
    ra, dec : ndarray
        ICRS, degrees, float64 (n).
    magnitude, error : ndarray
        And standard error, 0 where it is not known, float64 (n).
    band : str
        Of the magnitudes.
    radius : float or None
        Arcseconds within which a source is a star's; None: as far as the seeing asks.
    """

    ra: Doubles
    dec: Doubles
    magnitude: Doubles
    error: Doubles
    band: str
    radius: float | None = None

    @classmethod
    def read(cls, data: bytes) -> Standards:
        """Read what `apps.images.plan.photometry_table` has written."""
        table: Mapping[str, Any] = json.loads(data)
        ra, dec, magnitude, error = (
            np.array(table[name], dtype=np.float64) for name in ("ra", "dec", "mag", "error")
        )
        return cls(ra, dec, magnitude, error, str(table["band"]), table["radius"])


@dataclass(frozen=True, slots=True)
class ZeroPoint:
    """A zero point: ``magnitude = value - 2.5 log10(flux)``.

    Attributes
    ----------
    value, error : float
        Magnitudes.
    scatter : float
        Robust standard deviation of a star's difference, magnitudes.
    n_star : int
        Stars it rests on.
    n_rejected : int
        Stars that were set apart.
    band : str
        Of the magnitudes. There is no colour term.
    radius : float
        Of the aperture of the fluxes, pixels.
    """

    value: float
    error: float
    scatter: float
    n_star: int
    n_rejected: int
    band: str
    radius: float

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def fit_zero_point(
    flux: Doubles, flux_error: Doubles, magnitude: Doubles, error: Doubles
) -> tuple[float, float, float, NDArray[np.bool_]] | None:
    """Return value, standard error and scatter of a zero point, and which stars it rests on.

    The mean of the differences by their inverse variances, outliers set apart by their distance
    from the median; its error is widened by the differences' own scatter where that is larger.

    Parameters
    ----------
    flux, flux_error : ndarray
        Of the sources, all positive, float64 (n).
    magnitude, error : ndarray
        Of the stars that they are, float64 (n).

    Returns
    -------
    tuple or None
        None if fewer than `FEWEST_STARS` agree.
    """
    difference = magnitude + 2.5 * np.log10(flux)
    variance = (_MAGNITUDES * flux_error / flux) ** 2 + error**2 + FLOOR**2
    kept = np.isfinite(difference) & np.isfinite(variance)
    scatter = math.nan
    for _ in range(_ROUNDS):
        if kept.sum() < FEWEST_STARS:
            return None
        middle = float(np.median(difference[kept]))
        scatter = _SIGMA_OF_MAD * float(np.median(np.abs(difference[kept] - middle)))
        allowed = OUTLIER * np.maximum(scatter, np.sqrt(variance))
        now = np.isfinite(difference) & (np.abs(difference - middle) <= allowed)
        if np.array_equal(now, kept):
            break
        kept = now
    if kept.sum() < FEWEST_STARS:
        return None
    weight = 1.0 / variance[kept]
    value = float((weight * difference[kept]).sum() / weight.sum())
    chi_square = float((weight * (difference[kept] - value) ** 2).sum()) / (int(kept.sum()) - 1)
    return value, math.sqrt(max(1.0, chi_square) / float(weight.sum())), scatter, kept


def match(
    ra: Doubles, dec: Doubles, star_ra: Doubles, star_dec: Doubles, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return numbers of sources and of stars that are each other's nearest within a radius.

    Parameters
    ----------
    ra, dec, star_ra, star_dec : ndarray
        Degrees.
    radius : float
        Arcseconds.
    """
    from scipy.spatial import cKDTree  # imported by who has a table of stars alone

    if not len(ra) or not len(star_ra):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    sources, stars = _directions(ra, dec), _directions(star_ra, star_dec)
    chord = 2 * math.sin(math.radians(radius / 3600.0) / 2)
    distance, nearest = cKDTree(stars).query(sources, distance_upper_bound=chord)
    star_of = np.asarray(nearest)
    source_of = np.asarray(cKDTree(sources).query(stars)[1])
    near = np.flatnonzero(np.isfinite(distance))
    mutual = near[source_of[star_of[near]] == near]
    return mutual.astype(np.int64), star_of[mutual].astype(np.int64)


def _directions(ra: Doubles, dec: Doubles) -> Doubles:
    lon, lat = np.radians(ra), np.radians(dec)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
