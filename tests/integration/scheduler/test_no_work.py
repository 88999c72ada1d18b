"""Every reply that gives no work though some was asked for says why, and when to ask again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from boinc_project.protocol.request import (
    ANONYMOUS,
    DiskUsage,
    Preferences,
    TimeStats,
    WorkRequest,
)
from boinc_project.states import CampaignState, ClientState
from server.models import CampaignRow

DAY = 86400.0


def refused(reply: Any, words: str, delay: float) -> None:
    """Check that a reply gives nothing, for this reason, and says when to ask again."""
    assert reply.results == ()
    text = " ".join(message.text for message in reply.messages)
    assert words in text
    assert "asks again in" in text
    assert reply.request_delay == delay
    assert reply.next_rpc_delay == delay


def test_no_work_at_all(world: Any) -> None:
    refused(world.client().ask(), "No work is available at present.", 60)


def test_who_asks_for_nothing_gets_no_excuse(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    client = world.client()
    for work in (WorkRequest(), WorkRequest(1.0, 1.0, refused=True)):
        reply = client.rpc(work=work)
        assert (reply.messages, reply.results, reply.next_rpc_delay) == ((), (), None)
        assert reply.request_delay == 11


def test_an_idle_processor_is_reason_enough(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    assert len(world.client().ask(seconds=0.0, instances=1.0).results) == 1


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.CANCELLED])
def test_a_campaign_that_is_not_active(world: Any, campaign: int, state: CampaignState) -> None:
    world.workunits(1, campaign=campaign)
    world.change(CampaignRow, "kepler-9", state=state.value)
    client = world.client()
    refused(client.ask(), f"the campaign “Kepler-9” is {state.value}", 60)
    world.change(CampaignRow, "kepler-9", state=CampaignState.ACTIVE.value)
    assert len(client.ask().results) == 1


def test_a_complete_campaign_still_sends_second_opinions(world: Any, campaign: int) -> None:
    """Kills: leaving a volunteer without the wingman that their credit waits for."""
    world.workunits(1, campaign=campaign)
    world.change(CampaignRow, "kepler-9", state=CampaignState.COMPLETE.value)
    assert len(world.client().ask().results) == 1


def test_the_other_copy_of_the_same_work(world: Any, campaign: int) -> None:
    """Kills: a user who checks their own result, with the same host or with another."""
    world.workunits(1, campaign=campaign, copies=3)
    client = world.client()
    (task,) = client.ask().results
    refused(client.ask(), "second copies of what you compute", 60)
    second = world.client(key=client.key)
    second.host = replace(second.host, host_cpid="d" * 32)
    refused(second.ask(allow_multiple_clients=True), "another volunteer has to check", 60)
    client.report(task.name)
    refused(client.ask(), "second copies", 60)
    assert len(world.client().ask().results) == 1


def test_two_copies_are_never_sent_together(world: Any, campaign: int) -> None:
    world.workunits(2, campaign=campaign, copies=2)
    reply = world.client().ask(seconds=1e6, instances=4.0)
    assert len(reply.results) == 2
    assert len({one.wu_name for one in reply.results}) == 2


def test_no_version_for_the_platform(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    client = world.client(platforms=("windows_x86_64", "windows_intelx86"))
    words = "no application for your platform (windows_x86_64, windows_intelx86)"
    refused(client.ask(), words, DAY)


def test_an_own_application(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    reply = world.client(platforms=(ANONYMOUS, "x86_64-pc-linux-gnu")).ask()
    refused(reply, "own application (app_info.xml)", DAY)
    assert reply.messages[0].priority == "notice"


def test_only_versions_too_old_for_the_work(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign, min_app_version=101)
    client = world.client()
    refused(client.ask(), "needs a newer version of Transit timing", 3600)
    world.app_version(102)
    world.clock.forward(10)
    assert client.ask().app_versions[0].version_num == 102


def test_too_little_memory(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign, rsc_memory_bound=2e9)
    client = world.client()
    client.host = replace(client.host, m_nbytes=4e9)
    little = Preferences(ram_max_used_busy_pct=10, ram_max_used_idle_pct=49)
    words = "needs 2000 MB of memory and your computer lets BOINC use 1960 MB"
    refused(client.ask(preferences=little), words, 3600)
    enough = Preferences(ram_max_used_busy_pct=10, ram_max_used_idle_pct=51)
    assert len(client.ask(preferences=enough).results) == 1


def test_too_little_disk_space(world: Any, campaign: int) -> None:
    world.workunits(2, campaign=campaign, rsc_disk_bound=2e9)
    client = world.client()
    little = DiskUsage(d_boinc_used_project=2e9, d_project_share=3.5e9)
    words = "needs 2000 MB of disk space and your computer lets this project use 1500 MB"
    refused(client.ask(disk=little), words, 3600)
    # Room for one is not room for two.
    one = DiskUsage(d_project_share=3e9)
    assert len(client.ask(seconds=1e6, instances=2.0, disk=one).results) == 1


def test_a_client_that_does_not_state_its_share_has_its_free_space(
    world: Any, campaign: int
) -> None:
    world.workunits(1, campaign=campaign, rsc_disk_bound=2e9)
    client = world.client()
    client.host = replace(client.host, d_free=1e9)
    refused(client.ask(disk=DiskUsage()), "use 1000 MB", 3600)


def test_a_computer_that_would_not_be_done_in_time(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign, rsc_fpops_est=1e9 * 5 * DAY)
    client = world.client()
    seldom_on = TimeStats(on_frac=0.5, active_frac=1.0)
    words = "done in about 240.0 hours on your computer, after its deadline of 168.0 hours"
    refused(client.ask(time_stats=seldom_on), words, 3600)
    busy = WorkRequest(1.0, estimated_delay=3 * DAY)
    refused(client.rpc(work=busy), "about 192.0 hours", 3600)
    assert len(client.ask().results) == 1


def test_the_quota_of_a_host_that_only_fails(world: Any, campaign: int) -> None:
    """Kills: counting per processor where the quota has sunk to one task a day."""
    world.workunits(10, campaign=campaign)
    client = world.client()
    (task,) = client.ask().results
    client.report(task.name, state=ClientState.COMPUTE_ERROR, exit_status=1)
    with world.database.write() as session:
        from server.models import HostAppVersion

        session.query(HostAppVersion).one().max_jobs_per_day = 1
    world.clock.now = 1_700_006_400.0 - 600.0  # ten minutes to midnight UTC
    tomorrow = world.clock.now + 600.0
    assert tomorrow % DAY == 0
    refused(client.ask(), "has had its 1 task of Transit timing for today", 600)
    world.clock.now = tomorrow + 1.0
    assert len(client.ask().results) == 1
    refused(client.ask(), "has had its 1 task of Transit timing for today", DAY - 1.0)


def test_the_quota_counts_every_processor(world: Any, campaign: int) -> None:
    world.workunits(10, campaign=campaign)
    client = world.client()
    client.ask()
    with world.database.write() as session:
        from server.models import HostAppVersion

        session.query(HostAppVersion).one().max_jobs_per_day = 2
    assert len(client.ask(seconds=1e6, instances=9.0).results) == 3  # 2 processors, one had
    assert "2 x" not in client.ask().messages[0].text
    assert "4 tasks of Transit timing" in client.ask().messages[0].text


def test_enough_in_progress(world: Any, campaign: int) -> None:
    world.workunits(20, campaign=campaign)
    client = world.client()
    assert len(client.ask(seconds=1e6, instances=2.0).results) == 16  # 8 for each processor
    refused(client.ask(), "has 16 tasks in progress, and 16 is the most", 60)
    client.report(client.hand[0])
    assert len(client.ask(seconds=1e6, instances=2.0).results) == 1


def test_several_reasons_are_all_told(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign, rsc_memory_bound=1e12)
    world.workunits(1, campaign=campaign, rsc_disk_bound=1e14)
    reply = world.client().ask()
    texts = [message.text for message in reply.messages]
    assert len(texts) == 2
    assert "memory" in texts[0]
    assert "disk" in texts[1]
    assert "asks again" in texts[-1]
    assert "asks again" not in texts[0]


def test_a_key_that_was_never_ours(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    reply = world.client(code_sign_key="1024\nabcd\n.").ask()
    refused(reply, "another code-signing key", DAY)
    assert reply.code_sign_key == ""
    assert reply.messages[0].priority == "notice"
