"""The append-only record of every state change."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from server.models.base import Base, JsonType


class Event(Base):
    """One state change: who changed what, from what, to what, and why. Never updated."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[float]
    actor: Mapped[str] = mapped_column(String(64))
    """``scheduler``, ``transitioner``, ``validator``, ``admin``, ..."""
    kind: Mapped[str] = mapped_column(String(64))
    campaign_id: Mapped[int | None]
    workunitid: Mapped[int | None]
    resultid: Mapped[int | None]
    hostid: Mapped[int | None]
    before: Mapped[str] = mapped_column(String(254), default="")
    after: Mapped[str] = mapped_column(String(254), default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    data: Mapped[dict[str, Any] | None] = mapped_column(JsonType)

    __table_args__ = (
        Index("ix_event_workunit", "workunitid", "id"),
        Index("ix_event_campaign", "campaign_id", "id"),
    )
