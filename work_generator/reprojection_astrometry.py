"""Refinement of the images' coordinates by the stars that they have in common.

The stars of one frame, the one whose stars tell places best, are the reference. Each other frame
is measured against them, and a displacement of its pixels that is significant and matters is
applied before the map of its pixels is made. Frames that share too few stars with the reference are
measured against those that do. If more headers agree with another frame's than with the
reference's, the reference is measured against that one first: as few headers as possible are
corrected.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from work_generator.remarks import Remarks
from work_generator.reprojection_pack import image_of, read_pixels
from work_generator.sky.displacement import ORDERS, highest_order, places
from work_generator.sky.reference import grid_of
from work_generator.sky.rows import Rows
from work_generator.sky.solution import Solution, read_solution
from work_generator.sky.star_match import Measured
from work_generator.sky.star_places import MATTERS, SEARCHED_ARCSEC, Places, compare
from work_generator.sky.stars import Stars, find_stars

REFINE, HEADER = "refine", "header"
ASTROMETRY = (REFINE, HEADER)
PLACES = "star_places"
"""The setting of a campaign with the reference's stars, for images that join it; not sent to
anybody."""
_ENOUGH_STARS = 10
"""Stars of a frame, and known ones on it, some of which must be the same if its header is right."""
_MOST_TRIED = 3
"""Frames that are tried as the reference, where most others cannot be matched with the first."""
_FLOOR = 0.05
"""Pixels; no star tells a place better when frames are compared for how well they tell places."""
_MOST_KEPT = 5_000
"""Places that are kept for images that join the campaign."""

Doubles = NDArray[np.float64]
Key = str


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A frame's name, its stars, and the coordinates that its header gives."""

    name: str
    stars: Stars
    solution: Solution

    @property
    def worth(self) -> float:
        """How well its stars tell places: one over the variance of their mean, arcseconds."""
        variance = (self.stars.error**2 + _FLOOR**2) * self.solution.scale**2
        return float((1.0 / variance).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """A frame that was measured, or could not be.

    Attributes
    ----------
    measured : Measured or None
        None if too few of its stars are known.
    n_known : int
        Known stars that its header puts on it.
    is_reference : bool
        Whether its stars are what the others are measured against.
    """

    measured: Measured | None
    n_known: int
    is_reference: bool = False

    def solution(self, header: Solution) -> Solution:
        """Return a frame's coordinates with what is to be applied."""
        if self.measured is None or self.measured.order < 0:
            return header
        return header.refined(self.measured.displacement)


class Astrometry:
    """Refined coordinates of a campaign's frames; those of their headers if none are refined.

    Parameters
    ----------
    seen : Mapping[str, Seen]
        The frames, by `key_of`.
    refined : Mapping[str, Refined]
        What was measured of each.
    known : Places or None
        Stars for images that join the campaign later.
    reference : str
        Name of the frame whose stars they are; empty if there is none.
    """

    def __init__(
        self,
        seen: Mapping[Key, Seen],
        refined: Mapping[Key, Refined],
        known: Places | None,
        reference: str,
    ) -> None:
        self._seen, self._refined = seen, refined
        self._known, self._reference = known, reference

    @classmethod
    def of_headers(cls) -> Astrometry:
        """Return the coordinates that headers give."""
        return cls({}, {}, None, "")

    def solution(self, stated: Mapping[str, Any]) -> Solution:
        """Return the coordinates of one of the campaign's images."""
        key = key_of(stated)
        if key not in self._refined:
            return read_solution(image_of(stated))
        return self._refined[key].solution(self._seen[key].solution)

    def report(self, stated: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what was measured of an image, plain values; None if it was not looked at."""
        key = key_of(stated)
        if key not in self._refined:
            return None
        return _report(self._seen[key], self._refined[key], self._reference)

    def places(self) -> dict[str, Any] | None:
        """Return the known stars as a setting of the campaign; None if there are none."""
        if self._known is None:
            return None
        return {"reference": self._reference, **self._known.plain()}

    def remark(self, remarks: Remarks) -> None:
        """Add what should be known: which were corrected, which could not be, which are wrong."""
        sizes = []
        for key, refined in self._refined.items():
            seen = self._seen[key]
            report = _report(seen, refined, self._reference)
            if report["applied"] != ORDERS[0]:
                sizes.append(report["correction"])
            elif report["remark"]:
                remarks.add(report["remark"], seen.name)
        if sizes:
            low, high = min(sizes), max(sizes)
            by = f"{high:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.2g} to {high:.2g}"
            remarks.add(
                f"{len(sizes)} of {len(self._refined)} images are moved by {by} arcseconds, "
                f"because the stars they share with {self._reference} are that far from where "
                f'their headers put them; [images] astrometry = "header" leaves them.'
            )


def key_of(stated: Mapping[str, Any]) -> Key:
    """Return what tells one of a campaign's images from the others."""
    return json.dumps([stated["path"], stated["hdu"], stated.get("part")], sort_keys=True)


def refine(
    images: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    told: Callable[[], None],
) -> Astrometry:
    """Measure the coordinates of images by their stars.

    Parameters
    ----------
    images : Sequence[Mapping]
        Of a campaign.
    settings : Mapping
        Its settings; the grid is known, and the stars of the campaign that the images join.
    told : Callable
        Called after each image.

    Raises
    ------
    InputError
        If an image cannot be read.
    """
    if settings.get("astrometry", HEADER) == HEADER or settings["method"] == "reproject":
        return Astrometry.of_headers()
    seen: dict[Key, Seen] = {}
    for stated in images:
        seen[key_of(stated)] = _look(stated, settings)
        told()
    pixel = grid_scale(settings["grid"])
    kept = settings.get(PLACES)
    if kept is not None:
        known = Places.from_plain(kept)
        return Astrometry(seen, _against(seen, known, pixel), known, str(kept["reference"]))
    if len(seen) < 2:
        (only,) = seen.values()
        key = next(iter(seen))
        alone = {key: Refined(None, 0, is_reference=True)}
        return Astrometry(seen, alone, Places.of(only.stars, only.solution), only.name)
    return _among(seen, pixel)


def grid_scale(grid: Mapping[str, Any]) -> float:
    """Return the side of a pixel of a grid, arcseconds."""
    return grid_of(grid["cards"], grid["nx"], grid["ny"], "the reference").scale


def _look(stated: Mapping[str, Any], settings: Mapping[str, Any]) -> Seen:
    frame = read_pixels(stated, settings["blank"])
    limit = settings["ccd"].get("saturation")
    if isinstance(limit, str):
        limit = frame.image.number(limit)
    values = frame.rows() if isinstance(frame.raw, Rows) else frame.values()
    stars = find_stars(values, saturation=math.inf if limit is None else float(limit))
    return Seen(stated["name"], stars, read_solution(frame.image))


def _among(seen: Mapping[Key, Seen], pixel: float) -> Astrometry:
    """Measure frames against the stars of one of them."""
    reference, refined = _reference(seen, pixel)
    first = seen[reference]
    known = Places.of(first.stars, first.solution)
    better = _agreed(seen, refined, reference, pixel)
    own = Refined(None, 0, is_reference=True)
    if better is not None:
        other = seen[better]
        measured, n_known = compare(
            first.stars, first.solution, Places.of(other.stars, other.solution), pixel
        )
        own = Refined(measured, n_known, is_reference=True)
        known = Places.of(first.stars, own.solution(first.solution))
    others = {key: frame for key, frame in seen.items() if key != reference}
    if better is not None:
        refined = _against(others, known, pixel)
    refined, known = _further(others, refined, known, pixel)
    return Astrometry(seen, {reference: own, **refined}, known.first(_MOST_KEPT), first.name)


def _reference(seen: Mapping[Key, Seen], pixel: float) -> tuple[Key, dict[Key, Refined]]:
    """Return the frame whose stars tell places best, and the others measured against them.

    A frame with which hardly any other can be matched is wrong itself: the next one is tried.
    """
    order = sorted(seen, key=lambda key: -seen[key].worth)
    tried = []
    for place, key in enumerate(order[:_MOST_TRIED]):
        frame = seen[key]
        others = {other: its for other, its in seen.items() if other != key}
        refined = _against(others, Places.of(frame.stars, frame.solution), pixel)
        matched = sum(its.measured is not None for its in refined.values())
        lost = sum(is_lost(seen[other], its) for other, its in refined.items())
        tried.append((-matched, place, key, refined))
        if matched >= lost:
            break
    _, _, key, refined = min(tried, key=lambda one: one[:2])
    return key, refined


def _against(seen: Mapping[Key, Seen], known: Places, pixel: float) -> dict[Key, Refined]:
    return {
        key: Refined(*compare(frame.stars, frame.solution, known, pixel))
        for key, frame in seen.items()
    }


def _further(
    seen: Mapping[Key, Seen], refined: dict[Key, Refined], known: Places, pixel: float
) -> tuple[dict[Key, Refined], Places]:
    """Measure what does not reach the reference against what does, from there outwards."""
    inside: set[Key] = set()
    while True:
        new = [key for key in refined if refined[key].measured is not None and key not in inside]
        waiting = {key: seen[key] for key in refined if refined[key].measured is None}
        if not new or not waiting:
            break
        inside.update(new)
        for key in new:
            frame = seen[key]
            known = known.with_more(frame.stars, refined[key].solution(frame.solution))
        refined = {**refined, **_against(waiting, known, pixel)}
    return refined, known


def _agreed(
    seen: Mapping[Key, Seen], refined: Mapping[Key, Refined], reference: Key, pixel: float
) -> Key | None:
    """Return a frame whose header more than half of all headers agree with; None: the reference."""
    first = seen[reference].solution
    x, y = places(first.nx, first.ny)
    x, y = x[::20], y[::20]  # corners, edges and the middle
    ra, dec = first.sky(x, y)
    fields: dict[Key, Doubles] = {reference: np.zeros((len(x), 2))}
    for key, its in refined.items():
        if its.measured is not None:
            header = seen[key].solution
            fields[key] = _moved(header, its.solution(header), ra, dec)
    keys = list(fields)
    stack = np.stack([fields[key] for key in keys])
    limit = 2.0 * MATTERS * max(seen[reference].stars.fwhm * first.scale, pixel)
    square = ((stack[:, None] - stack[None]) ** 2).sum(axis=3).mean(axis=2)
    agree = (np.sqrt(square) < limit).sum(axis=1)
    best = int(agree.argmax())
    if agree[best] <= agree[0] or 2 * agree[best] <= len(keys):
        return None
    same = np.flatnonzero(np.sqrt(square[best]) < limit)
    return max((keys[place] for place in same), key=lambda key: seen[key].worth)


def _moved(header: Solution, solution: Solution, ra: Doubles, dec: Doubles) -> Doubles:
    """Return how far directions are from where a header has them, arcseconds east and north."""
    there_ra, there_dec = header.sky(*solution.pixel(ra, dec))
    east = (np.mod(there_ra - ra + 180.0, 360.0) - 180.0) * np.cos(np.radians(dec))
    return np.nan_to_num(3600.0 * np.column_stack([east, there_dec - dec]))


def is_lost(seen: Seen, refined: Refined) -> bool:
    """Tell whether a frame has stars, stars should be on it, and none are the same."""
    return (
        refined.measured is None
        and not refined.is_reference
        and min(len(seen.stars), refined.n_known) >= _ENOUGH_STARS
    )


def _report(seen: Seen, refined: Refined, reference: str) -> dict[str, Any]:
    """Return what was measured of a frame, plain values; lengths in arcseconds."""
    measured, scale = refined.measured, seen.solution.scale
    report: dict[str, Any] = {
        "reference": reference,
        "is_reference": refined.is_reference,
        "n_star": 0,
        "fitted": ORDERS[0],
        "applied": ORDERS[0],
        "shift_ra": None,
        "shift_dec": None,
        "shift_error": None,
        "rms_before": None,
        "rms_after": None,
        "correction": None,
        "remark": "",
    }
    if measured is None:
        return {**report, "remark": _why_not(seen, refined)}
    order = max(measured.order, 0)
    chosen = measured.fits[order + 1]
    mean = replace(
        chosen.displacement, order=0, x=chosen.displacement.x[:1], y=chosen.displacement.y[:1]
    )
    x, y = np.array([(seen.solution.nx - 1) / 2.0]), np.array([(seen.solution.ny - 1) / 2.0])
    ra, dec = seen.solution.sky(x, y)
    east, north = -_moved(seen.solution, seen.solution.refined(mean), ra, dec)[0]
    error = math.sqrt(float(chosen.covariance[0, 0])) * scale
    return {
        **report,
        "n_star": len(measured.pairs),
        "fitted": ORDERS[highest_order(len(measured.pairs)) + 1],
        "applied": ORDERS[measured.order + 1],
        "shift_ra": round(float(east), 5),
        "shift_dec": round(float(north), 5),
        "shift_error": round(error, 5),
        "rms_before": round(measured.rms(-1) * scale, 5),
        "rms_after": round(measured.rms(measured.order) * scale, 5),
        "correction": round(
            chosen.displacement.rms(*places(seen.solution.nx, seen.solution.ny)) * scale, 5
        )
        if measured.order >= 0
        else 0.0,
    }


def _why_not(seen: Seen, refined: Refined) -> str:
    if refined.is_reference:
        return ""
    if is_lost(seen, refined):
        return (
            f"Its stars are not within {SEARCHED_ARCSEC:.0f} arcseconds of where its header puts "
            "them: its coordinates cannot be believed; solve it again, or leave it out."
        )
    return (
        "It has too few stars in common with the other images to check its coordinates: they are "
        "those of its header."
    )
