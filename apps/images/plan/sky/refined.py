"""Frames whose coordinates are refined: what each says of itself, and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass

from apps.images.plan.sky.displacement import Displacement
from apps.images.plan.sky.solution import Solution
from apps.images.plan.sky.star_match import Measured
from apps.images.plan.sky.stars import Stars

_ENOUGH_STARS = 10
"""Stars of a frame, and known ones on it, some of which must be the same if its header is right."""
_FLOOR = 0.05
"""Pixels; no star tells a place better when frames are compared for how well they tell places."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A frame by itself.

    Attributes
    ----------
    name : str
        Of its file.
    stars : Stars
        In its pixels.
    solution : Solution
        Of its header.
    detector : tuple[int, int, str]
        The same for frames of one camera: their size, and which pixels of a mosaic they have.
    is_grid : bool
        Whether the grid's header is the frame's: then its coordinates are right.
    """

    name: str
    stars: Stars
    solution: Solution
    detector: tuple[int, int, str]
    is_grid: bool = False

    @property
    def worth(self) -> float:
        """How well its stars tell places: one over the variance of their mean, per arcsecond^2."""
        variance = (self.stars.error**2 + _FLOOR**2) * self.solution.scale**2
        return float((1.0 / variance).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """A frame that was measured, or could not be.

    Attributes
    ----------
    measured : Measured or None
        None if too few of its stars are known.
    n_known : int or None
        Known stars that its header puts on it; None if there are none to measure it against, as
        of a reference without a catalogue.
    is_reference : bool
        Whether its stars are what the others are measured against.
    moved : Displacement or None
        Of the reference: by which it is displaced from where the headers together put it.
    """

    measured: Measured | None
    n_known: int | None
    is_reference: bool = False
    moved: Displacement | None = None

    @property
    def displacement(self) -> Displacement | None:
        """The displacement that is to be applied; None: none."""
        if self.measured is None:
            return self.moved
        return self.measured.displacement if self.measured.order >= 0 else None

    def solution(self, header: Solution) -> Solution:
        """Return a frame's coordinates with the displacement that is to be applied."""
        return header if self.displacement is None else header.refined(self.displacement)


def is_lost(seen: Seen, refined: Refined) -> bool:
    """Tell whether a frame has stars, stars should be on it, and none are the same."""
    return (
        refined.measured is None
        and not refined.is_reference
        and min(len(seen.stars), refined.n_known or 0) >= _ENOUGH_STARS
    )
