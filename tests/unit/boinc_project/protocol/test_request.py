from __future__ import annotations

import contextlib
import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from boinc_project.protocol.request_parser import parse_scheduler_request
from boinc_project.protocol.request_writer import scheduler_request_bytes
from boinc_project.states import ClientState

# What an honest client can say on one line: printable, not blank at the ends.
lines = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S"), include_characters=" "),
    max_size=60,
).map(str.strip)
names = st.text(string.ascii_letters + string.digits + "_-.", min_size=1, max_size=80)
sizes = st.floats(0, 1e18, allow_nan=False)
percentages = st.floats(0, 100)
fractions = st.floats(0.001, 1)
counts = st.integers(0, 2**31 - 1)
# stderr is anything but the very end of its own section.
printed = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=200)

results = st.builds(
    ReportedResult,
    name=names,
    state=st.sampled_from(ClientState),
    exit_status=st.integers(-(2**31), 2**31 - 1),
    cpu_time=sizes,
    elapsed_time=sizes,
    app_version_num=counts,
    platform=names,
    plan_class=st.just("") | names,
    peak_working_set_size=sizes,
    stderr=printed.map(lambda text: text.replace("&", "and").replace("]]>", "")),
)
requests = st.builds(
    SchedulerRequest,
    authenticator=names,
    hostid=counts,
    rpc_seqno=counts,
    platforms=st.lists(names, min_size=1, max_size=3, unique=True).map(tuple),
    client_version=st.tuples(counts, counts, counts),
    work=st.builds(
        WorkRequest,
        seconds=sizes,
        instances=sizes,
        estimated_delay=sizes,
        refused=st.booleans(),
    ),
    host=st.builds(
        HostInfo,
        timezone=st.integers(-86400, 86400),
        domain_name=lines,
        ip_addr=lines,
        host_cpid=names,
        p_ncpus=st.integers(1, 4096),
        p_vendor=lines,
        p_model=lines,
        p_features=lines,
        p_fpops=sizes,
        p_iops=sizes,
        m_nbytes=sizes,
        d_total=sizes,
        d_free=sizes,
        os_name=lines,
        os_version=lines,
    ),
    preferences=st.builds(
        Preferences,
        mod_time=sizes,
        ram_max_used_busy_pct=percentages,
        ram_max_used_idle_pct=percentages,
    ),
    disk=st.builds(
        DiskUsage,
        d_boinc_used_total=sizes,
        d_boinc_used_project=sizes,
        d_project_share=st.none() | sizes,
    ),
    time_stats=st.builds(TimeStats, on_frac=fractions, active_frac=fractions, now=sizes),
    results=st.lists(results, max_size=3).map(tuple),
    other_results=st.none() | st.lists(names, max_size=4, unique=True).map(tuple),
    trickles=st.lists(
        st.builds(
            TrickleUp,
            result_name=names,
            time=sizes,
            variety=names,
            text=names,
        ),
        max_size=2,
    ).map(tuple),
    code_sign_key=st.just("") | st.just("1024\nab12\n."),
    cross_project_id=st.just("") | st.text("0123456789abcdef", min_size=32, max_size=32),
    allow_multiple_clients=st.booleans(),
    client_brand=lines,
)


@settings(max_examples=80, deadline=None)
@given(requests)
def test_what_is_written_is_read_again(request: SchedulerRequest) -> None:
    assert parse_scheduler_request(scheduler_request_bytes(request)) == _as_stored(request)


def _as_stored(request: SchedulerRequest) -> SchedulerRequest:
    """Outer line feeds of a program's text are not kept."""
    stored = tuple(replace(r, stderr=r.stderr.strip("\n")) for r in request.results)
    return replace(request, results=stored)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for data in (body, b"<scheduler_request>" + body + b"</scheduler_request>"):
        with pytest.raises((MalformedRequest, RequestTooLarge)) as error:
            parse_scheduler_request(data)
        assert error.value.message.endswith(".")


@settings(max_examples=100, deadline=None)
@given(requests, st.data())
def test_a_damaged_request_is_read_or_refused(
    request: SchedulerRequest, data: st.DataObject
) -> None:
    body = bytearray(scheduler_request_bytes(request))
    start = data.draw(st.integers(0, len(body) - 1))
    body[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=20))
    with contextlib.suppress(MalformedRequest, RequestTooLarge):
        assert isinstance(parse_scheduler_request(bytes(body)), SchedulerRequest)


def body(inner: str = "", **changes: str) -> bytes:
    header = {
        "authenticator": "k",
        "hostid": "1",
        "rpc_seqno": "2",
        "platform_name": "x86_64-pc-linux-gnu",
    } | changes
    head = "".join(f"<{name}>{value}</{name}>\n" for name, value in header.items() if value != "-")
    return f"<scheduler_request>\n{head}{inner}</scheduler_request>\n".encode("latin-1")


@pytest.mark.parametrize("name", ["authenticator", "hostid", "rpc_seqno", "platform_name"])
def test_a_missing_element_is_named(name: str) -> None:
    with pytest.raises(MalformedRequest, match=f"no <{name}>") as error:
        parse_scheduler_request(body(**{name: "-"}))
    assert error.value.is_request


@pytest.mark.parametrize("value", ["-1", "2147483648", "1.5", "x", ""])
def test_bad_numbers_are_named(value: str) -> None:
    with pytest.raises(MalformedRequest, match="<hostid> must"):
        parse_scheduler_request(body(hostid=value))


@pytest.mark.parametrize("value", ["nan", "inf", "1e400", "lots"])
def test_a_work_request_is_finite(value: str) -> None:
    with pytest.raises(MalformedRequest, match="<cpu_req_secs> must be a finite number"):
        parse_scheduler_request(body(cpu_req_secs=value))


def test_a_negative_work_request_asks_for_nothing() -> None:
    assert not parse_scheduler_request(body(cpu_req_secs="-5")).work.wanted


def test_work_is_wanted_by_seconds_or_by_instances() -> None:
    assert parse_scheduler_request(body(cpu_req_secs="1")).work.wanted
    assert parse_scheduler_request(body(cpu_req_secs="0", cpu_req_instances="1")).work.wanted
    assert parse_scheduler_request(body(work_req_seconds="1")).work.wanted
    # Kills: taking the maximum over all resources where the processor's own share is given.
    assert not parse_scheduler_request(body(work_req_seconds="1", cpu_req_secs="0")).work.wanted
    assert not parse_scheduler_request(body(cpu_req_secs="1", dont_send_work="1")).work.wanted


def test_not_a_scheduler_request() -> None:
    with pytest.raises(MalformedRequest, match="not a scheduler request") as error:
        parse_scheduler_request(b"<html>hello</html>")
    assert not error.value.is_request


def test_a_cut_request() -> None:
    with pytest.raises(MalformedRequest, match="incomplete") as error:
        parse_scheduler_request(body()[:-5])
    assert error.value.is_request


def test_an_oversized_request() -> None:
    with pytest.raises(RequestTooLarge, match="at most 100"):
        parse_scheduler_request(body("x" * 100), max_bytes=100)


def test_too_many_results() -> None:
    report = "<result><name>a</name></result>"
    with pytest.raises(RequestTooLarge, match="more than 2 results"):
        parse_scheduler_request(body(report * 3), max_results=2)
    held = "<other_result><name>a</name></other_result>"
    with pytest.raises(RequestTooLarge, match="more than 2 tasks"):
        parse_scheduler_request(body(f"<other_results>{held * 3}</other_results>"), max_results=2)


def test_an_entity_bomb_is_refused() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    with pytest.raises(MalformedRequest, match="entity declarations"):
        parse_scheduler_request(body(bomb))


def test_entities_of_anybody_stay_what_they_are() -> None:
    request = parse_scheduler_request(body("<client_brand>&b;&#65;</client_brand>"))
    assert request.client_brand == "&b;A"


def test_a_declaration_that_a_program_printed_is_harmless() -> None:
    report = "<result><name>a</name><stderr_out><![CDATA[<!DOCTYPE x>]]></stderr_out></result>"
    assert parse_scheduler_request(body(report)).results[0].stderr == "<!DOCTYPE x>"


def test_stderr_cannot_inject() -> None:
    """Kills: looking for elements before the free texts are cut out."""
    said = "</stderr_out></result><result><name>b</name><state>5</state></result><hostid>9</hostid>"
    report = f"<result><name>a</name><stderr_out><![CDATA[{said}]]></stderr_out></result>"
    request = parse_scheduler_request(body(report))
    assert [result.name for result in request.results] == ["a"]
    assert request.hostid == 1
    assert request.results[0].stderr == said


def test_a_later_header_does_not_override_the_first() -> None:
    request = parse_scheduler_request(body("<authenticator>other</authenticator>"))
    assert request.authenticator == "k"


def test_a_trickle_message() -> None:
    trickle = (
        "<msg_from_host>\n<result_name>a</result_name>\n<time>5</time>\n<variety>v</variety>\n"
        "free <result> text\n</msg_from_host>"
    )
    request = parse_scheduler_request(body(trickle))
    assert request.trickles == (TrickleUp("a", 5.0, "v", "free <result> text"),)
    assert request.results == ()


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        ("<result></result>", "no <name>"),
        ("<result><name> </name></result>", "empty <name>"),
        ("<result><name>a</name><state>9</state></result>", "unknown state 9"),
        ("<result><name>a</name><exit_status>9999999999</exit_status></result>", "32-bit"),
        ("<result><name>a</name>", "<result> is not closed"),
    ],
)
def test_bad_reports_are_named(inner: str, words: str) -> None:
    with pytest.raises(MalformedRequest, match=words):
        parse_scheduler_request(body(inner))


def test_measurements_of_the_host_never_lock_it_out() -> None:
    info = (
        "<host_info><p_ncpus>0</p_ncpus><p_fpops>-nan</p_fpops><m_nbytes>x</m_nbytes></host_info>"
    )
    host = parse_scheduler_request(body(info)).host
    assert (host.p_ncpus, host.p_fpops, host.m_nbytes) == (1, 0.0, 0.0)


def test_long_texts_are_cut_to_their_columns() -> None:
    info = f"<host_info><domain_name>{'d' * 400}</domain_name></host_info>"
    assert len(parse_scheduler_request(body(info)).host.domain_name) == 254
