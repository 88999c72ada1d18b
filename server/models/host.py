"""Volunteers' computers, and how each fares with each app version."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from server.models.base import Base


class Host(Base):
    """One BOINC client's data directory."""

    __tablename__ = "host"

    id: Mapped[int] = mapped_column(primary_key=True)
    userid: Mapped[int] = mapped_column(ForeignKey("user.id"))
    create_time: Mapped[float]
    rpc_seqno: Mapped[int] = mapped_column(default=0)
    rpc_time: Mapped[float] = mapped_column(default=0.0)
    """Last contact."""
    host_cpid: Mapped[str] = mapped_column(String(254), default="")
    domain_name: Mapped[str] = mapped_column(String(254), default="")
    last_ip_addr: Mapped[str] = mapped_column(String(254), default="")
    timezone: Mapped[int] = mapped_column(default=0)
    p_ncpus: Mapped[int] = mapped_column(default=1)
    p_vendor: Mapped[str] = mapped_column(String(254), default="")
    p_model: Mapped[str] = mapped_column(String(254), default="")
    p_features: Mapped[str] = mapped_column(String(4096), default="")
    p_fpops: Mapped[float] = mapped_column(default=0.0)
    p_iops: Mapped[float] = mapped_column(default=0.0)
    m_nbytes: Mapped[float] = mapped_column(default=0.0)
    d_total: Mapped[float] = mapped_column(default=0.0)
    d_free: Mapped[float] = mapped_column(default=0.0)
    on_frac: Mapped[float] = mapped_column(default=0.0)
    """Part of the time that it is on (``time_stats``); 0 if it has not told yet."""
    active_frac: Mapped[float] = mapped_column(default=0.0)
    """Part of that time that BOINC may compute; 0 if it has not told yet."""
    os_name: Mapped[str] = mapped_column(String(254), default="")
    os_version: Mapped[str] = mapped_column(String(254), default="")
    platform_name: Mapped[str] = mapped_column(String(254), default="")
    client_version: Mapped[str] = mapped_column(String(64), default="")
    venue: Mapped[str] = mapped_column(String(254), default="")
    total_credit: Mapped[float] = mapped_column(default=0.0)
    expavg_credit: Mapped[float] = mapped_column(default=0.0)
    expavg_time: Mapped[float] = mapped_column(default=0.0)

    __table_args__ = (Index(None, "userid"), Index(None, "host_cpid"))


class HostAppVersion(Base):
    """A host's record with one app version (``host_app_version``)."""

    __tablename__ = "host_app_version"

    host_id: Mapped[int] = mapped_column(ForeignKey("host.id"), primary_key=True)
    app_version_id: Mapped[int] = mapped_column(ForeignKey("app_version.id"), primary_key=True)
    max_jobs_per_day: Mapped[int] = mapped_column(default=0)
    """0 means the project's daily quota."""
    n_jobs_today: Mapped[int] = mapped_column(default=0)
    quota_day: Mapped[int] = mapped_column(BigInteger, default=0)
    """Days since the epoch that `n_jobs_today` counts."""
    consecutive_valid: Mapped[int] = mapped_column(default=0)
    n_valid: Mapped[int] = mapped_column(default=0)
    n_invalid: Mapped[int] = mapped_column(default=0)
    n_error: Mapped[int] = mapped_column(default=0)
    turnaround_mean: Mapped[float] = mapped_column(default=0.0)
    n_audited: Mapped[int] = mapped_column(default=0)
    n_audit_failed: Mapped[int] = mapped_column(default=0)
    streak_lost: Mapped[int] = mapped_column(default=0)
    """`consecutive_valid` before its latest loss."""
    notice: Mapped[bool] = mapped_column(default=False)
    """Whether the owner is still to be told of a failed audit."""
    reopen: Mapped[bool] = mapped_column(default=False)
    """Whether what the host alone computed is still to be opened again."""
    looks: Mapped[int] = mapped_column(default=0)
    """How many of its results that others confirmed are still to be audited once more."""

    __table_args__ = (
        Index(
            "ix_host_app_version_reopen",
            "host_id",
            sqlite_where=text("reopen = 1"),
            postgresql_where=text("reopen"),
        ),
        Index(
            "ix_host_app_version_looks",
            "host_id",
            sqlite_where=text("looks > 0"),
            postgresql_where=text("looks > 0"),
        ),
    )
