"""Write what a stock BOINC project needs to run our apps: versions, templates, jobs, entries.

The stock server keeps the states, sends the work and grants the credit; our programs check, compare
and merge. See docs/admin/stock-server.md for what to do with the directory.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from sqlalchemy import select
from sqlalchemy.orm import Session

from boinc_project.campaign import PREPARATION
from boinc_project.errors import InputError, StateError
from server.models import App, AppVersion, CampaignRow, Workunit
from server.project import Project
from server.stock.layout import CAMPAIGN_FILE, Layout

AUDIT_SECONDS = 20
"""CPU seconds of an audit: about 1 % of a unit of half an hour."""

PROGRAMS = {
    "check": f"check --audit-seconds {AUDIT_SECONDS}",
    "compare": "compare",
    "assimilate": "assimilate",
}
"""Programs of ``bin/``, and the arguments of `server.stock.programs` that each stands for."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    app_versions: int
    campaigns: int
    workunits: int


def export(project: Project, directory: Path, names: Sequence[str] = ()) -> Exported:
    """Write apps, templates, programs and entries, and the units of campaigns.

    Parameters
    ----------
    directory : Path
        Empty, or an earlier export, which is completed.
    names : Sequence[str]
        Campaigns whose units are wanted; none: all that are in the project.

    Raises
    ------
    InputError
        If there is no campaign of a name, or the directory cannot be written.
    """
    layout = Layout(directory)
    try:
        with project.database.read() as session:
            chosen = _campaigns(session, names)
            versions = _versions(session)
            for one in versions:
                _app_version(project, layout, one)
            units = [_campaign(project, session, layout, row) for row in chosen]
            apps = session.scalars(select(App).order_by(App.id)).all()
            _entries(project, session, layout, apps)
        _programs(layout)
    except OSError as error:
        raise InputError(f"{directory} cannot be written: {error}.", path=directory) from error
    return Exported(len(versions), len(chosen), sum(units))


def _campaigns(session: Session, names: Sequence[str]) -> list[CampaignRow]:
    rows = {row.name: row for row in session.scalars(select(CampaignRow).order_by(CampaignRow.id))}
    for name in names:
        if name not in rows:
            raise InputError(f"There is no campaign {name}: see `openastro campaign list`.")
    return [rows[name] for name in names] if names else list(rows.values())


def _versions(session: Session) -> Sequence[AppVersion]:
    return session.scalars(
        select(AppVersion).where(AppVersion.deprecated.is_(False)).order_by(AppVersion.id)
    ).all()


def _app_version(project: Project, layout: Layout, version: AppVersion) -> None:
    """Write ``apps/APP/VERSION/PLATFORM`` with files, signatures and ``version.xml``."""
    number = f"{version.version_num // 100}.{version.version_num % 100}"
    platform = version.platform + (f"__{version.plan_class}" if version.plan_class else "")
    directory = layout.root / "apps" / version.app.name / number / platform
    directory.mkdir(parents=True, exist_ok=True)
    lines = ["<version>"]
    for file in version.files:
        target = directory / file.name
        shutil.copyfile(project.downloads.root / file.name, target)
        target.chmod(0o755 if file.executable else 0o644)
        (directory / f"{file.name}.sig").write_text(file.signature)
        lines += ["    <file>", f"        <physical_name>{escape(file.name)}</physical_name>"]
        if file.open_name:
            lines.append(f"        <logical_name>{escape(file.open_name)}</logical_name>")
        if file.main_program:
            lines.append("        <main_program/>")
        lines.append("    </file>")
    # Without it a stock server looks for the version in the program, which has none to find.
    lines += [f"    <api_version>{escape(version.api_version)}</api_version>", "</version>", ""]
    (directory / "version.xml").write_text("\n".join(lines))


def _campaign(project: Project, session: Session, layout: Layout, row: CampaignRow) -> int:
    """Write templates, jobs and sealed units of a campaign; returns how many units."""
    units = session.scalars(
        select(Workunit).where(Workunit.campaign_id == row.id).order_by(Workunit.id)
    ).all()
    if not units:
        return 0
    if row.next_generation == 0 and any(unit.unit_index == PREPARATION for unit in units):
        raise StateError(
            f"The campaign {row.name} is being prepared: export it when its chains are issued, or "
            "issue it with --here.",
            name=row.name,
        )
    for path in (layout.templates, layout.jobs, layout.stage, layout.campaign(row.name)):
        path.mkdir(parents=True, exist_ok=True)
    (layout.campaign(row.name) / CAMPAIGN_FILE).write_bytes(row.definition)
    names = "".join(f"{unit.name}\n" for unit in units)
    (layout.campaign(row.name) / "workunits").write_text(names)
    first = units[0]
    (layout.templates / f"{row.name}_in").write_text(_input_template(first))
    (layout.templates / f"{row.name}_out").write_text(_output_template(first))
    (layout.jobs / row.name).write_text("".join(_job(project, layout, unit) for unit in units))
    return len(units)


def _job(project: Project, layout: Layout, unit: Workunit) -> str:
    """Seal a unit for the programs, stage its files, and return its line for ``create_work``."""
    sealed = layout.unit_directory(unit.name)
    sealed.mkdir(parents=True, exist_ok=True)
    for file in unit.files:
        source = project.downloads.path(file.name)
        shutil.copyfile(source, sealed / file.open_name)
        shutil.copyfile(source, layout.stage / file.name)
    names = [file.name for file in unit.files]
    options = f"--wu_name {unit.name} --rsc_fpops_est {unit.rsc_fpops_est:.0f} "
    options += f"--rsc_fpops_bound {unit.rsc_fpops_bound:.0f}"
    return f"{options} {' '.join(names)}\n"


def _input_template(unit: Workunit) -> str:
    lines = ["<input_template>"]
    for number in range(len(unit.files)):
        lines += ["    <file_info>", f"        <number>{number}</number>", "    </file_info>"]
    lines.append("    <workunit>")
    for number, file in enumerate(unit.files):
        lines += [
            "        <file_ref>",
            f"            <file_number>{number}</file_number>",
            f"            <open_name>{escape(file.open_name)}</open_name>",
            "        </file_ref>",
        ]
    quorum = max(unit.min_quorum, unit.full_quorum)
    limits = {
        "rsc_memory_bound": f"{unit.rsc_memory_bound:.0f}",
        "rsc_disk_bound": f"{unit.rsc_disk_bound:.0f}",
        "delay_bound": f"{unit.delay_bound:.0f}",
        "min_quorum": quorum,
        "target_nresults": max(quorum, unit.target_nresults),
        "max_error_results": unit.max_error_results,
        "max_total_results": unit.max_total_results,
        "max_success_results": unit.max_success_results,
    }
    lines += [f"        <{key}>{value}</{key}>" for key, value in limits.items()]
    return "\n".join([*lines, "    </workunit>", "</input_template>", ""])


def _output_template(unit: Workunit) -> str:
    # A newline directly after <file_info>: the certificate is inserted there.
    return f"""<output_template>
<file_info>
    <name><OUTFILE_0/></name>
    <generated_locally/>
    <upload_when_present/>
    <max_nbytes>{unit.max_nbytes}</max_nbytes>
    <url><UPLOAD_URL/></url>
</file_info>
<result>
    <file_ref>
        <file_name><OUTFILE_0/></file_name>
        <open_name>{escape(unit.output_open_name)}</open_name>
    </file_ref>
</result>
</output_template>
"""


def _entries(project: Project, session: Session, layout: Layout, apps: Sequence[App]) -> None:
    """Write ``config.xml`` and ``project.xml``: what is to be added to the project's own."""
    scheduler = project.settings.scheduler
    daemons = []
    for app in apps:
        daemons += [
            f'script_validator --app {app.name} --init_script "openastro_check files" '
            '--compare_script "openastro_compare files files2"',
            f'script_assimilator --app {app.name} --script "openastro_assimilate wu_name files"',
        ]
    shared = int(scheduler.one_result_per_user_per_wu)
    lines = [
        "<boinc>",
        "    <config>",
        f"        <one_result_per_user_per_wu>{shared}</one_result_per_user_per_wu>",
        f"        <daily_result_quota>{scheduler.daily_result_quota}</daily_result_quota>",
        "        <resend_lost_results>1</resend_lost_results>",
        "        <send_result_abort>1</send_result_abort>",
        "    </config>",
        "    <daemons>",
    ]
    for cmd in daemons:
        stem = "_".join(cmd.split()[0:3:2])
        lines += [
            "        <daemon>",
            f"            <cmd>{escape(cmd)}</cmd>",
            f"            <output>{stem}.log</output>",
            f"            <pid_file>{stem}.pid</pid_file>",
            "        </daemon>",
        ]
    (layout.root / "config.xml").write_text("\n".join([*lines, "    </daemons>", "</boinc>", ""]))
    platforms = session.scalars(select(AppVersion.platform).distinct()).all()
    lines = ["<boinc>"]
    for platform in sorted(platforms):
        lines += [
            "    <platform>",
            f"        <name>{escape(platform)}</name>",
            f"        <user_friendly_name>{escape(platform)}</user_friendly_name>",
            "    </platform>",
        ]
    for app in apps:
        lines += [
            "    <app>",
            f"        <name>{escape(app.name)}</name>",
            f"        <user_friendly_name>{escape(app.user_friendly_name)}</user_friendly_name>",
            f"        <homogeneous_redundancy>{app.homogeneous_redundancy}"
            "</homogeneous_redundancy>",
            f"        <homogeneous_app_version>{int(app.homogeneous_app_version)}"
            "</homogeneous_app_version>",
            "    </app>",
        ]
    (layout.root / "project.xml").write_text("\n".join([*lines, "</boinc>", ""]))


def _programs(layout: Layout) -> None:
    """Write the programs; each finds the exported directory beside it, or where it says so."""
    layout.bin.mkdir(parents=True, exist_ok=True)
    for name, arguments in PROGRAMS.items():
        path = layout.bin / f"openastro_{name}"
        path.write_text(
            "#!/bin/sh\n"
            "# OPENASTRO_EXPORT: where the exported directory is, if not one above this program.\n"
            'export_dir="${OPENASTRO_EXPORT:-$(dirname "$0")/..}"\n'
            f"exec {shlex.quote(sys.executable)} -m server.stock.programs "
            f'--root "$export_dir" {arguments} "$@"\n'
        )
        path.chmod(0o755)
