"""Results: instances of workunits, each for one host. Pages call them tasks."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from boinc_project.states import (
    ClientState,
    FileDeleteState,
    Outcome,
    ServerState,
    ValidateState,
)
from server.models.base import Base, IntEnumType


class Result(Base):
    """One instance of a workunit."""

    __tablename__ = "result"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(254), unique=True)
    workunitid: Mapped[int] = mapped_column(ForeignKey("workunit.id"))
    appid: Mapped[int] = mapped_column(ForeignKey("app.id"))
    instance: Mapped[int]
    """The number behind the workunit's name."""
    create_time: Mapped[float]
    priority: Mapped[int] = mapped_column(default=0)

    server_state: Mapped[ServerState] = mapped_column(
        IntEnumType(ServerState), default=ServerState.UNSENT
    )
    outcome: Mapped[Outcome] = mapped_column(IntEnumType(Outcome), default=Outcome.INIT)
    client_state: Mapped[ClientState] = mapped_column(
        IntEnumType(ClientState), default=ClientState.NEW
    )
    validate_state: Mapped[ValidateState] = mapped_column(
        IntEnumType(ValidateState), default=ValidateState.INIT
    )
    validate_reason: Mapped[str] = mapped_column(Text, default="")
    """The validator's verdict in plain words."""
    file_delete_state: Mapped[FileDeleteState] = mapped_column(
        IntEnumType(FileDeleteState), default=FileDeleteState.INIT
    )

    hostid: Mapped[int | None] = mapped_column(ForeignKey("host.id"))
    userid: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    app_version_id: Mapped[int | None] = mapped_column(ForeignKey("app_version.id"))
    sent_time: Mapped[float | None]
    report_deadline: Mapped[float | None]
    """As told to the client; the grace period comes on top."""
    received_time: Mapped[float | None]
    exit_status: Mapped[int] = mapped_column(BigInteger, default=0)
    cpu_time: Mapped[float] = mapped_column(default=0.0)
    elapsed_time: Mapped[float] = mapped_column(default=0.0)
    peak_working_set_size: Mapped[float] = mapped_column(default=0.0)
    stderr_out: Mapped[str] = mapped_column(Text, default="")
    granted_credit: Mapped[float] = mapped_column(default=0.0)

    output_name: Mapped[str] = mapped_column(String(254), unique=True)
    """Physical name of the uploaded file, with a random part."""

    __table_args__ = (
        Index(None, "workunitid"),
        Index(
            "ix_result_unsent",
            "priority",
            "id",
            sqlite_where=text(f"server_state = {ServerState.UNSENT:d}"),
            postgresql_where=text(f"server_state = {ServerState.UNSENT:d}"),
        ),
        Index("ix_result_host_state", "hostid", "server_state"),
        Index("ix_result_user", "userid", "id"),
        Index("ix_result_file_delete_state", "file_delete_state", "id"),
        Index("ix_result_state_deadline", "server_state", "report_deadline"),
    )
