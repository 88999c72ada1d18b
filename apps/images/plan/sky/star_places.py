"""Places of stars on the sky that frames are measured against, and what a frame is off by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.solution import Solution
from apps.images.plan.sky.star_match import Measured, measure
from apps.images.plan.sky.stars import MOST_STARS, Stars

SEARCHED_ARCSEC = 60.0
"""How far from where its header puts them a frame's stars are looked for: as far as mounts that
point by themselves are usually off. Solved headers are off by a few arcseconds at most."""
_LEAST_SEARCHED = 10.0
"""Pixels that are searched even if they are more than that."""
_NEAR = 12.0
"""Pixels that are searched first: three stars are enough there to tell a match from chance."""
_LARGEST_PART = 0.25
"""Part of a frame's shorter side up to which is searched."""
MATTERS = 0.02
"""Part of the FWHM of stars from which a displacement matters. A Gaussian of standard deviation s
that is displaced by d loses d^2 / (2 s^2) of its peak, which is 0.1 %, as well as fluxes are kept,
at d = 0.045 s; and s is FWHM / 2.355."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Known places of stars.

    Attributes
    ----------
    ra, dec : ndarray
        ICRS, degrees (n_star).
    error : ndarray
        Along an axis, arcseconds.
    fwhm : float
        Of these stars, arcseconds; 0 if they come from a catalogue.
    """

    ra: Doubles
    dec: Doubles
    error: Doubles
    fwhm: float

    def __len__(self) -> int:
        return len(self.ra)

    @classmethod
    def of(cls, stars: Stars, solution: Solution) -> Places:
        """Return the places of a frame's stars by its coordinates."""
        ra, dec = solution.sky(stars.x, stars.y)
        known = np.isfinite(ra) & np.isfinite(dec)
        width = stars.fwhm * solution.scale if len(stars) else 0.0
        return cls(ra[known], dec[known], stars.error[known] * solution.scale, width)

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> Places:
        """Return the places of stars of known magnitude, as ``photometry.json`` has them."""
        ra, dec = (np.array(table[name], float) for name in ("ra", "dec"))
        return cls(ra, dec, np.zeros(len(ra)), 0.0)

    def with_more(self, stars: Stars, solution: Solution) -> Places:
        """Return these and those of a frame's stars that are not among them.

        A star that is there twice would have two votes.
        """
        u, v, _ = self.on(solution, 0.0, most=None)
        apart = max(2.0 * stars.fwhm, self.fwhm / solution.scale, 3.0)
        square = (stars.x[:, None] - u) ** 2 + (stars.y[:, None] - v) ** 2
        new = square.min(axis=1, initial=math.inf) > apart**2
        more = Places.of(stars.chosen(new), solution)
        ra, dec, error = (
            np.concatenate([getattr(part, name) for part in (self, more)])
            for name in ("ra", "dec", "error")
        )
        return Places(ra, dec, error, max(self.fwhm, more.fwhm))

    def first(self, n: int) -> Places:
        """Return the first of them."""
        return Places(self.ra[:n], self.dec[:n], self.error[:n], self.fwhm)

    @classmethod
    def from_plain(cls, stated: Mapping[str, Any]) -> Places:
        """Return what `plain` has made."""
        ra, dec, error = (np.array(stated[name], float) for name in ("ra", "dec", "error"))
        return cls(ra, dec, error, float(stated["fwhm"]))

    def plain(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            # A hundred-millionth of a degree is 0.04 milliarcseconds.
            "ra": np.round(self.ra, 8).tolist(),
            "dec": np.round(self.dec, 8).tolist(),
            "error": np.round(self.error, 5).tolist(),
            "fwhm": self.fwhm,
        }

    def on(
        self, solution: Solution, margin: float, most: int | None = 2 * MOST_STARS
    ) -> tuple[Doubles, Doubles, Doubles]:
        """Return pixel coordinates and errors of those within a margin around a frame, pixels."""
        u, v = solution.pixel(self.ra, self.dec)
        with np.errstate(invalid="ignore"):
            near = (u > -margin) & (u < solution.nx + margin)
            near &= (v > -margin) & (v < solution.ny + margin)
        few = np.flatnonzero(near)[:most]
        return u[few], v[few], self.error[few] / solution.scale


def compare(
    stars: Stars, solution: Solution, known: Places, pixel: float
) -> tuple[Measured | None, int]:
    """Measure how far a frame's stars are from their known places.

    Parameters
    ----------
    stars : Stars
        Of the frame.
    solution : Solution
        Of its header.
    known : Places
        Where stars are.
    pixel : float
        Side of a pixel of the grid, arcseconds: no star is narrower there.

    Returns
    -------
    measured : Measured or None
        None if too few are matched.
    n_known : int
        Known stars that the header puts on the frame.
    """
    if not len(stars) or not len(known):
        return None, 0
    far = max(SEARCHED_ARCSEC / solution.scale, _LEAST_SEARCHED)
    far = min(far, _LARGEST_PART * min(solution.nx, solution.ny))
    u, v, error = known.on(solution, far)
    inside = (u >= 0) & (u <= solution.nx - 1) & (v >= 0) & (v <= solution.ny - 1)
    width = max(stars.fwhm, known.fwhm / solution.scale, pixel / solution.scale)
    size = (solution.nx, solution.ny)
    measured = None
    for radius in (min(_NEAR, far), far):
        measured = measure(
            (stars.x, stars.y, stars.error),
            (u, v, error),
            size,
            radius=radius,
            limit=MATTERS * width,
        )
        if measured is not None:
            break
    return measured, int(inside.sum())
