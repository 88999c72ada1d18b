"""Volunteers, admins and scientists."""

from __future__ import annotations

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from server.models.base import Base


class User(Base):
    """One account."""

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    create_time: Mapped[float]
    name: Mapped[str] = mapped_column(String(254))
    email_addr: Mapped[str] = mapped_column(String(254), unique=True)
    """Lower case."""
    passwd_hash: Mapped[str] = mapped_column(Text)
    """argon2 of the client's md5(password + e-mail)."""
    authenticator: Mapped[str] = mapped_column(String(32), unique=True)
    """The account key."""
    cross_project_id: Mapped[str] = mapped_column(String(32))
    country: Mapped[str] = mapped_column(String(254), default="")
    venue: Mapped[str] = mapped_column(String(254), default="")
    total_credit: Mapped[float] = mapped_column(default=0.0)
    expavg_credit: Mapped[float] = mapped_column(default=0.0)
    expavg_time: Mapped[float] = mapped_column(default=0.0)
    is_admin: Mapped[bool] = mapped_column(default=False)
