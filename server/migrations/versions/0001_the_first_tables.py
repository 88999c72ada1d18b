"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "app",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=254), nullable=False),
        sa.Column("user_friendly_name", sa.String(length=254), nullable=False),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.Column("deprecated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app")),
        sa.UniqueConstraint("name", name=op.f("uq_app_name")),
    )
    op.create_table(
        "daemon_status",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("hostname", sa.String(length=254), nullable=False),
        sa.Column("start_time", sa.Double(), nullable=False),
        sa.Column("last_pass", sa.Double(), nullable=False),
        sa.Column("n_passes", sa.Integer(), nullable=False),
        sa.Column("n_done", sa.Integer(), nullable=False),
        sa.Column("n_errors", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_daemon_status")),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.Column("workunitid", sa.Integer(), nullable=True),
        sa.Column("resultid", sa.Integer(), nullable=True),
        sa.Column("hostid", sa.Integer(), nullable=True),
        sa.Column("before", sa.String(length=254), nullable=False),
        sa.Column("after", sa.String(length=254), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "data",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index("ix_event_campaign", "event", ["campaign_id", "id"], unique=False)
    op.create_index("ix_event_workunit", "event", ["workunitid", "id"], unique=False)
    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.Column("name", sa.String(length=254), nullable=False),
        sa.Column("email_addr", sa.String(length=254), nullable=False),
        sa.Column("passwd_hash", sa.Text(), nullable=False),
        sa.Column("authenticator", sa.String(length=32), nullable=False),
        sa.Column("cross_project_id", sa.String(length=32), nullable=False),
        sa.Column("country", sa.String(length=254), nullable=False),
        sa.Column("venue", sa.String(length=254), nullable=False),
        sa.Column("total_credit", sa.Double(), nullable=False),
        sa.Column("expavg_credit", sa.Double(), nullable=False),
        sa.Column("expavg_time", sa.Double(), nullable=False),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("authenticator", name=op.f("uq_user_authenticator")),
        sa.UniqueConstraint("email_addr", name=op.f("uq_user_email_addr")),
    )
    op.create_table(
        "app_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("appid", sa.Integer(), nullable=False),
        sa.Column("version_num", sa.Integer(), nullable=False),
        sa.Column("platform", sa.String(length=254), nullable=False),
        sa.Column("plan_class", sa.String(length=63), nullable=False),
        sa.Column("api_version", sa.String(length=15), nullable=False),
        sa.Column("flops", sa.Double(), nullable=False),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.Column("deprecated", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["appid"], ["app.id"], name=op.f("fk_app_version_appid_app")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_version")),
        sa.UniqueConstraint(
            "appid",
            "platform",
            "version_num",
            "plan_class",
            name=op.f("uq_app_version_appid_platform_version_num_plan_class"),
        ),
    )
    op.create_table(
        "campaign",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=254), nullable=False),
        sa.Column("title", sa.String(length=254), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("appid", sa.Integer(), nullable=False),
        sa.Column("userid", sa.Integer(), nullable=True),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.Column("end_time", sa.Double(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("end_reason", sa.Text(), nullable=False),
        sa.Column("definition", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("next_generation", sa.Integer(), nullable=False),
        sa.Column("merge_wanted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["appid"], ["app.id"], name=op.f("fk_campaign_appid_app")),
        sa.ForeignKeyConstraint(["userid"], ["user.id"], name=op.f("fk_campaign_userid_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
        sa.UniqueConstraint("name", name=op.f("uq_campaign_name")),
    )
    op.create_table(
        "host",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("userid", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.Column("rpc_seqno", sa.Integer(), nullable=False),
        sa.Column("rpc_time", sa.Double(), nullable=False),
        sa.Column("host_cpid", sa.String(length=254), nullable=False),
        sa.Column("domain_name", sa.String(length=254), nullable=False),
        sa.Column("last_ip_addr", sa.String(length=254), nullable=False),
        sa.Column("timezone", sa.Integer(), nullable=False),
        sa.Column("p_ncpus", sa.Integer(), nullable=False),
        sa.Column("p_vendor", sa.String(length=254), nullable=False),
        sa.Column("p_model", sa.String(length=254), nullable=False),
        sa.Column("p_features", sa.String(length=4096), nullable=False),
        sa.Column("p_fpops", sa.Double(), nullable=False),
        sa.Column("p_iops", sa.Double(), nullable=False),
        sa.Column("m_nbytes", sa.Double(), nullable=False),
        sa.Column("d_total", sa.Double(), nullable=False),
        sa.Column("d_free", sa.Double(), nullable=False),
        sa.Column("os_name", sa.String(length=254), nullable=False),
        sa.Column("os_version", sa.String(length=254), nullable=False),
        sa.Column("platform_name", sa.String(length=254), nullable=False),
        sa.Column("client_version", sa.String(length=64), nullable=False),
        sa.Column("venue", sa.String(length=254), nullable=False),
        sa.Column("total_credit", sa.Double(), nullable=False),
        sa.Column("expavg_credit", sa.Double(), nullable=False),
        sa.Column("expavg_time", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["userid"], ["user.id"], name=op.f("fk_host_userid_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host")),
    )
    op.create_index(op.f("ix_host_host_cpid"), "host", ["host_cpid"], unique=False)
    op.create_index(op.f("ix_host_userid"), "host", ["userid"], unique=False)
    op.create_table(
        "app_version_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("app_version_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=254), nullable=False),
        sa.Column("open_name", sa.String(length=254), nullable=False),
        sa.Column("main_program", sa.Boolean(), nullable=False),
        sa.Column("executable", sa.Boolean(), nullable=False),
        sa.Column("nbytes", sa.BigInteger(), nullable=False),
        sa.Column("md5", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_version_id"],
            ["app_version.id"],
            name=op.f("fk_app_version_file_app_version_id_app_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_version_file")),
        sa.UniqueConstraint("name", name=op.f("uq_app_version_file_name")),
    )
    op.create_index(
        op.f("ix_app_version_file_app_version_id"),
        "app_version_file",
        ["app_version_id"],
        unique=False,
    )
    op.create_table(
        "host_app_version",
        sa.Column("host_id", sa.Integer(), nullable=False),
        sa.Column("app_version_id", sa.Integer(), nullable=False),
        sa.Column("max_jobs_per_day", sa.Integer(), nullable=False),
        sa.Column("n_jobs_today", sa.Integer(), nullable=False),
        sa.Column("quota_day", sa.BigInteger(), nullable=False),
        sa.Column("consecutive_valid", sa.Integer(), nullable=False),
        sa.Column("n_valid", sa.Integer(), nullable=False),
        sa.Column("n_invalid", sa.Integer(), nullable=False),
        sa.Column("n_error", sa.Integer(), nullable=False),
        sa.Column("turnaround_mean", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_version_id"],
            ["app_version.id"],
            name=op.f("fk_host_app_version_app_version_id_app_version"),
        ),
        sa.ForeignKeyConstraint(
            ["host_id"], ["host.id"], name=op.f("fk_host_app_version_host_id_host")
        ),
        sa.PrimaryKeyConstraint("host_id", "app_version_id", name=op.f("pk_host_app_version")),
    )
    op.create_table(
        "product",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.Column("n_unit", sa.Integer(), nullable=False),
        sa.Column("n_draw", sa.Integer(), nullable=False),
        sa.Column("converged", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column(
            "summary",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_product_campaign_id_campaign")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("campaign_id", "version", name=op.f("uq_product_campaign_id_version")),
    )
    op.create_table(
        "workunit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=254), nullable=False),
        sa.Column("appid", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("unit_index", sa.Integer(), nullable=False),
        sa.Column("unit_digest", sa.String(length=64), nullable=False),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("min_app_version", sa.Integer(), nullable=False),
        sa.Column("rsc_fpops_est", sa.Double(), nullable=False),
        sa.Column("rsc_fpops_bound", sa.Double(), nullable=False),
        sa.Column("rsc_memory_bound", sa.Double(), nullable=False),
        sa.Column("rsc_disk_bound", sa.Double(), nullable=False),
        sa.Column("max_nbytes", sa.BigInteger(), nullable=False),
        sa.Column("output_open_name", sa.String(length=254), nullable=False),
        sa.Column("delay_bound", sa.Double(), nullable=False),
        sa.Column("min_quorum", sa.Integer(), nullable=False),
        sa.Column("target_nresults", sa.Integer(), nullable=False),
        sa.Column("max_error_results", sa.Integer(), nullable=False),
        sa.Column("max_total_results", sa.Integer(), nullable=False),
        sa.Column("max_success_results", sa.Integer(), nullable=False),
        sa.Column("error_mask", sa.Integer(), nullable=False),
        sa.Column("need_validate", sa.Boolean(), nullable=False),
        sa.Column("validate_after", sa.Double(), nullable=False),
        sa.Column("canonical_resultid", sa.Integer(), nullable=True),
        sa.Column("canonical_credit", sa.Double(), nullable=False),
        sa.Column("assimilate_state", sa.Integer(), nullable=False),
        sa.Column("assimilate_time", sa.Double(), nullable=False),
        sa.Column("file_delete_state", sa.Integer(), nullable=False),
        sa.Column("transition_time", sa.Double(), nullable=False),
        sa.Column("hr_class", sa.Integer(), nullable=False),
        sa.Column("app_version_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["appid"], ["app.id"], name=op.f("fk_workunit_appid_app")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_workunit_campaign_id_campaign")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workunit")),
        sa.UniqueConstraint("name", name=op.f("uq_workunit_name")),
    )
    op.create_index(
        "ix_workunit_assimilate_state", "workunit", ["assimilate_state", "id"], unique=False
    )
    op.create_index(
        "ix_workunit_campaign", "workunit", ["campaign_id", "generation", "unit_index"], unique=True
    )
    op.create_index(
        "ix_workunit_file_delete_state", "workunit", ["file_delete_state", "id"], unique=False
    )
    op.create_index(
        "ix_workunit_need_validate",
        "workunit",
        ["validate_after"],
        unique=False,
        sqlite_where=sa.text("need_validate = 1"),
        postgresql_where=sa.text("need_validate"),
    )
    op.create_index("ix_workunit_transition_time", "workunit", ["transition_time"], unique=False)
    op.create_table(
        "result",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=254), nullable=False),
        sa.Column("workunitid", sa.Integer(), nullable=False),
        sa.Column("appid", sa.Integer(), nullable=False),
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("server_state", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Integer(), nullable=False),
        sa.Column("client_state", sa.Integer(), nullable=False),
        sa.Column("validate_state", sa.Integer(), nullable=False),
        sa.Column("validate_reason", sa.Text(), nullable=False),
        sa.Column("file_delete_state", sa.Integer(), nullable=False),
        sa.Column("hostid", sa.Integer(), nullable=True),
        sa.Column("userid", sa.Integer(), nullable=True),
        sa.Column("app_version_id", sa.Integer(), nullable=True),
        sa.Column("sent_time", sa.Double(), nullable=True),
        sa.Column("report_deadline", sa.Double(), nullable=True),
        sa.Column("received_time", sa.Double(), nullable=True),
        sa.Column("exit_status", sa.BigInteger(), nullable=False),
        sa.Column("cpu_time", sa.Double(), nullable=False),
        sa.Column("elapsed_time", sa.Double(), nullable=False),
        sa.Column("peak_working_set_size", sa.Double(), nullable=False),
        sa.Column("stderr_out", sa.Text(), nullable=False),
        sa.Column("granted_credit", sa.Double(), nullable=False),
        sa.Column("output_name", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_version_id"],
            ["app_version.id"],
            name=op.f("fk_result_app_version_id_app_version"),
        ),
        sa.ForeignKeyConstraint(["appid"], ["app.id"], name=op.f("fk_result_appid_app")),
        sa.ForeignKeyConstraint(["hostid"], ["host.id"], name=op.f("fk_result_hostid_host")),
        sa.ForeignKeyConstraint(["userid"], ["user.id"], name=op.f("fk_result_userid_user")),
        sa.ForeignKeyConstraint(
            ["workunitid"], ["workunit.id"], name=op.f("fk_result_workunitid_workunit")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_result")),
        sa.UniqueConstraint("name", name=op.f("uq_result_name")),
        sa.UniqueConstraint("output_name", name=op.f("uq_result_output_name")),
    )
    op.create_index(
        "ix_result_file_delete_state", "result", ["file_delete_state", "id"], unique=False
    )
    op.create_index("ix_result_host_state", "result", ["hostid", "server_state"], unique=False)
    op.create_index(
        "ix_result_state_deadline", "result", ["server_state", "report_deadline"], unique=False
    )
    op.create_index(
        "ix_result_unsent",
        "result",
        ["priority", "id"],
        unique=False,
        sqlite_where=sa.text("server_state = 2"),
        postgresql_where=sa.text("server_state = 2"),
    )
    op.create_index("ix_result_user", "result", ["userid", "id"], unique=False)
    op.create_index(op.f("ix_result_workunitid"), "result", ["workunitid"], unique=False)
    op.create_table(
        "workunit_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("workunitid", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=254), nullable=False),
        sa.Column("open_name", sa.String(length=254), nullable=False),
        sa.Column("nbytes", sa.BigInteger(), nullable=False),
        sa.Column("md5", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["workunitid"], ["workunit.id"], name=op.f("fk_workunit_file_workunitid_workunit")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workunit_file")),
        sa.UniqueConstraint(
            "workunitid", "open_name", name=op.f("uq_workunit_file_workunitid_open_name")
        ),
    )
    op.create_index(op.f("ix_workunit_file_name"), "workunit_file", ["name"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_workunit_file_name"), table_name="workunit_file")
    op.drop_table("workunit_file")
    op.drop_index(op.f("ix_result_workunitid"), table_name="result")
    op.drop_index("ix_result_user", table_name="result")
    op.drop_index(
        "ix_result_unsent",
        table_name="result",
        sqlite_where=sa.text("server_state = 2"),
        postgresql_where=sa.text("server_state = 2"),
    )
    op.drop_index("ix_result_state_deadline", table_name="result")
    op.drop_index("ix_result_host_state", table_name="result")
    op.drop_index("ix_result_file_delete_state", table_name="result")
    op.drop_table("result")
    op.drop_index("ix_workunit_transition_time", table_name="workunit")
    op.drop_index(
        "ix_workunit_need_validate",
        table_name="workunit",
        sqlite_where=sa.text("need_validate = 1"),
        postgresql_where=sa.text("need_validate"),
    )
    op.drop_index("ix_workunit_file_delete_state", table_name="workunit")
    op.drop_index("ix_workunit_campaign", table_name="workunit")
    op.drop_index("ix_workunit_assimilate_state", table_name="workunit")
    op.drop_table("workunit")
    op.drop_table("product")
    op.drop_table("host_app_version")
    op.drop_index(op.f("ix_app_version_file_app_version_id"), table_name="app_version_file")
    op.drop_table("app_version_file")
    op.drop_index(op.f("ix_host_userid"), table_name="host")
    op.drop_index(op.f("ix_host_host_cpid"), table_name="host")
    op.drop_table("host")
    op.drop_table("campaign")
    op.drop_table("app_version")
    op.drop_table("user")
    op.drop_index("ix_event_workunit", table_name="event")
    op.drop_index("ix_event_campaign", table_name="event")
    op.drop_table("event")
    op.drop_table("daemon_status")
    op.drop_table("app")
