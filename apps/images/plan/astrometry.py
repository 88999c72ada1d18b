"""Refinement of the images' coordinates by the stars that they have in common.

The stars of one frame, the one whose stars tell places best, are the reference. Each other frame
is measured against them, and a displacement of its pixels that is significant and matters is
applied before the map of its pixels is made. Frames that share too few stars with the reference are
measured against those that do. If more headers agree with another frame's than with the
reference's, the reference is measured against that one first: as few headers as possible are
corrected.

Each frame is read here once more, after the survey that chooses a grid and before it is packed:
its stars cannot be kept from the survey, which looks at fifty frames at most, and the map cannot be
made before the stars of all frames are compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from apps.images.plan.astrometry_report import report_of
from apps.images.plan.calibration import Masters
from apps.images.plan.pack import read_pixels
from apps.images.plan.remarks import Remarks
from apps.images.plan.sky.common_stars import against, among
from apps.images.plan.sky.displacement import ORDERS
from apps.images.plan.sky.fixed_stars import without_fixed
from apps.images.plan.sky.frame import Image
from apps.images.plan.sky.reference import cards_of, grid_header, grid_of
from apps.images.plan.sky.refined import Refined, Seen
from apps.images.plan.sky.rows import Rows
from apps.images.plan.sky.solution import Solution, read_solution
from apps.images.plan.sky.star_places import Places
from apps.images.plan.sky.stars import find_stars
from boinc_project.parallel import parallel_map

REFINE, CATALOGUE, HEADER = "refine", "catalogue", "header"
ASTROMETRY = (REFINE, CATALOGUE, HEADER)
"""Choices of ``[images] astrometry``, the first of which is taken if the file does not say."""
PLACES = "star_places"
"""The setting of a campaign with the reference's stars, for images that join it; not sent to
anybody."""
Key = str


class Astrometry:
    """Refined coordinates of a campaign's frames; those of their headers if none are refined.

    Parameters
    ----------
    seen : Mapping[str, Seen]
        The frames, by `key_of`.
    refined : Mapping[str, Refined]
        Measurements of those that were looked at.
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
        return report_of(self._seen[key], self._refined[key], self._reference)

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


def refines(settings: Mapping[str, Any]) -> bool:
    """Tell whether a campaign's frames are looked at for their stars."""
    stated: str = settings.get("astrometry", HEADER)
    return stated != HEADER and bool(settings["method"] != "reproject")


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
    if not refines(settings):
        return Astrometry.of_headers()
    seen = _look_at_all(images, settings, masters, told, jobs)
    pixel = grid_scale(settings["grid"])
    kept = settings.get(PLACES)
    if kept is not None:
        known = Places.from_plain(kept)
        return Astrometry(seen, against(seen, known, pixel), known, str(kept["reference"]))
    catalogue = None
    if settings["astrometry"] == CATALOGUE and table is not None:
        catalogue = Places.of_table(json.loads(table))
    common = among(seen, pixel, catalogue)
    return Astrometry(seen, common.refined, common.known, common.reference)


def grid_scale(grid: Mapping[str, Any]) -> float:
    """Return the side of a pixel of a grid, arcseconds."""
    return grid_of(grid["cards"], grid["nx"], grid["ny"], "the reference").scale


def _look_at_all(
    images: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    masters: Masters,
    told: Callable[[], None],
    jobs: int,
) -> dict[Key, Seen]:
    """Return the frames with those of their stars that are on the sky."""
    seen: dict[Key, Seen] = {}
    looks = parallel_map(lambda stated: _look(stated, settings, masters), images, jobs)
    for stated, frame in zip(images, looks, strict=True):
        seen[key_of(stated)] = frame
        told()
    if sum(frame.is_grid for frame in seen.values()) > 1:  # nobody knows which of them is meant
        seen = {key: replace(frame, is_grid=False) for key, frame in seen.items()}
    return _on_the_sky(seen)


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
