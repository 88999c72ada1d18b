"""Which method brings a frame onto the grid, by how much finer than the grid it is."""

from __future__ import annotations

from apps.images.compute.engine import AREA_METHODS, MOST_CELLS
from boinc_project.errors import InputError

FINEST = 1.25
"""Frame pixels along a pixel of the grid, from where on a frame is averaged over the grid's pixels.

A kernel that interpolates passes what the frame's pixels can hold, up to 1/2 cycle a pixel. A grid
with pixels of r of them folds frequencies f above 1/(2r) to 1/r - f. At r = 1.25 noise is folded to
no less than 0.3, where a star of 2 pixels FWHM has 3 % of its weight, exp(-4 pi^2 0.85^2 0.3^2 / 2)
squared over the mean; at r = 2 it is folded onto all frequencies, and stars fall between samples.
Below it the average would cost more than it gains: it widens a star of 3 pixels by 5 %."""
UNDERSAMPLED = 2.0
"""Pixels of FWHM of the stars, as they are measured, below which a Lanczos kernel rings.

It cuts at 1/2 cycle a pixel, where stars of 1.5 pixels have light left: around them are rings of
0.7 % of the peak, of either sign, and an aperture of twice the FWHM holds 0.8 % too little. Shared
areas have no negative weights and miss 0.04 % there; they widen such a star by a third. Of stars of
2 pixels, which are measured 2.2 wide, the kernel misses 0.2 %."""
_MOST_STRETCH = MOST_CELLS / 1.5
"""The diagonal of a square is 1.42 of its sides; a little is left for distortion."""


def choose_method(
    stated: str, stretch: float, label: str, *, width: float | None = None, free: bool = False
) -> str:
    """Return the method that a frame is brought onto the grid with.

    Parameters
    ----------
    stated : str
        The campaign's.
    stretch : float
        Frame pixels along a pixel of the grid where and in which direction these are most.
    label : str
        What messages call the frame.
    width : float, optional
        FWHM of its stars, in its pixels.
    free : bool
        Whether the campaign's method is the default, for which another one may stand in.

    Raises
    ------
    InputError
        If no method can do it, or the one that was asked for cannot and has no substitute.
    """
    if stretch > _MOST_STRETCH:
        raise InputError(
            f"A pixel of the grid covers {stretch:.0f} pixels of {label} along a side; at most "
            f"{_MOST_STRETCH:.0f} are averaged: choose a finer grid."
        )
    if stated in AREA_METHODS:
        return stated
    if stretch < FINEST:
        rings = free and stated == "lanczos3" and width is not None and width < UNDERSAMPLED
        return "area" if rings else stated
    if stated == "reproject":
        raise InputError(
            f'{label} is {stretch:.1f} times finer than the grid, and method = "reproject" takes '
            "values at single places: leave the method out, and it is averaged, or choose a finer "
            "grid."
        )
    return "area"


def why_averaged(stated: str, stretch: float) -> str:
    """Say why a frame is averaged where another method was asked for; see `choose_method`."""
    if stretch < FINEST:
        return (
            f"Its stars are less than {UNDERSAMPLED:g} pixels wide, around which {stated} would "
            "make rings: pixels are shared out by area. A stated method has it otherwise, and "
            'method = "drizzle" keeps more of the resolution of many dithered images.'
        )
    return (
        f"It is averaged over the pixels of the grid, because it is {stretch:.2g} times finer than "
        f"the grid, and {stated} would miss the light between its samples."
    )
