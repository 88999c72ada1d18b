"""One frame, looked at: calibrated as volunteers will have it, and measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.calibration import Masters
from apps.images.plan.pack import Frame, read_frame
from apps.images.plan.saturation import saturation_of
from apps.images.plan.sky.frame import Image, Scaling
from apps.images.plan.sky.gain import electrons_per_count
from apps.images.plan.sky.median import median
from apps.images.plan.sky.quality import seeing
from apps.images.plan.sky.rows import Rows, Sample
from apps.images.plan.sky.solution import Solution
from apps.images.plan.sky.variance import SkyVariance, sky_variance
from apps.images.plan.sky.variance_map import rows_without_light
from boinc_project.errors import InputError


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame that was looked at.

    Attributes
    ----------
    solution : Solution
        Its coordinates.
    sky : float
        Median of its pixels, in its unit.
    variance : SkyVariance
        How noisy its sky is.
    seeing : float or None
        FWHM of its stars, arcseconds; None if too few tell.
    """

    solution: Solution
    sky: float
    variance: SkyVariance
    seeing: float | None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads frames, and calibrates them here if volunteers cannot.

    Attributes
    ----------
    masters : Masters
        Of the campaign.
    here : bool
        Whether they are applied here.
    blank : float or None
        A value that says that nothing is known of a pixel.
    saturation : float, str or None
        As the campaign's file states it: a number or a keyword.
    """

    masters: Masters
    here: bool
    blank: float | None
    saturation: float | str | None

    @property
    def shipped(self) -> Masters:
        """The master frames that are still to be applied."""
        return Masters() if self.here else self.masters

    def read(self, stated: Mapping[str, Any], image: Image | None = None) -> Frame:
        """Return a frame, calibrated if it is calibrated here; of an image if that is known."""
        frame = read_frame(stated, self.blank, image)
        asked = camera({"saturation": self.saturation}, frame, "saturation")
        by_keyword = isinstance(self.saturation, str)
        limit, sentences = saturation_of(frame, asked, by_keyword=by_keyword)
        frame = replace(frame, saturation=limit, remarks=(*frame.remarks, *sentences))
        if not self.here or not self.masters.planes:
            return frame
        counts = frame.values()
        values = self.masters.apply(counts, frame.image)
        if limit is not None:  # it is stated in counts of before
            values = np.where(counts >= limit, np.float32(np.nan), values)
        image = replace(frame.image, scaling=Scaling())
        return replace(frame, image=image, raw=np.ascontiguousarray(values, np.float32))


def look(frame: Frame, settings: Mapping[str, Any], masters: Masters, solution: Solution) -> Seen:
    """Measure a frame.

    Parameters
    ----------
    frame : Frame
        As it was read.
    settings : Mapping
        The campaign's.
    masters : Masters
        Those that are still to be applied.
    solution : Solution
        The frame's coordinates.

    Raises
    ------
    InputError
        If nothing is left of it after calibration, or its noise cannot be measured.
    """
    masters.check(frame.image)
    sample = frame.sample()
    values = masters.sampled(sample).apply(sample.take(frame.rows()), frame.image)
    if not np.isfinite(values).any():
        raise InputError(
            f"{frame.image.label} has no finite pixel after calibration: correct the master "
            "frames, or leave it out.",
            path=frame.image.path,
        )
    variance = _sky_variance(settings, frame, values, masters, sample)
    if variance is None:
        raise InputError(
            f"The noise of {frame.image.label} cannot be measured: write noise = ... in [images].",
            path=frame.image.path,
        )
    limit = math.inf if frame.saturation is None else frame.saturation
    width = seeing(values, variance.noise, saturation=limit)
    sky = median(values)
    assert sky is not None  # some pixel is finite
    return Seen(solution, sky, variance, None if width is None else width * solution.scale)


def _sky_variance(
    settings: Mapping[str, Any],
    frame: Frame,
    values: NDArray[np.float32],
    masters: Masters,
    sample: Sample,
) -> SkyVariance | None:
    """Return how noisy a frame's sky is: as it is stated, or as it is measured in a sample."""
    noise = settings["ccd"].get("noise")
    if noise is not None:
        return SkyVariance(float(noise), cast(Any, frame.variance))
    given = None if frame.variance is None else sample.take(frame.variance)
    flat = masters.sampled(sample).planes.get("flat")
    measured = sky_variance(values, stated=given, flat=flat)
    if measured is None or measured.plane is None or not sample.rows:
        return measured
    scale = np.float32(measured.scale)
    if isinstance(frame.variance, Rows):
        plane = frame.variance
        if measured.light is not None:
            calibrated = masters.rows_of(frame.rows(), frame.image)
            plane = rows_without_light(measured.light, calibrated, plane)
        plane = plane.map(lambda rows: rows * scale, np.float32)
    else:
        plane = sample.spread(measured.plane, (frame.image.ny, frame.image.nx))
    # Rows are written as an array is.
    return replace(measured, plane=cast(Any, plane))


def camera(ccd: Mapping[str, Any], frame: Frame, key: str) -> float | None:
    """Return a number of the camera, stated or from a keyword that is stated; None if neither."""
    stated = ccd.get(key)
    if not isinstance(stated, str):
        return None if stated is None else float(stated)
    value, _ = electrons_per_count(frame.image, stated)
    if value is None or value < 0 or (value == 0 and key != "read_noise"):
        raise InputError(
            f"{frame.image.label} has no usable {stated} in its header: write {key} as a number.",
            path=frame.image.path,
        )
    return value
