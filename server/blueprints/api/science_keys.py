"""Keys that programs read from before reports: numbers of a summary, under their former names.

New keys have no place here, because the report says all that an application shows of its product.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.services.summary_fields import entries, mapping, optional, sentences, whole


def image(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the key ``image``: the numbers of a summary that has a grid; else None."""
    grid, point = mapping(summary, "grid"), mapping(summary, "zero_point")
    if not grid:
        return None
    return {
        "nx": whole(grid.get("nx")),
        "ny": whole(grid.get("ny")),
        **{key: whole(summary.get(key)) for key in ("n_frame", "n_unit", "n_unit_wanted")},
        "exposure": optional(summary.get("exposure_s")),
        "depth": optional(summary.get("depth")),
        "frames_deepest": whole(summary.get("frames_deepest")),
        "covered": optional(summary.get("covered_fraction")),
        "rejected": optional(summary.get("rejected_fraction")),
        "n_source": whole(summary.get("n_source")),
        "seeing": optional(summary.get("seeing")),
        "zero_point": optional(point.get("value")),
        "zero_point_error": optional(point.get("error")),
        "band": str(point.get("band") or ""),
        "reference": str(summary.get("reference") or ""),
        "missing": sentences(summary.get("missing")),
        "remarks": sentences(summary.get("remarks")),
        "frames": [_frame(item) for item in entries(summary, "frames")],
    }


def _frame(item: Mapping[str, Any]) -> dict[str, Any]:
    scale, astrometry = mapping(item, "flux_scale"), mapping(item, "astrometry")
    return {
        "name": str(item.get("name", "")),
        "exposure": optional(item.get("exposure_s")),
        "flux_scale": optional(scale.get("value")),
        "flux_scale_error": optional(scale.get("error")),
        "n_star": whole(item.get("n_star")),
        "weight_share": optional(item.get("weight_share")),
        "moved": optional(astrometry.get("correction")) or None,
        "remark": str(item.get("remark") or ""),
    }
