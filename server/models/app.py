"""Applications, their signed versions, and the files of each version."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from server.models.base import Base


class App(Base):
    """One application."""

    __tablename__ = "app"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(254), unique=True)
    user_friendly_name: Mapped[str] = mapped_column(String(254))
    create_time: Mapped[float]
    deprecated: Mapped[bool] = mapped_column(default=False)
    homogeneous_redundancy: Mapped[int] = mapped_column(default=0)
    """Which hosts are alike enough for results of one workunit: 0 all, 1 fine, 2 coarse classes."""
    homogeneous_app_version: Mapped[bool] = mapped_column(default=False)
    """Whether all results of a workunit must come from one app version."""


class AppVersion(Base):
    """One signed version of an application for one platform."""

    __tablename__ = "app_version"

    id: Mapped[int] = mapped_column(primary_key=True)
    appid: Mapped[int] = mapped_column(ForeignKey("app.id"))
    version_num: Mapped[int]
    """100 * major + minor."""
    platform: Mapped[str] = mapped_column(String(254))
    plan_class: Mapped[str] = mapped_column(String(63), default="")
    api_version: Mapped[str] = mapped_column(String(15), default="7.5.0")
    flops: Mapped[float] = mapped_column(default=0.0)
    """Estimated speed in FLOP/s; 0 means: use the host's benchmark."""
    create_time: Mapped[float]
    deprecated: Mapped[bool] = mapped_column(default=False)

    files: Mapped[list[AppVersionFile]] = relationship(order_by="AppVersionFile.id")
    app: Mapped[App] = relationship()

    __table_args__ = (UniqueConstraint("appid", "platform", "version_num", "plan_class"),)


class AppVersionFile(Base):
    """One file of an app version, with its code signature."""

    __tablename__ = "app_version_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    app_version_id: Mapped[int] = mapped_column(ForeignKey("app_version.id"))
    name: Mapped[str] = mapped_column(String(254), unique=True)
    """Physical name; never reused for other bytes."""
    open_name: Mapped[str] = mapped_column(String(254), default="")
    """Logical name in the slot; empty for the main program."""
    main_program: Mapped[bool] = mapped_column(default=False)
    executable: Mapped[bool] = mapped_column(default=False)
    nbytes: Mapped[int] = mapped_column(BigInteger)
    md5: Mapped[str] = mapped_column(String(32))
    sha256: Mapped[str] = mapped_column(String(64))
    signature: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index(None, "app_version_id"),)
