"""Reading of scheduler requests: what a client sent, or one sentence about why it cannot be read.

Requests are not valid XML (see `boinc_project.protocol.scanner`). Free texts, which a program or a
volunteer writes, are taken out before anything else is looked at; of equal elements the first wins,
and the client writes its own header first.
"""

from __future__ import annotations

import re
from dataclasses import fields

from boinc_project.errors import MalformedRequest, RequestTooLarge
from boinc_project.protocol.request import (
    DiskUsage,
    HostInfo,
    Preferences,
    ReportedResult,
    SchedulerRequest,
    TimeStats,
    TrickleUp,
    WorkRequest,
)
from boinc_project.protocol.scanner import (
    cut_out,
    decimal,
    decimal_or,
    elements,
    first_elements,
    flag,
    integer,
    integer_or,
    pick,
    plain,
    taken,
    unescape,
)
from boinc_project.states import ClientState

MAX_RESULTS = 2000
"""A client stops asking for work above 1000 runnable tasks; twice that is reported at most."""
MAX_STDERR = 65536
"""The client sends the last 63 KB."""

_FREE_TEXTS = frozenset(
    {"stderr_out", "msg_from_host", "time_stats_log", "job_log", "client_opaque", "sched_ops"}
)
_HOST_INFO = tuple(field.name for field in fields(HostInfo))
_PREFERENCES = tuple(field.name for field in fields(Preferences))
_TIME_STATS = tuple(field.name for field in fields(TimeStats))
_ROOT = "<scheduler_request>"
_END = "</scheduler_request>"
_DECLARATION = re.compile(r"<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_CDATA = re.compile(r"<!\[CDATA\[\n?|\]\]>\n?")


def parse_scheduler_request(
    body: bytes, *, max_bytes: int = 2_000_000, max_results: int = MAX_RESULTS
) -> SchedulerRequest:
    """Read a scheduler request.

    Parameters
    ----------
    body : bytes
        The body of the POST.
    max_bytes, max_results : int
        Limits; a request beyond them is refused, not cut.

    Raises
    ------
    MalformedRequest
        If it is not a scheduler request or a needed element is missing or unreadable. The
        exception's ``is_request`` says whether it at least began like one.
    RequestTooLarge
        If it is beyond a limit.
    """
    if len(body) > max_bytes:
        raise RequestTooLarge(
            f"The request has {len(body)} bytes; this server reads at most {max_bytes}.",
            limit=max_bytes,
        )
    text = body.decode("latin-1")
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    start = text.find(_ROOT, 0, 1024)
    if start < 0:
        raise MalformedRequest(
            "The body is not a scheduler request: it does not begin with <scheduler_request>.",
            is_request=False,
        )
    end = text.rfind(_END)
    if end < 0:
        raise MalformedRequest(
            "The request is incomplete: </scheduler_request> is missing.", is_request=True
        )
    try:
        return _request(text[start + len(_ROOT) : end], max_results)
    except MalformedRequest as error:
        error.data["is_request"] = True
        raise


def _request(text: str, max_results: int) -> SchedulerRequest:
    text, free_texts = cut_out(text, _FREE_TEXTS)
    if "<!" in text and _DECLARATION.search(text):
        raise MalformedRequest("Document type and entity declarations are not accepted.")
    found: dict[str, str] = {}
    raw_results: list[str] = []
    raw_trickles: list[str] = []
    platforms: list[str] = []
    for name, inner in elements(text):
        if name == "result":
            raw_results.append(inner)
        elif name == "msg_from_host":
            raw_trickles.append(taken(inner, free_texts))
        elif name == "alt_platform":
            platforms.append(plain(first_elements(inner).get("name", "")))
        else:
            found.setdefault(name, inner)
    if len(raw_results) > max_results or len(raw_trickles) > max_results:
        raise RequestTooLarge(
            f"The request reports more than {max_results} results or messages at once.",
            limit=max_results,
        )
    primary = plain(_needed(found, "platform_name"))
    return SchedulerRequest(
        authenticator=plain(_needed(found, "authenticator")),
        hostid=_count(found, "hostid"),
        rpc_seqno=_count(found, "rpc_seqno"),
        platforms=tuple(dict.fromkeys(p for p in (primary, *platforms) if p)),
        client_version=(
            integer_or(found.get("core_client_major_version"), 0),
            integer_or(found.get("core_client_minor_version"), 0),
            integer_or(found.get("core_client_release"), 0),
        ),
        work=_work(found),
        host=_host(found),
        preferences=_preferences(found),
        disk=_disk(found),
        time_stats=_time_stats(found),
        results=tuple(_result(inner, free_texts) for inner in raw_results),
        other_results=_other_results(found, max_results),
        trickles=tuple(_trickle(inner) for inner in raw_trickles),
        code_sign_key=_key(found),
        cross_project_id=plain(found.get("cross_project_id", ""), limit=32),
        allow_multiple_clients=flag(found.get("allow_multiple_clients")),
        client_brand=plain(found.get("client_brand", "")),
    )


def _needed(found: dict[str, str], name: str) -> str:
    if name not in found:
        raise MalformedRequest(f"The request has no <{name}>.", element=name)
    return found[name]


def _count(found: dict[str, str], name: str) -> int:
    value = integer(_needed(found, name), name)
    if not 0 <= value < 2**31:
        raise MalformedRequest(f"<{name}> must lie between 0 and 2147483647.", element=name)
    return value


def _work(found: dict[str, str]) -> WorkRequest:
    # cpu_req_secs is the processor's share; work_req_seconds is the maximum over all resources and
    # the only one that clients before 6.7 write. We have work for processors only.
    seconds = "cpu_req_secs" if "cpu_req_secs" in found else "work_req_seconds"
    return WorkRequest(
        seconds=max(decimal(found.get(seconds, "0"), seconds), 0.0),
        instances=max(decimal(found.get("cpu_req_instances", "0"), "cpu_req_instances"), 0.0),
        estimated_delay=max(decimal_or(found.get("estimated_delay"), 0.0), 0.0),
        refused=flag(found.get("dont_send_work")),
    )


def _host(found: dict[str, str]) -> HostInfo:
    info = pick(found.get("host_info", ""), _HOST_INFO)

    def text(name: str, limit: int = 254) -> str:
        return plain(info.get(name, ""), limit=limit)

    def size(name: str) -> float:
        return max(decimal_or(info.get(name), 0.0), 0.0)

    return HostInfo(
        timezone=max(-86400, min(integer_or(info.get("timezone"), 0), 86400)),
        domain_name=text("domain_name"),
        ip_addr=text("ip_addr"),
        host_cpid=text("host_cpid"),
        p_ncpus=max(1, min(integer_or(info.get("p_ncpus"), 1), 4096)),
        p_vendor=text("p_vendor"),
        p_model=text("p_model"),
        p_features=text("p_features", 4096),
        p_fpops=size("p_fpops"),
        p_iops=size("p_iops"),
        m_nbytes=size("m_nbytes"),
        d_total=size("d_total"),
        d_free=size("d_free"),
        os_name=text("os_name"),
        os_version=text("os_version"),
    )


def _preferences(found: dict[str, str]) -> Preferences:
    inner = pick(found.get("working_global_preferences", ""), _PREFERENCES)

    def percentage(name: str, default: float) -> float:
        return max(0.0, min(decimal_or(inner.get(name), default), 100.0))

    return Preferences(
        mod_time=max(decimal_or(inner.get("mod_time"), 0.0), 0.0),
        ram_max_used_busy_pct=percentage("ram_max_used_busy_pct", 50.0),
        ram_max_used_idle_pct=percentage("ram_max_used_idle_pct", 90.0),
    )


def _disk(found: dict[str, str]) -> DiskUsage:
    usage = first_elements(found.get("disk_usage", ""))
    share = decimal_or(usage.get("d_project_share"), -1.0)
    return DiskUsage(
        d_boinc_used_total=max(decimal_or(usage.get("d_boinc_used_total"), 0.0), 0.0),
        d_boinc_used_project=max(decimal_or(usage.get("d_boinc_used_project"), 0.0), 0.0),
        d_project_share=share if share >= 0 else None,
    )


def _time_stats(found: dict[str, str]) -> TimeStats:
    stats = pick(found.get("time_stats", ""), _TIME_STATS)

    def fraction(name: str) -> float:
        value = decimal_or(stats.get(name), 1.0)
        return value if 0 < value <= 1 else 1.0

    return TimeStats(
        on_frac=fraction("on_frac"),
        active_frac=fraction("active_frac"),
        now=max(decimal_or(stats.get("now"), 0.0), 0.0),
    )


def _result(inner: str, free_texts: list[str]) -> ReportedResult:
    found = first_elements(inner)
    name = plain(_needed(found, "name"))
    if not name:
        raise MalformedRequest("A reported result has an empty <name>.", element="name")
    state = integer(found.get("state", "0"), "state")
    try:
        client_state = ClientState(state)
    except ValueError:
        raise MalformedRequest(
            f"A reported result has the unknown state {state}.", element="state"
        ) from None
    exit_status = integer(found.get("exit_status", "0"), "exit_status")
    if not -(2**31) <= exit_status < 2**32:  # Windows prints some as unsigned
        raise MalformedRequest("<exit_status> must be a 32-bit number.", element="exit_status")
    stderr = taken(found.get("stderr_out"), free_texts)
    return ReportedResult(
        name=name,
        state=client_state,
        exit_status=exit_status,
        cpu_time=max(decimal_or(found.get("final_cpu_time"), 0.0), 0.0),
        elapsed_time=max(decimal_or(found.get("final_elapsed_time"), 0.0), 0.0),
        app_version_num=integer_or(found.get("app_version_num") or found.get("version_num"), 0),
        platform=plain(found.get("platform", "")),
        plan_class=plain(found.get("plan_class", "")),
        peak_working_set_size=max(decimal_or(found.get("final_peak_working_set_size"), 0.0), 0.0),
        stderr=_free_text(_CDATA.sub("", stderr)),
    )


def _free_text(raw: str) -> str:
    return _UNSTORABLE.sub("", unescape(raw[-MAX_STDERR:])).strip("\n")


def _other_results(found: dict[str, str], limit: int) -> tuple[str, ...] | None:
    if "other_results" not in found:
        return None
    names = [
        plain(first_elements(inner).get("name", ""))
        for name, inner in elements(found["other_results"].removeprefix("1"))
        if name == "other_result"
    ]
    if len(names) > limit:
        raise RequestTooLarge(f"The request lists more than {limit} tasks in hand.", limit=limit)
    return tuple(dict.fromkeys(name for name in names if name))


def _trickle(raw: str) -> TrickleUp:
    head: dict[str, str] = {}
    rest = raw
    for name in ("result_name", "time", "variety"):
        opening, closing = f"<{name}>", f"</{name}>"
        start, end = rest.find(opening), rest.find(closing)
        if 0 <= start < end:
            head[name] = rest[start + len(opening) : end]
            rest = rest[:start] + rest[end + len(closing) :]
    return TrickleUp(
        result_name=plain(head.get("result_name", "")),
        time=max(decimal_or(head.get("time"), 0.0), 0.0),
        variety=plain(head.get("variety", "")),
        text=_free_text(rest).strip(),
    )


def _key(found: dict[str, str]) -> str:
    key = found.get("code_sign_key", "").strip()
    return key if len(key) <= 4096 else ""
