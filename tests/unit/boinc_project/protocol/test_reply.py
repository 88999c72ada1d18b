from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from boinc_project.protocol.reply_parser import parse_scheduler_reply

SIGNATURE = "\n".join(["ab" * 32] * 4 + ["."])
lines = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=40
)
names = st.text(string.ascii_letters + string.digits + "_-.", min_size=1, max_size=60)
amounts = st.floats(0, 1e18)
counts = st.integers(0, 2**53)
signatures = st.just("") | st.just(SIGNATURE)
refs = st.lists(
    st.builds(
        FileRef,
        file_name=names,
        open_name=st.just("") | names,
        main_program=st.booleans(),
        copy_file=st.booleans(),
    ),
    max_size=3,
).map(tuple)
files = st.builds(
    DownloadFile,
    name=names,
    url=names,
    nbytes=counts,
    md5=st.just("") | names,
    signature=signatures,
    executable=st.booleans(),
) | st.builds(OutputFile, name=names, max_nbytes=counts, url=names, certificate=signatures)
replies = st.builds(
    SchedulerReply,
    master_url=lines,
    project_name=lines,
    request_delay=amounts,
    messages=st.lists(
        st.builds(Message, text=lines, priority=st.sampled_from(["low", "notice"])), max_size=3
    ).map(tuple),
    account=st.none()
    | st.builds(
        Account,
        userid=counts,
        user_name=lines,
        user_create_time=counts,
        user_total_credit=amounts,
        user_expavg_credit=amounts,
        host_total_credit=amounts,
        host_expavg_credit=amounts,
        host_venue=st.just("") | lines,
        host_create_time=counts,
        email_hash=names,
        cross_project_id=names,
        external_cpid=names,
    ),
    hostid=st.none() | counts,
    code_sign_key=st.just("") | st.just("1024\n" + SIGNATURE),
    code_sign_key_signature=signatures,
    apps=st.lists(st.builds(AppInfo, lines, lines), max_size=2).map(tuple),
    files=st.lists(files, max_size=3).map(tuple),
    app_versions=st.lists(
        st.builds(
            AppVersionInfo,
            app_name=names,
            version_num=counts,
            platform=names,
            flops=amounts,
            files=refs,
            plan_class=st.just("") | names,
            api_version=names,
            avg_ncpus=amounts,
        ),
        max_size=2,
    ).map(tuple),
    workunits=st.lists(
        st.builds(
            WorkunitInfo,
            name=names,
            app_name=names,
            rsc_fpops_est=amounts,
            rsc_fpops_bound=amounts,
            rsc_memory_bound=amounts,
            rsc_disk_bound=amounts,
            files=refs,
            command_line=st.just("") | lines,
        ),
        max_size=2,
    ).map(tuple),
    results=st.lists(
        st.builds(
            ResultInfo,
            name=names,
            wu_name=names,
            report_deadline=counts,
            platform=names,
            version_num=counts,
            files=refs,
            plan_class=st.just("") | names,
        ),
        max_size=2,
    ).map(tuple),
    result_acks=st.lists(names, max_size=3).map(tuple),
    result_aborts=st.lists(names, max_size=3).map(tuple),
    result_aborts_if_not_started=st.lists(names, max_size=3).map(tuple),
    message_ack=st.booleans(),
    gui_urls=st.lists(st.builds(GuiUrl, lines, lines, names), max_size=2).map(tuple),
    next_rpc_delay=st.none() | amounts,
    project_is_down=st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(replies)
def test_what_is_written_is_read_again(reply: SchedulerReply) -> None:
    assert parse_scheduler_reply(reply.to_bytes()) == reply


@settings(max_examples=50, deadline=None)
@given(replies)
def test_nothing_is_indented_and_every_element_is_on_its_own_line(reply: SchedulerReply) -> None:
    """The client reads keys and signatures by lines (``lib/crypt.cpp``)."""
    for line in reply.to_bytes().decode().splitlines():
        assert line == line.lstrip(" \t")
        assert line.count("</") <= 1


MINIMAL = SchedulerReply("http://127.0.0.1:8080/", "P", 11.0)


def test_the_frame_and_the_delay_are_always_there() -> None:
    text = MINIMAL.to_bytes().decode()
    assert text.startswith("<scheduler_reply>\n")
    assert text.endswith("</scheduler_reply>\n")
    assert "<request_delay>11</request_delay>\n" in text
    assert "<dont_use_dcf/>\n" in text


def test_the_hostid_is_silent_unless_it_is_new() -> None:
    """Kills: a host id in every reply, which makes a new host of every request."""
    assert b"hostid" not in MINIMAL.to_bytes()
    assert b"<hostid>7</hostid>\n" in replace(MINIMAL, hostid=7).to_bytes()


def test_texts_of_people_cannot_inject() -> None:
    account = Account(1, "</user_name><hostid>9</hostid>\n<request_delay>0")
    text = replace(MINIMAL, account=account).to_bytes()
    assert b"<hostid>" not in text
    assert text.count(b"<request_delay>") == 1
    message = Message("a\n</message><hostid>1</hostid>")
    assert b"<hostid>" not in replace(MINIMAL, messages=(message,)).to_bytes()


def test_a_signature_block_stands_unindented_and_closed() -> None:
    file = DownloadFile("f", "http://127.0.0.1/f", 5, signature=SIGNATURE + "\n", executable=True)
    text = file.text()
    assert f"<file_signature>\n{SIGNATURE}\n</file_signature>\n" in text
    assert "<executable/>\n" in text


@pytest.mark.parametrize("cut", [2, 5, 18])
def test_a_cut_reply_is_refused(cut: int) -> None:
    with pytest.raises(MalformedRequest, match="not a whole"):
        parse_scheduler_reply(MINIMAL.to_bytes()[:-cut])
