"""How values look in JSON: a pure translation of the services' dataclasses.

Times are ISO 8601 in UTC. A number that JSON cannot say (NaN, infinity) is null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from server.blueprints.api import science_keys
from server.services.campaign_view import CampaignSummary, CampaignView
from server.services.product_view import ProductView
from server.services.products_view import ProductFile
from server.services.summary_fields import sentences
from server.services.workunit_view import WorkunitRow


def campaign_summary(summary: CampaignSummary) -> dict[str, Any]:
    """Return a campaign of the list."""
    progress, product = summary.progress, summary.product
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
            "product_kind": None if product is None else product.kind,
            "verdict": None if product is None else verdict(product, rows=False),
            "converged": product is not None and converged(product),
            "judgement": None if product is None else product.judgement.phrase,
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


def verdict(product: ProductView, *, rows: bool = True) -> dict[str, Any] | None:
    """Return a verdict in the form of summary.json; None if the product has none."""
    answer = science_keys.verdict(product.summary, rows=rows)
    return None if answer is None else _json(answer)


def converged(product: ProductView) -> bool:
    """Return the key that programs from before verdicts read.

    It means that the product is all that the campaign wanted.
    """
    if product.report is not None:
        return product.judgement.met
    return product.summary.get("converged") is True and product.meets_rule


def report(product: ProductView) -> dict[str, Any] | None:
    """Return the report of a product, in the form of summary.json; None if it has none."""
    return None if product.report is None else product.report.to_plain()


def missing(product: ProductView) -> list[str]:
    """Return the sentences about what keeps a product from being all that was wanted."""
    return list(sentences(product.summary.get("missing")))


def workunit(row: WorkunitRow) -> dict[str, Any]:
    """Return one workunit with its tasks."""
    return _json(asdict(row) | {"state": row.state.value})


def _product(product: ProductView) -> dict[str, Any]:
    return {
        "version": product.version,
        "create_time": product.create_time,
        "n_unit": product.n_unit,
        "n_draw": product.n_draw,
        "digest": product.digest,
        "verdict": verdict(product),
        "converged": converged(product),
        "judgement": product.judgement.phrase,
        "report": report(product),
        "missing": missing(product),
        "image": science_keys.image(product.summary),
        "parameters": science_keys.parameters(product.summary),
        "evidence": science_keys.evidence(product.summary),
    }


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
