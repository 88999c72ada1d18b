"""An image as pages, API and command line show it, read from a product's summary.json: only reads.

The form is documented in ``docs/scientist/image-products.md``. What a summary does not have is
shown as missing, never made up; one of another form gives an empty table, not an error page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.services.summary_fields import entries, mapping, optional, sentences, whole

KIND = "image"
"""What ``kind`` of the summary of an image says."""
ALL_FRAMES = "all frames are in"
SOME_FRAMES = "frames are missing"
"""Whether an image is of all frames, in words that are not those of a campaign's state."""


@dataclass(frozen=True, slots=True)
class FrameView:
    """One frame of a stack.

    Attributes
    ----------
    name : str
        File name of the exposure.
    exposure : float or None
        Seconds.
    flux_scale, flux_scale_error : float or None
        Flux of the reference over flux of the frame; the error is None if it was not measured.
    n_star : int
        Stars that the scale rests on.
    weight_share : float or None
        Part of all weights, 0 to 1.
    moved : float or None
        Root mean square over the frame of what its coordinates were corrected by, arcseconds; None
        if its header's were taken.
    remark : str
        What is odd about it.
    """

    name: str
    exposure: float | None
    flux_scale: float | None
    flux_scale_error: float | None
    n_star: int
    weight_share: float | None
    moved: float | None
    remark: str


@dataclass(frozen=True, slots=True)
class ImageView:
    """A co-added image.

    Attributes
    ----------
    nx, ny : int
        Size of the grid, pixels.
    n_frame, n_unit, n_unit_wanted : int
        Frames in it, units they came in, and units that the campaign has.
    exposure : float or None
        Sum of the frames' exposure times, seconds.
    depth : float or None
        Standard deviation of the sky where most frames are, in flux units of the reference.
    frames_deepest : int
        Frames there.
    covered, rejected : float or None
        Parts, 0 to 1: of the grid's pixels that hold something, of values that were clipped away.
    n_source : int
        Sources in its catalogue; 0 if there is none.
    seeing : float or None
        Median FWHM of bright sources, arcseconds.
    zero_point, zero_point_error : float or None
        Magnitudes; None if it was not measured.
    band : str
        Of the zero point.
    reference : str
        The frame that the others are matched to.
    missing, remarks : tuple[str, ...]
        What keeps it from being complete, and what else should be known; one sentence each.
    frames : tuple[FrameView, ...]
        In the order in which they were added.
    """

    nx: int
    ny: int
    n_frame: int
    n_unit: int
    n_unit_wanted: int
    exposure: float | None
    depth: float | None
    frames_deepest: int
    covered: float | None
    rejected: float | None
    n_source: int
    seeing: float | None
    zero_point: float | None
    zero_point_error: float | None
    band: str
    reference: str
    missing: tuple[str, ...]
    remarks: tuple[str, ...]
    frames: tuple[FrameView, ...]


def is_image(summary: Mapping[str, Any]) -> bool:
    """Whether a summary is that of an image."""
    return summary.get("kind") == KIND


def read_image(summary: Mapping[str, Any]) -> ImageView | None:
    """Read a product's summary; None if it is not that of an image."""
    if not is_image(summary):
        return None
    grid, point = mapping(summary, "grid"), mapping(summary, "zero_point")
    return ImageView(
        nx=whole(grid.get("nx")),
        ny=whole(grid.get("ny")),
        n_frame=whole(summary.get("n_frame")),
        n_unit=whole(summary.get("n_unit")),
        n_unit_wanted=whole(summary.get("n_unit_wanted")),
        exposure=optional(summary.get("exposure_s")),
        depth=optional(summary.get("depth")),
        frames_deepest=whole(summary.get("frames_deepest")),
        covered=optional(summary.get("covered_fraction")),
        rejected=optional(summary.get("rejected_fraction")),
        n_source=whole(summary.get("n_source")),
        seeing=optional(summary.get("seeing")),
        zero_point=optional(point.get("value")),
        zero_point_error=optional(point.get("error")),
        band=str(point.get("band") or ""),
        reference=str(summary.get("reference") or ""),
        missing=sentences(summary.get("missing")),
        remarks=sentences(summary.get("remarks")),
        frames=tuple(_frame(item) for item in entries(summary, "frames")),
    )


def _frame(item: Mapping[str, Any]) -> FrameView:
    scale, astrometry = mapping(item, "flux_scale"), mapping(item, "astrometry")
    return FrameView(
        name=str(item.get("name", "")),
        exposure=optional(item.get("exposure_s")),
        flux_scale=optional(scale.get("value")),
        flux_scale_error=optional(scale.get("error")),
        n_star=whole(item.get("n_star")),
        weight_share=optional(item.get("weight_share")),
        moved=optional(astrometry.get("correction")) or None,
        remark=str(item.get("remark") or ""),
    )
