"""Attaching: account keys, host records, the code-signing key, the first task."""

from __future__ import annotations

from typing import Any

from boinc_project.protocol.request import TimeStats
from boinc_project.signing import parse_private_key, parse_public_key, verify_upload


def test_the_first_reply_has_all_that_a_client_needs(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    client = world.client()
    reply = client.ask()
    assert reply.hostid == world.hosts()[0].id
    assert reply.master_url == "http://127.0.0.1:8080/"
    assert reply.request_delay == 11.0
    assert reply.messages == ()
    assert reply.account.user_name == "User 1"
    assert parse_public_key(reply.code_sign_key + "\n")
    assert [app.name for app in reply.apps] == ["ttv"]
    (version,) = reply.app_versions
    assert (version.version_num, version.platform) == (100, "x86_64-pc-linux-gnu")
    assert version.flops == 1e9
    assert version.api_version == "7.5.0"
    assert [ref.main_program for ref in version.files] == [True, False]
    assert version.files[1].open_name == "app.tar.gz"
    (unit,) = reply.workunits
    assert [ref.open_name for ref in unit.files] == ["unit.json", "transits.csv"]
    (result,) = reply.results
    assert (result.name, result.wu_name) == ("kepler-9_g0_u000_0", "kepler-9_g0_u000")
    assert result.report_deadline == int(world.clock.now + 7 * 86400)
    assert {url.name for url in reply.gui_urls} >= {"Your account", "Your tasks"}


def test_every_file_of_the_task_is_described(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    reply = world.client().ask()
    files = {file.name: file for file in reply.files}
    refs = [
        ref for one in (*reply.app_versions, *reply.workunits, *reply.results) for ref in one.files
    ]
    assert {ref.file_name for ref in refs} == files.keys()
    for ref in reply.app_versions[0].files:
        assert files[ref.file_name].signature
        assert files[ref.file_name].executable is ref.main_program
        assert files[ref.file_name].url.endswith(f"/download/{ref.file_name}")
    for ref in reply.workunits[0].files:
        assert len(files[ref.file_name].md5) == 32
        assert "/download/" in files[ref.file_name].url
    output = files[reply.results[0].files[0].file_name]
    assert output.max_nbytes == 1_000_000
    assert "file_upload_handler" in output.url
    key = parse_private_key(
        (world.app.extensions["openastro"].key_path("upload_private")).read_text()
    )
    assert verify_upload(output.name, output.max_nbytes, output.certificate, key.public)


def test_a_wrong_account_key_is_told_and_changes_nothing(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    for key in ("0" * 32, "1_" + "0" * 32, "1_x", "_", "", "' OR 1=1 --"):
        client = world.client(key=key)
        client.key = key
        reply = client.ask()
        assert reply.request_delay == 3600
        assert (reply.hostid, reply.account, reply.results) == (None, None, ())
        assert "account key is not known" in reply.messages[0].text
        assert reply.messages[0].priority == "notice"
    assert world.hosts() == []


def test_a_weak_account_key_computes_for_its_account(world: Any, campaign: int) -> None:
    from boinc_project.protocol.account import weak_account_key

    world.workunits(1, campaign=campaign)
    key = world.user()
    weak = weak_account_key(1, key, "unused")
    reply = world.client(key=weak).ask()
    assert reply.account.userid == 1
    assert len(reply.results) == 1
    other = weak_account_key(1, key, "another password")
    assert world.client(key=other).ask().account is None


def test_a_host_is_told_its_id_once_only(world: Any, campaign: int) -> None:
    """Kills: a host id in every reply, which makes a new host of every request."""
    client = world.client()
    assert client.ask().hostid is not None
    for _ in range(3):
        assert client.ask().hostid is None
    assert len(world.hosts()) == 1
    assert world.hosts()[0].rpc_seqno == 2


def test_a_retry_with_the_same_count_is_no_copy(world: Any) -> None:
    client = world.client()
    client.rpc()
    client.rpc()
    request = client.request(rpc_seqno=1)
    assert client.send(request).hostid is None
    assert client.send(request).hostid is None
    assert len(world.hosts()) == 1


def test_a_copied_data_directory_gets_a_host_of_its_own(world: Any) -> None:
    """Kills: taking the count without comparing it."""
    original = world.client()
    for _ in range(4):
        original.rpc()
    copy = world.client(key=original.key, hostid=original.hostid, rpc_seqno=1)
    reply = copy.rpc()
    assert reply.hostid not in (None, original.hostid)
    assert len(world.hosts()) == 2
    # Both go on undisturbed.
    assert original.rpc().hostid is None
    assert copy.rpc().hostid is None
    assert copy.rpc().hostid is None
    assert len(world.hosts()) == 2


def test_an_unknown_or_foreign_host_id_is_replaced(world: Any) -> None:
    first = world.client()
    first.rpc()
    for hostid in (first.hostid, 4711):
        stranger = world.client(hostid=hostid, rpc_seqno=9)
        reply = stranger.rpc()
        assert reply.hostid not in (None, first.hostid, 4711)
        assert stranger.rpc().hostid is None
    owners = {host.id: host.userid for host in world.hosts()}
    assert owners[first.hostid] == 1


def test_a_reset_client_is_recognised_and_its_tasks_are_free(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    client = world.client()
    (task,) = client.ask().results
    again = world.client(key=client.key)
    reply = again.rpc()
    assert reply.hostid == client.hostid
    assert world.result(task.name).outcome.name == "CLIENT_DETACHED"
    assert world.story(task.name) == ["sent", "detached"]


def test_several_clients_of_one_computer_stay_apart(world: Any, campaign: int) -> None:
    from dataclasses import replace

    world.workunits(1, campaign=campaign)
    first = world.client()
    first.host = replace(first.host, domain_name="box", ip_addr="10.0.0.1")
    first.ask()
    second = world.client(key=first.key)
    second.host = replace(first.host, host_cpid="d" * 32)
    assert second.rpc(allow_multiple_clients=True).hostid != first.hostid
    # Without that flag, a computer that is alike in everything is the same one.
    third = world.client(key=first.key)
    third.host = replace(first.host, host_cpid="e" * 32)
    assert third.rpc().hostid in {host.id for host in world.hosts()[:2]}
    assert len(world.hosts()) == 2


def test_the_record_of_a_host_follows_what_it_says(world: Any) -> None:
    from dataclasses import replace

    client = world.client()
    client.rpc()
    client.host = replace(client.host, p_ncpus=16, os_version="12.1", domain_name="new name")
    world.clock.forward(60)
    client.rpc(time_stats=TimeStats(on_frac=0.75, active_frac=0.5))
    (host,) = world.hosts()
    assert (host.p_ncpus, host.os_version, host.domain_name) == (16, "12.1", "new name")
    assert (host.on_frac, host.active_frac) == (0.75, 0.5)
    assert host.rpc_time == world.clock.now
    assert host.platform_name == "x86_64-pc-linux-gnu"
    assert host.client_version == "7.20.5"
