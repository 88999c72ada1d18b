"""Campaigns and their products."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from boinc_project.states import CampaignState
from server.models.base import Base, JsonType

RUNNING = (CampaignState.ACTIVE.value, CampaignState.PAUSED.value)
"""States of campaigns that are not over: their inputs and canonical outputs are kept."""


class CampaignRow(Base):
    """One science goal. `boinc_project.campaign.Campaign` is the value; this is its row."""

    __tablename__ = "campaign"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(254), unique=True)
    title: Mapped[str] = mapped_column(String(254))
    description: Mapped[str] = mapped_column(Text, default="")
    appid: Mapped[int] = mapped_column(ForeignKey("app.id"))
    userid: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    """Who issued it; None for the project's own command line."""
    create_time: Mapped[float]
    end_time: Mapped[float | None]
    state: Mapped[str] = mapped_column(String(16), default=CampaignState.ACTIVE.value)
    end_reason: Mapped[str] = mapped_column(Text, default="")
    """Why it ended, or is paused, in plain words."""
    definition: Mapped[bytes] = mapped_column(LargeBinary)
    """The prepared `Campaign` as canonical JSON."""
    source: Mapped[str] = mapped_column(Text, default="")
    """The campaign file's own text."""
    priority: Mapped[int] = mapped_column(default=0)
    next_generation: Mapped[int] = mapped_column(default=0)
    canary: Mapped[int] = mapped_column(default=0)
    """Units of the first generation that proven hosts must have computed before the rest is sent;
    0 once they have."""
    merge_wanted: Mapped[bool] = mapped_column(default=False)
    """Whether canonical outputs came since the newest product."""


class ProductRow(Base):
    """One version of a campaign's merged product."""

    __tablename__ = "product"

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    version: Mapped[int]
    create_time: Mapped[float]
    n_unit: Mapped[int]
    n_draw: Mapped[int]
    converged: Mapped[bool]
    doubted: Mapped[int] = mapped_column(default=0)
    """Units in it whose outputs were withdrawn since; they are computed again."""
    digest: Mapped[str] = mapped_column(String(64))
    """Content digest of the merged draws."""
    summary: Mapped[dict[str, Any]] = mapped_column(JsonType)
    """summary.json, for pages."""

    __table_args__ = (UniqueConstraint("campaign_id", "version"),)

    @property
    def sampled(self) -> bool:
        """Whether it meets the stop rule; an image, which has no verdict, if it is complete."""
        verdict = self.summary.get("verdict")
        return verdict["sampled"] is True if isinstance(verdict, dict) else self.converged
