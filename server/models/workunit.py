"""Workunits and their input files."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from boinc_project.states import AssimilateState, ErrorMask, FileDeleteState
from server.models.base import Base, IntEnumType


class Workunit(Base):
    """One computation, done by several hosts."""

    __tablename__ = "workunit"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(254), unique=True)
    appid: Mapped[int] = mapped_column(ForeignKey("app.id"))
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    generation: Mapped[int] = mapped_column(default=0)
    unit_index: Mapped[int] = mapped_column(default=0)
    unit_digest: Mapped[str] = mapped_column(String(64))
    create_time: Mapped[float]
    priority: Mapped[int] = mapped_column(default=0)
    min_app_version: Mapped[int] = mapped_column(default=0)

    rsc_fpops_est: Mapped[float]
    rsc_fpops_bound: Mapped[float]
    rsc_memory_bound: Mapped[float]
    rsc_disk_bound: Mapped[float]
    max_nbytes: Mapped[int] = mapped_column(BigInteger)
    """Largest output accepted."""
    output_open_name: Mapped[str] = mapped_column(String(254), default="output.h5")

    delay_bound: Mapped[float]
    min_quorum: Mapped[int]
    target_nresults: Mapped[int]
    max_error_results: Mapped[int]
    max_total_results: Mapped[int]
    max_success_results: Mapped[int]
    full_quorum: Mapped[int] = mapped_column(default=0)
    """`min_quorum` once results need confirming by others; 0 if that does not change."""

    error_mask: Mapped[ErrorMask] = mapped_column(IntEnumType(ErrorMask), default=ErrorMask.NONE)
    need_validate: Mapped[bool] = mapped_column(default=False)
    validate_after: Mapped[float] = mapped_column(default=0.0)
    """When the validator should try again after a transient failure."""
    canonical_resultid: Mapped[int | None]
    canonical_credit: Mapped[float] = mapped_column(default=0.0)
    assimilate_state: Mapped[AssimilateState] = mapped_column(
        IntEnumType(AssimilateState), default=AssimilateState.INIT
    )
    assimilate_time: Mapped[float] = mapped_column(default=0.0)
    file_delete_state: Mapped[FileDeleteState] = mapped_column(
        IntEnumType(FileDeleteState), default=FileDeleteState.INIT
    )
    transition_time: Mapped[float] = mapped_column(default=0.0)
    """When the transitioner should look; `boinc_project.lifecycle.state.NEVER` if it need not."""
    hr_class: Mapped[int] = mapped_column(default=0)
    """Class of hosts that may have its results (homogeneous redundancy); 0: not fixed yet."""
    app_version_id: Mapped[int] = mapped_column(default=0)
    """The one app version of its results (homogeneous app version); 0: not fixed yet."""

    files: Mapped[list[WorkunitFile]] = relationship(order_by="WorkunitFile.id")

    __table_args__ = (
        Index("ix_workunit_transition_time", "transition_time"),
        Index(
            "ix_workunit_need_validate",
            "validate_after",
            sqlite_where=text("need_validate = 1"),
            postgresql_where=text("need_validate"),
        ),
        Index("ix_workunit_assimilate_state", "assimilate_state", "id"),
        Index("ix_workunit_file_delete_state", "file_delete_state", "id"),
        Index("ix_workunit_campaign", "campaign_id", "generation", "unit_index", unique=True),
    )


class WorkunitFile(Base):
    """One input file of a workunit; several workunits may share a physical file."""

    __tablename__ = "workunit_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    workunitid: Mapped[int] = mapped_column(ForeignKey("workunit.id"))
    name: Mapped[str] = mapped_column(String(254))
    """Physical name, content-bearing."""
    open_name: Mapped[str] = mapped_column(String(254))
    nbytes: Mapped[int] = mapped_column(BigInteger)
    md5: Mapped[str] = mapped_column(String(32))
    sha256: Mapped[str] = mapped_column(String(64))

    __table_args__ = (UniqueConstraint("workunitid", "open_name"), Index(None, "name"))
