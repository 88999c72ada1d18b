"""What each daemon last did, for the status page."""

from __future__ import annotations

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from server.models.base import Base


class DaemonStatus(Base):
    """One daemon's heartbeat."""

    __tablename__ = "daemon_status"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    pid: Mapped[int]
    hostname: Mapped[str] = mapped_column(String(254), default="")
    start_time: Mapped[float]
    last_pass: Mapped[float]
    n_passes: Mapped[int] = mapped_column(default=0)
    n_done: Mapped[int] = mapped_column(default=0)
    n_errors: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
