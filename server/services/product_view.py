"""The newest product of a campaign as pages and API show it: its row and its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from boinc_project.report import Report, read_report
from server.models import ProductRow
from server.services.judgement import Judgement, judgement
from server.services.moment import moment


@dataclass(frozen=True, slots=True)
class ProductView:
    """The newest product, as its row tells.

    Attributes
    ----------
    meets_rule : bool
        Whether the campaign may end on it; see `server.models.ProductRow.converged`.
    report : Report or None
        All that people are shown of it; None for a product from before reports.
    judgement : Judgement
        How far it is.
    summary : Mapping[str, Any]
        Its summary.json.
    """

    version: int
    create_time: datetime
    n_unit: int
    n_draw: int
    meets_rule: bool
    digest: str
    report: Report | None
    judgement: Judgement
    summary: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The sort of thing it is; the summary of a posterior does not say."""
        return str(self.summary.get("kind", "posterior"))


def product_view(row: ProductRow) -> ProductView:
    """Return what a product's row tells."""
    return ProductView(
        version=row.version,
        create_time=moment(row.create_time),
        n_unit=row.n_unit,
        n_draw=row.n_draw,
        meets_rule=row.converged,
        digest=row.digest,
        report=read_report(row.summary),
        judgement=judgement(row.summary, meets_rule=row.converged),
        summary=row.summary,
    )
