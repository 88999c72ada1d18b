"""How values look in JSON: a pure translation of the services' dataclasses.

Times are ISO 8601 in UTC. A number that JSON cannot say (NaN, infinity) is null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from server.services.campaign_view import CampaignSummary, CampaignView, ProductSummary
from server.services.products_view import ProductFile
from server.services.verdict_view import VerdictView
from server.services.workunit_view import WorkunitRow


def campaign_summary(summary: CampaignSummary) -> dict[str, Any]:
    """Return a campaign of the list."""
    progress = summary.progress
    return _json(
        {
            "name": summary.name,
            "title": summary.title,
            "app": summary.app,
            "state": summary.state.value,
            "end_reason": summary.end_reason,
            "create_time": summary.create_time,
            "end_time": summary.end_time,
            "progress": {
                "workunits": {state.value: count for state, count in progress.counts.items()},
                "issued": progress.issued,
                "ended": progress.ended,
                "valid": progress.valid,
                "fraction": progress.fraction,
            },
            "product_version": summary.product_version,
            "product_kind": _kind(summary),
            "verdict": None if summary.verdict is None else _words(summary.verdict),
            "converged": _converged(summary.verdict, meets_rule=summary.meets_rule),
        }
    )


def campaign_view(view: CampaignView) -> dict[str, Any]:
    """Return one campaign."""
    definition = view.definition
    return campaign_summary(view.summary) | _json(
        {
            "description": view.description,
            "tasks_in_progress": view.tasks_in_progress,
            "stop_rule": definition.stop.limits,
            "quorum": asdict(definition.quorum),
            "published": [asdict(value) for value in definition.published],
            "product": None if view.product is None else _product(view.product),
        }
    )


def product_files(files: tuple[ProductFile, ...], urls: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the files of a product; `urls` by file name."""
    return [
        _json(
            {
                "name": file.name,
                "nbytes": file.nbytes,
                "sha256": file.sha256,
                "modified": file.modified,
                "media_type": file.media_type,
                "url": urls[file.name],
            }
        )
        for file in files
    ]


def verdict(view: VerdictView | None) -> dict[str, Any] | None:
    """Return a verdict with its rows, in the form of summary.json; None if there is none."""
    if view is None:
        return None
    rows = [asdict(row) | {"relation": row.relation or None} for row in view.rows]
    return {**_words(view), "rows": rows}


def converged(product: ProductSummary) -> bool:
    """Return the key that programs from before verdicts read.

    It means all three words of a verdict, and that all frames are in of an image.
    """
    return _converged(product.verdict, meets_rule=product.meets_rule)


def workunit(row: WorkunitRow) -> dict[str, Any]:
    """Return one workunit with its tasks."""
    return _json(asdict(row) | {"state": row.state.value})


def _product(product: ProductSummary) -> dict[str, Any]:
    posterior = product.posterior
    return {
        "version": product.version,
        "create_time": product.create_time,
        "n_unit": product.n_unit,
        "n_draw": product.n_draw,
        "digest": product.digest,
        "verdict": verdict(product.verdict),
        "converged": converged(product),
        "missing": list(posterior.missing),
        "image": None if product.image is None else asdict(product.image),
        "parameters": [asdict(parameter) for parameter in posterior.parameters],
        "evidence": None if posterior.evidence is None else asdict(posterior.evidence),
    }


def _kind(summary: CampaignSummary) -> str | None:
    if summary.product_version is None:
        return None
    return "image" if summary.is_image else "posterior"


def _words(view: VerdictView) -> dict[str, Any]:
    return {**view.words, "sentence": view.sentence}


def _converged(view: VerdictView | None, *, meets_rule: bool) -> bool:
    return meets_rule if view is None else view.holds


def _json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _value(value) for key, value in values.items()}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return _json(value)
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    return value
