"""How frames are co-added: settings with their defaults, read from a campaign's ``coadd`` table."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from apps.images.merge.coadd.clip import Clip
from boinc_project.errors import UnitError

SURFACES = {"none": 0, "offset": 1, "plane": 3, "quadratic": 6}
"""Coefficients of the surface that matches a frame's background, by its name."""
CLIPS = {"noise": 4.0, "scatter": 3.0}
"""How values are clipped, and at how many standard deviations if a campaign does not say. Of good
values 6e-5 are farther than 4, and 2.7e-3 farther than 3."""


@dataclass(frozen=True, slots=True)
class Options:
    """How frames are matched and clipped.

    Attributes
    ----------
    clip : str
        One of `CLIPS`: ``noise`` tests each value against the others with its own noise;
        ``scatter`` against all with their own scatter.
    sigma : float or None
        Standard deviations; if None that of `CLIPS`.
    iterations : int
        Most rounds; 0 clips nothing.
    background : str
        One of `SURFACES`: ``none`` leaves backgrounds as they are.
    flux : str
        ``stars`` measures each frame's flux scale; ``none`` leaves fluxes as they are.
    reference : str
        Name of the frame whose flux and background the others are matched to; empty for the frame
        of most weight, its area over its variance.
    filters : str
        ``apart`` makes an image of each filter, ``together`` one of all.
    """

    clip: str = "noise"
    sigma: float | None = None
    iterations: int = 3
    background: str = "plane"
    flux: str = "stars"
    reference: str = ""
    filters: str = "apart"

    @property
    def limits(self) -> Clip:
        """The limits of clipping."""
        return Clip(CLIPS[self.clip] if self.sigma is None else self.sigma, self.iterations)

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Options:
        """Read a campaign's ``coadd`` table; what it does not name has its default.

        Raises
        ------
        UnitError
            If a setting is not known, or its value is not usable.
        """
        known = {one.name for one in fields(cls)}
        for name in settings:
            if name not in known:
                raise UnitError(
                    f"coadd has no setting {name!r}; it has {', '.join(sorted(known))}."
                )
        found = cls(**settings)
        if found.clip not in tuple(CLIPS):
            raise UnitError(f"coadd.clip is none of {', '.join(CLIPS)}.")
        sigma = found.limits.sigma
        number = isinstance(sigma, int | float) and not isinstance(sigma, bool)
        if not number or not 0 < sigma <= sys.float_info.max:
            raise UnitError(f"coadd.sigma is {found.sigma!r}; it must be a positive number.")
        count = isinstance(found.iterations, int) and not isinstance(found.iterations, bool)
        if not count or not 0 <= found.iterations <= 100:
            raise UnitError(f"coadd.iterations is {found.iterations!r}; it must be 0 to 100.")
        if found.background not in tuple(SURFACES):
            raise UnitError(f"coadd.background is none of {', '.join(SURFACES)}.")
        if found.flux not in ("stars", "none"):
            raise UnitError("coadd.flux is neither stars nor none.")
        if found.filters not in ("apart", "together"):
            raise UnitError("coadd.filters is neither apart nor together.")
        if not isinstance(found.reference, str):
            raise UnitError("coadd.reference is not the name of a frame.")
        return found
