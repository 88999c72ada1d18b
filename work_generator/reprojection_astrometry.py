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

from boinc_project.parallel import parallel_map
from work_generator.remarks import Remarks
from work_generator.reprojection_calibration import Masters
from work_generator.reprojection_pack import read_pixels
from work_generator.sky.displacement import ORDERS, Displacement, fit, highest_order, places
from work_generator.sky.fixed_stars import without_fixed
from work_generator.sky.frame import Image
from work_generator.sky.reference import cards_of, grid_header, grid_of
from work_generator.sky.rows import Rows
from work_generator.sky.solution import Solution, read_solution
from work_generator.sky.star_match import Measured
from work_generator.sky.star_places import MATTERS, SEARCHED_ARCSEC, Places, compare
from work_generator.sky.stars import Stars, find_stars
from work_generator.sky.window import coverage

REFINE, CATALOGUE, HEADER = "refine", "catalogue", "header"
ASTROMETRY = (REFINE, CATALOGUE, HEADER)
"""Choices of ``[images] astrometry``, the first of which is taken if the file does not say."""
PLACES = "star_places"
"""The setting of a campaign with the reference's stars, for images that join it; not sent to
anybody."""
_ENOUGH_STARS = 10
"""Stars of a frame, and known ones on it, some of which must be the same if its header is right."""
_MOST_TRIED = 3
"""Frames that are tried as the reference, where most others cannot be matched with the first."""
_FLOOR = 0.05
"""Pixels; no star tells a place better when frames are compared for how well they tell places."""
_NO_CATALOGUE = (
    "Its stars are not matched with those of the table of [photometry]: coordinates are brought "
    "together among the images alone."
)
_LEAST_HEADERS = 3
"""Headers of which a majority can be told."""
_LEAST_COMMON = 0.5
"""Part of the reference that a frame must cover to tell where it is as a whole."""
_OUTLIER = 3.0
"""Median distances from the median, beyond which a header does not count."""
_CROSS = np.array([0, 8, 40, 72, 80])
"""The corners and the middle among `displacement.places`."""
_MOST_KEPT = 5_000
"""Places that are kept for images that join the campaign."""

Doubles = NDArray[np.float64]
Key = str


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known of a frame by itself.

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
    moved : Displacement or None
        Of the reference: by which it is displaced from where the headers together put it.
    """

    measured: Measured | None
    n_known: int
    is_reference: bool = False
    moved: Displacement | None = None

    @property
    def displacement(self) -> Displacement | None:
        """The displacement that is to be applied; None: none."""
        if self.measured is None:
            return self.moved
        return self.measured.displacement if self.measured.order >= 0 else None

    def solution(self, header: Solution) -> Solution:
        """Return a frame's coordinates with what is to be applied."""
        return header if self.displacement is None else header.refined(self.displacement)


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

    def solution(self, stated: Mapping[str, Any], image: Image) -> Solution:
        """Return the coordinates of an image of the campaign, as it is stated there."""
        key = key_of(stated)
        if key not in self._refined:
            return read_solution(image)
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

    def remark(self, remarks: Remarks, images: Sequence[Mapping[str, Any]]) -> None:
        """Add what should be known of images: which are corrected, and which are not believed.

        Parameters
        ----------
        remarks : Remarks
            Where to.
        images : Sequence[Mapping]
            Those that the campaign keeps.
        """
        sizes = []
        for stated in images:
            report = self.report(stated)
            if report is None:
                continue
            if report["applied"] != ORDERS[0]:
                sizes.append(report["correction"])
            elif report["remark"]:
                remarks.add(report["remark"], stated["name"])
        if sizes:
            low, high = min(sizes), max(sizes)
            by = f"{high:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.2g} to {high:.2g}"
            remarks.add(
                f"The coordinates of {len(sizes)} of {len(images)} images are corrected by "
                f"{by} arcseconds, by the stars that they share; [images] astrometry = "
                f'"{HEADER}" leaves them as they are.'
            )


def key_of(stated: Mapping[str, Any]) -> Key:
    """Return what tells one of a campaign's images from the others."""
    return json.dumps([stated["path"], stated["hdu"], stated.get("part")], sort_keys=True)


def refine(
    images: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    masters: Masters,
    table: bytes | None,
    told: Callable[[], None],
    jobs: int = 1,
) -> Astrometry:
    """Measure the coordinates of images by their stars.

    Parameters
    ----------
    images : Sequence[Mapping]
        Of a campaign.
    settings : Mapping
        Its settings; the grid is known, and the stars of the campaign that the images join.
    masters : Masters
        Its master frames.
    table : bytes or None
        ``photometry.json`` of the campaign: stars that the reference may be measured against.
    told : Callable
        Called after each image.
    jobs : int
        Images that are looked at at once.

    Raises
    ------
    InputError
        If an image cannot be read.
    """
    if settings.get("astrometry", HEADER) == HEADER or settings["method"] == "reproject":
        return Astrometry.of_headers()
    seen: dict[Key, Seen] = {}
    looks = parallel_map(lambda stated: _look(stated, settings, masters), images, jobs)
    for stated, frame in zip(images, looks, strict=True):
        seen[key_of(stated)] = frame
        told()
    if sum(frame.is_grid for frame in seen.values()) > 1:  # nobody knows which of them is meant
        seen = {key: replace(frame, is_grid=False) for key, frame in seen.items()}
    seen = _on_the_sky(seen)
    pixel = grid_scale(settings["grid"])
    kept = settings.get(PLACES)
    if kept is not None:
        known = Places.from_plain(kept)
        return Astrometry(seen, _against(seen, known, pixel), known, str(kept["reference"]))
    stars = None
    if settings["astrometry"] == CATALOGUE and table is not None:
        stars = Places.of_table(json.loads(table))
    return _among(seen, pixel, stars)


def grid_scale(grid: Mapping[str, Any]) -> float:
    """Return the side of a pixel of a grid, arcseconds."""
    return grid_of(grid["cards"], grid["nx"], grid["ny"], "the reference").scale


def _look(stated: Mapping[str, Any], settings: Mapping[str, Any], masters: Masters) -> Seen:
    frame = read_pixels(stated, settings["blank"])
    limit = settings["ccd"].get("saturation")
    if isinstance(limit, str):
        limit = frame.image.number(limit)
    values = frame.rows()
    if limit is not None:  # it is stated in counts of before calibration
        values = values.map(lambda rows: np.where(rows >= limit, np.nan, rows), np.float32)
    if masters.planes:
        masters.check(frame.image)
        if isinstance(frame.raw, Rows):
            values = masters.rows_of(values, frame.image)
        else:
            values = Rows.held(masters.apply(np.asarray(values), frame.image))
    is_grid = cards_of(grid_header(frame.image.header)) == settings["grid"]["cards"]
    return Seen(
        stated["name"],
        find_stars(values),
        read_solution(frame.image),
        (frame.image.nx, frame.image.ny, json.dumps(stated.get("part"), sort_keys=True)),
        is_grid,
    )


def _on_the_sky(seen: Mapping[Key, Seen]) -> dict[Key, Seen]:
    """Return the frames without what is on their detectors."""
    detectors: dict[tuple[int, int, str], list[Key]] = {}
    for key, frame in seen.items():
        detectors.setdefault(frame.detector, []).append(key)
    cleaned = dict(seen)
    for keys in detectors.values():
        kept = without_fixed([(seen[key].stars, seen[key].solution) for key in keys])
        for key, stars in zip(keys, kept, strict=True):
            cleaned[key] = replace(seen[key], stars=stars)
    return cleaned


def _among(seen: Mapping[Key, Seen], pixel: float, stars: Places | None) -> Astrometry:
    """Measure frames against the stars of one of them, and that against known stars if it can."""
    reference, refined = _reference(seen, pixel)
    first = seen[reference]
    others = {key: frame for key, frame in seen.items() if key != reference}
    own = Refined(None, 0, is_reference=True)
    if stars is not None:
        measured, n_known = compare(first.stars, first.solution, stars, pixel)
        own = Refined(measured, max(n_known, 1), is_reference=True)
    elif not first.is_grid:
        own = replace(own, moved=_consensus(seen, refined, reference, pixel))
    known = Places.of(first.stars, own.solution(first.solution))
    if own.displacement is not None:
        refined = _against(others, known, pixel)
    refined, known = _further(others, refined, known, pixel)
    return Astrometry(seen, {reference: own, **refined}, known.first(_MOST_KEPT), first.name)


def _reference(seen: Mapping[Key, Seen], pixel: float) -> tuple[Key, dict[Key, Refined]]:
    """Return the frame whose stars tell places best, and the others measured against them.

    A frame with which hardly any other can be matched is wrong itself: the next one is tried.
    """
    order = sorted(seen, key=lambda key: (not seen[key].is_grid, -seen[key].worth))
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


def _consensus(
    seen: Mapping[Key, Seen], refined: Mapping[Key, Refined], reference: Key, pixel: float
) -> Displacement | None:
    """Return what the reference is displaced by from where most headers put its stars.

    Those headers count that agree, if they are more than half of all; else all but outliers; and
    none whose stars are too few to tell.
    Of two headers nobody can tell which is right: the reference's is kept, as it is where less
    than what matters would change.
    """
    first = seen[reference].solution
    limit = MATTERS * max(seen[reference].stars.fwhm * first.scale, pixel)
    x, y = (values[_CROSS] for values in places(first.nx, first.ny))
    ra, dec = first.sky(x, y)
    fields, orders = [np.zeros((len(x), 2))], [0]
    for key, its in refined.items():
        header = seen[key].solution
        if (
            its.measured is not None
            and (its.measured.order >= 0 or its.measured.error * header.scale < limit)
            and coverage(header, first) >= _LEAST_COMMON
        ):
            fields.append(_moved(header, its.solution(header), ra, dec))
            orders.append(max(its.measured.order, 0))
    if len(fields) < _LEAST_HEADERS:
        return None
    mean, kept = _common(np.stack(fields), 2.0 * limit)
    if math.sqrt(float((mean**2).sum(axis=1).mean())) < limit:
        return None
    degrees = mean / 3600.0
    u, v = first.pixel(ra + degrees[:, 0] / np.cos(np.radians(dec)), dec + degrees[:, 1])
    off = np.column_stack([x - u, y - v])
    order = min(1, max(orders[place] for place in kept))
    return fit(u, v, off, np.ones(len(u)), (first.nx, first.ny), order).displacement


def _common(fields: Doubles, limit: float) -> tuple[Doubles, NDArray[np.int64]]:
    """Return the mean of the fields (n, n_place, 2) that count, and their numbers."""
    square = ((fields[:, None] - fields[None]) ** 2).sum(axis=3).mean(axis=2)
    agree = np.sqrt(square) < limit
    best = int(agree.sum(axis=1).argmax())
    kept = np.flatnonzero(agree[best])
    if 2 * len(kept) <= len(fields):
        off = np.sqrt(((fields - np.median(fields, axis=0)) ** 2).sum(axis=2).mean(axis=1))
        kept = np.flatnonzero(off <= max(_OUTLIER * float(np.median(off)), limit))
    return fields[kept].mean(axis=0), kept


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
    measured, applied, scale = refined.measured, refined.displacement, seen.solution.scale
    report: dict[str, Any] = {
        "reference": reference,
        "n_star": len(seen.stars) if refined.is_reference else 0,
        "fitted": ORDERS[0],
        "applied": ORDERS[0 if applied is None else applied.order + 1],
        "correction": 0.0,
        "shift_ra": None,
        "shift_dec": None,
        "shift_error": None,
        "rms_before": None,
        "rms_after": None,
        "remark": _why_not(seen, refined),
    }
    if applied is not None:
        report["correction"] = _rounded(applied.rms(*places(applied.nx, applied.ny)) * scale)
        report["shift_ra"], report["shift_dec"] = _shift(seen.solution, applied)
    if measured is not None:
        fitted = measured.fits[max(measured.order, 0) + 1]
        report["n_star"] = len(measured.pairs)
        report["fitted"] = ORDERS[highest_order(len(measured.pairs)) + 1]
        report["shift_ra"], report["shift_dec"] = _shift(seen.solution, fitted.displacement)
        report["shift_error"] = _rounded(measured.error * scale)
        report["rms_before"] = _rounded(measured.rms(-1) * scale)
        report["rms_after"] = _rounded(measured.rms(measured.order) * scale)
    return report


def _shift(header: Solution, displacement: Displacement) -> tuple[float, float]:
    """Return how far a frame is moved on average, arcseconds to the east and north."""
    mean = replace(displacement, order=0, x=displacement.x[:1], y=displacement.y[:1])
    middle = np.array([(header.nx - 1) / 2.0]), np.array([(header.ny - 1) / 2.0])
    east, north = -_moved(header, header.refined(mean), *header.sky(*middle))[0]
    return _rounded(float(east)), _rounded(float(north))


def _rounded(arcseconds: float) -> float:
    return round(arcseconds, 5)


def _why_not(seen: Seen, refined: Refined) -> str:
    """Return why a frame was not measured, one sentence; empty if it was, or is the reference."""
    if refined.measured is not None:
        return ""
    if refined.is_reference:
        return _NO_CATALOGUE if refined.n_known else ""
    if is_lost(seen, refined):
        return (
            f"Its stars are not within {SEARCHED_ARCSEC:.0f} arcseconds of where its header puts "
            "them: its coordinates cannot be believed; solve it again, or leave it out."
        )
    return (
        "It has too few stars in common with the other images to check its coordinates: they are "
        "those of its header."
    )
