"""Keys that programs read from before reports: numbers of a summary, under their former names.

New keys have no place here, because the report says all that an application shows of its product.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boinc_project.report import one_line
from server.services.summary_fields import entries, mapping, number, optional, sentences, whole


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


def verdict(summary: Mapping[str, Any], *, rows: bool = True) -> dict[str, Any] | None:
    """Return the key ``verdict``: three words and the rows they rest on, those not met first.

    None if the summary has no verdict. A field of another form reads as *not met*.
    """
    stored = summary.get("verdict")
    if stored is None:
        return None
    told = mapping(summary, "verdict")
    answer: dict[str, Any] = {word: told.get(word) is True for word in _WORDS}
    answer["sentence"] = _text(told.get("sentence")) if told else _UNREADABLE
    if rows:
        order = {word: place for place, word in enumerate(_WORDS)}
        answer["rows"] = sorted(
            (_row(item) for item in entries(told, "rows")),
            key=lambda row: (row["met"], order.get(row["word"], len(order))),
        )
    return answer


def parameters(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the key ``parameters``: medians with distances to the 16th and 84th percentile."""
    return [_parameter(item) for item in entries(summary, "parameters")]


def evidence(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the key ``evidence``; None if it was not measured."""
    stored = mapping(summary, "evidence")
    if not stored:
        return None
    logz = mapping(stored, "logz") if "logz" in stored else stored
    return {
        "logz": optional(logz.get("value")),
        "logz_error": optional(logz.get("mcse")),
        "information": optional(stored.get("information")),
        "ess": optional(stored.get("ess")),
        "modes": [_mode(item) for item in entries(summary, "modes") if "share" in item],
    }


_WORDS = ("sampled", "described", "informative")
_UNREADABLE = "The verdict of this product cannot be read."


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{key: _text(item.get(key)) for key in ("key", "word")},
        "title": _text(item.get("title") or item.get("key")),
        "value": optional(item.get("value")),
        "limit": optional(item.get("limit")),
        "relation": _text(item.get("relation")) or None,
        "met": item.get("met") is True,
        "text": _text(item.get("text")),
    }


def _mode(item: Mapping[str, Any]) -> dict[str, Any]:
    share, logz = mapping(item, "share"), mapping(item, "logz")
    return {
        "share": optional(share.get("value")),
        "share_error": optional(share.get("mcse")),
        "logz": optional(logz.get("value")),
        "logz_error": optional(logz.get("mcse")),
        "log_likelihood_max": optional(item.get("log_likelihood_max")),
    }


def _parameter(item: Mapping[str, Any]) -> dict[str, Any]:
    name = str(item.get("name", ""))
    median, low, high = (
        number(mapping(item, key).get("value")) for key in ("median", "q16", "q84")
    )
    return {
        "name": name,
        "label": str(item.get("label") or name),
        "unit": str(item.get("unit") or ""),
        "derived": item.get("derived") is True,
        "median": median,
        "plus": high - median,
        "minus": median - low,
        "mcse": optional(mapping(item, "median").get("mcse")),
        **{key: optional(item.get(key)) for key in ("rhat", "ess_bulk", "ess_tail")},
        "published": [
            {
                "parameter": name,
                "value": number(value.get("value")),
                "plus": optional(value.get("plus")) or 0.0,
                "minus": optional(value.get("minus")) or 0.0,
                "source": str(value.get("source", "")),
            }
            for value in entries(item, "published")
        ],
    }


def _text(value: Any) -> str:
    return one_line(value) if isinstance(value, str) else ""
