"""Writing of scheduler requests, for the small client, the load generator and round-trip tests."""

from __future__ import annotations

from dataclasses import fields

from boinc_project.protocol.request import HostInfo, ReportedResult, SchedulerRequest, TrickleUp
from boinc_project.protocol.text import block, element, number


def scheduler_request_bytes(request: SchedulerRequest) -> bytes:
    """Return the body of a scheduler RPC, in the client's order of elements."""
    major, minor, release = request.client_version
    lines = [
        "<scheduler_request>\n",
        element("authenticator", request.authenticator),
        element("hostid", request.hostid),
        element("rpc_seqno", request.rpc_seqno),
        element("core_client_major_version", major),
        element("core_client_minor_version", minor),
        element("core_client_release", release),
        element("platform_name", request.platforms[0] if request.platforms else ""),
    ]
    lines += [
        f"<alt_platform>\n{element('name', name)}</alt_platform>\n"
        for name in request.platforms[1:]
    ]
    lines += _wishes(request)
    if request.code_sign_key:
        lines.append(block("code_sign_key", request.code_sign_key))
    lines += [_preferences(request), _time_stats(request), host_info_text(request.host)]
    lines.append(_disk(request))
    lines += [_result(result) for result in request.results]
    lines += [_trickle(trickle) for trickle in request.trickles]
    if request.other_results is not None:
        lines.append("<other_results>\n")
        lines += [
            f"<other_result>\n{element('name', name)}</other_result>\n"
            for name in request.other_results
        ]
        lines.append("</other_results>\n")
    lines.append("</scheduler_request>\n")
    return "".join(lines).encode()


def host_info_text(host: HostInfo) -> str:
    """Return the ``<host_info>`` element."""
    lines = [
        element(field.name, _value(getattr(host, field.name)))
        for field in fields(host)
        if getattr(host, field.name) != ""
    ]
    return "<host_info>\n" + "".join(lines) + "</host_info>\n"


def _value(value: object) -> object:
    return number(value) if isinstance(value, float) else value


def _wishes(request: SchedulerRequest) -> list[str]:
    work = request.work
    lines = [
        element("work_req_seconds", number(work.seconds)),
        element("cpu_req_secs", number(work.seconds)),
        element("cpu_req_instances", number(work.instances)),
        element("estimated_delay", number(work.estimated_delay)),
    ]
    if work.refused:
        lines.append(element("dont_send_work", 1))
    if request.allow_multiple_clients:
        lines.append(element("allow_multiple_clients", 1))
    if request.cross_project_id:
        lines.append(element("cross_project_id", request.cross_project_id))
    if request.client_brand:
        lines.append(element("client_brand", request.client_brand))
    return lines


def _preferences(request: SchedulerRequest) -> str:
    preferences = request.preferences
    inner = "".join(
        element(field.name, number(getattr(preferences, field.name)))
        for field in fields(preferences)
    )
    return (
        "<working_global_preferences>\n<global_preferences>\n"
        f"{inner}</global_preferences>\n</working_global_preferences>\n"
    )


def _time_stats(request: SchedulerRequest) -> str:
    stats = request.time_stats
    inner = "".join(
        element(field.name, number(getattr(stats, field.name))) for field in fields(stats)
    )
    return f"<time_stats>\n{inner}</time_stats>\n"


def _disk(request: SchedulerRequest) -> str:
    inner = "".join(
        element(field.name, number(getattr(request.disk, field.name)))
        for field in fields(request.disk)
        if getattr(request.disk, field.name) is not None
    )
    return f"<disk_usage>\n{inner}</disk_usage>\n"


def _result(result: ReportedResult) -> str:
    lines = [
        "<result>\n",
        element("name", result.name),
        element("final_cpu_time", number(result.cpu_time)),
        element("final_elapsed_time", number(result.elapsed_time)),
        element("exit_status", result.exit_status),
        element("state", int(result.state)),
        element("platform", result.platform),
        element("version_num", result.app_version_num),
    ]
    if result.plan_class:
        lines.append(element("plan_class", result.plan_class))
    lines.append(element("final_peak_working_set_size", number(result.peak_working_set_size)))
    lines.append(element("app_version_num", result.app_version_num))
    if result.stderr:
        lines.append(_stderr(result.stderr))
    return "".join(lines) + "</result>\n"


def _stderr(text: str) -> str:
    # As the client: bytes above 127 as numbers, everything else as the program printed it.
    data = text.encode()
    shown = "".join(chr(byte) if byte < 128 else f"&#{byte};" for byte in data)
    return f"<stderr_out>\n<![CDATA[\n{shown}\n]]>\n</stderr_out>\n"


def _trickle(trickle: TrickleUp) -> str:
    lines = ["<msg_from_host>\n", element("result_name", trickle.result_name)]
    lines += [element("time", number(trickle.time)), element("variety", trickle.variety)]
    return "".join(lines) + f"{trickle.text}\n</msg_from_host>\n"
