"""The newest product of a campaign, which all that is told of products is told of."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from server.models import ProductRow


def newest_product(
    session: Session, campaign_id: int, *, to_change: bool = False
) -> ProductRow | None:
    """Return the row of a campaign's newest product, locked if it is to be changed."""
    chosen = (
        select(ProductRow)
        .where(ProductRow.campaign_id == campaign_id)
        .order_by(ProductRow.version.desc())
        .limit(1)
    )
    return session.scalars(chosen.with_for_update() if to_change else chosen).one_or_none()
