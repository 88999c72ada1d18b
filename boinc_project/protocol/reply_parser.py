"""Reading of scheduler replies, for the small client and for round-trip tests."""

from __future__ import annotations

import re

from boinc_project.errors import MalformedRequest
from boinc_project.protocol.reply import (
    Account,
    AppInfo,
    AppVersionInfo,
    DownloadFile,
    FileRef,
    GuiUrl,
    Message,
    OutputFile,
    ResultInfo,
    SchedulerReply,
    WorkunitInfo,
)
from boinc_project.protocol.scanner import (
    decimal,
    decimal_or,
    elements,
    first_elements,
    flag,
    integer,
    integer_or,
    plain,
)

_PRIORITY = re.compile(r'<message priority="([a-z]{1,10})">')


def parse_scheduler_reply(body: bytes) -> SchedulerReply:
    """Read a scheduler's reply.

    Raises
    ------
    MalformedRequest
        If the frame is missing or cut, or an element cannot be read.
    """
    text = body.decode("latin-1")
    start, end = text.find("<scheduler_reply>"), text.rfind("</scheduler_reply>")
    if start < 0 or end < 0:
        raise MalformedRequest("The body is not a whole scheduler reply.")
    text = text[start + len("<scheduler_reply>") : end]
    groups: dict[str, list[str]] = {}
    for name, inner in elements(text):
        groups.setdefault(name, []).append(inner)
    first = {name: inners[0] for name, inners in groups.items()}
    priorities = _PRIORITY.findall(text)
    messages = groups.get("message", [])
    return SchedulerReply(
        master_url=plain(first.get("master_url", "")),
        project_name=plain(first.get("project_name", "")),
        request_delay=decimal_or(first.get("request_delay"), 0.0),
        messages=tuple(
            Message(plain(raw, limit=1023), priority)
            for raw, priority in zip(messages, priorities, strict=True)
        ),
        account=_account(first) if "userid" in first else None,
        hostid=integer(first["hostid"], "hostid") if "hostid" in first else None,
        code_sign_key=first.get("code_sign_key", "").strip(),
        code_sign_key_signature=first.get("code_sign_key_signature", "").strip(),
        apps=tuple(_app(raw) for raw in groups.get("app", [])),
        files=tuple(_file(raw) for raw in groups.get("file_info", [])),
        app_versions=tuple(_app_version(raw) for raw in groups.get("app_version", [])),
        workunits=tuple(_workunit(raw) for raw in groups.get("workunit", [])),
        results=tuple(_result(raw) for raw in groups.get("result", [])),
        result_acks=_names(groups, "result_ack"),
        result_aborts=_names(groups, "result_abort"),
        result_aborts_if_not_started=_names(groups, "result_abort_if_not_started"),
        message_ack=flag(first.get("message_ack")),
        gui_urls=tuple(
            _gui_url(raw) for name, raw in elements(first.get("gui_urls", "")) if name == "gui_url"
        ),
        next_rpc_delay=(
            decimal(first["next_rpc_delay"], "next_rpc_delay")
            if "next_rpc_delay" in first
            else None
        ),
        project_is_down=flag(first.get("project_is_down")),
    )


def _names(groups: dict[str, list[str]], kind: str) -> tuple[str, ...]:
    return tuple(plain(first_elements(raw).get("name", "")) for raw in groups.get(kind, []))


def _account(first: dict[str, str]) -> Account:
    return Account(
        userid=integer(first["userid"], "userid"),
        user_name=plain(first.get("user_name", "")),
        user_create_time=integer_or(first.get("user_create_time"), 0),
        user_total_credit=decimal_or(first.get("user_total_credit"), 0.0),
        user_expavg_credit=decimal_or(first.get("user_expavg_credit"), 0.0),
        host_total_credit=decimal_or(first.get("host_total_credit"), 0.0),
        host_expavg_credit=decimal_or(first.get("host_expavg_credit"), 0.0),
        host_venue=plain(first.get("host_venue", "")),
        host_create_time=integer_or(first.get("host_create_time"), 0),
        email_hash=plain(first.get("email_hash", "")),
        cross_project_id=plain(first.get("cross_project_id", "")),
        external_cpid=plain(first.get("external_cpid", "")),
    )


def _app(raw: str) -> AppInfo:
    found = first_elements(raw)
    return AppInfo(plain(found["name"]), plain(found.get("user_friendly_name", "")))


def _file(raw: str) -> DownloadFile | OutputFile:
    found = first_elements(raw)
    name, url = plain(found.get("name", "")), plain(found.get("url", ""), limit=1023)
    if "max_nbytes" in found:
        return OutputFile(
            name=name,
            max_nbytes=integer(found["max_nbytes"], "max_nbytes"),
            url=url,
            certificate=found.get("xml_signature", "").strip(),
        )
    return DownloadFile(
        name=name,
        url=url,
        nbytes=integer(found.get("nbytes", ""), "nbytes"),
        md5=plain(found.get("md5_cksum", "")),
        signature=found.get("file_signature", "").strip(),
        executable=flag(found.get("executable")),
    )


def _file_refs(raw: str) -> tuple[FileRef, ...]:
    refs = []
    for name, inner in elements(raw):
        if name == "file_ref":
            found = first_elements(inner)
            refs.append(
                FileRef(
                    file_name=plain(found.get("file_name", "")),
                    open_name=plain(found.get("open_name", "")),
                    main_program=flag(found.get("main_program")),
                    copy_file=flag(found.get("copy_file")),
                )
            )
    return tuple(refs)


def _app_version(raw: str) -> AppVersionInfo:
    found = first_elements(raw)
    return AppVersionInfo(
        app_name=plain(found.get("app_name", "")),
        version_num=integer(found.get("version_num", ""), "version_num"),
        platform=plain(found.get("platform", "")),
        flops=decimal_or(found.get("flops"), 0.0),
        files=_file_refs(raw),
        plan_class=plain(found.get("plan_class", "")),
        api_version=plain(found.get("api_version", "")),
        avg_ncpus=decimal_or(found.get("avg_ncpus"), 1.0),
    )


def _workunit(raw: str) -> WorkunitInfo:
    found = first_elements(raw)
    return WorkunitInfo(
        name=plain(found.get("name", "")),
        app_name=plain(found.get("app_name", "")),
        rsc_fpops_est=decimal_or(found.get("rsc_fpops_est"), 0.0),
        rsc_fpops_bound=decimal_or(found.get("rsc_fpops_bound"), 0.0),
        rsc_memory_bound=decimal_or(found.get("rsc_memory_bound"), 0.0),
        rsc_disk_bound=decimal_or(found.get("rsc_disk_bound"), 0.0),
        files=_file_refs(raw),
        command_line=plain(found.get("command_line", ""), limit=4096),
    )


def _result(raw: str) -> ResultInfo:
    found = first_elements(raw)
    return ResultInfo(
        name=plain(found.get("name", "")),
        wu_name=plain(found.get("wu_name", "")),
        report_deadline=integer(found.get("report_deadline", ""), "report_deadline"),
        platform=plain(found.get("platform", "")),
        version_num=integer(found.get("version_num", ""), "version_num"),
        files=_file_refs(raw),
        plan_class=plain(found.get("plan_class", "")),
    )


def _gui_url(raw: str) -> GuiUrl:
    found = first_elements(raw)
    return GuiUrl(
        plain(found.get("name", "")),
        plain(found.get("description", "")),
        plain(found.get("url", ""), limit=1023),
    )
