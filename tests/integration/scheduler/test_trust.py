"""Whom the scheduler believes, and which computers it takes for alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from boinc_project.protocol.request import HostInfo
from server.models import App, CampaignRow, HostAppVersion
from server.project import EXTENSION
from server.services.scheduler.alike import Redundancy, host_class

FIRST = "kepler-9_g0_u000"
NEVER = 2**128 - 1
DAY = 86400.0


def believe(world: Any, client: Any, **record: int) -> None:
    """Give a client's host a record with the only app version."""
    if not client.hostid:
        client.rpc()
    world.add(HostAppVersion(host_id=client.hostid, app_version_id=1, **record))


@pytest.fixture
def bits(world: Any) -> list[int]:
    """Return the list whose only number is what the secret generator draws."""
    drawn = [NEVER]
    world.app.extensions[EXTENSION].secret = lambda: drawn[0]
    return drawn


ALONE = {"min_quorum": 1, "target_nresults": 1, "full_quorum": 2}


def test_a_host_without_a_record_needs_a_second_opinion(
    world: Any, campaign: int, bits: list[int]
) -> None:
    world.workunits(1, campaign=campaign, **ALONE)
    assert len(world.client().ask().results) == 1
    row = world.workunit(FIRST)
    assert (row.min_quorum, row.target_nresults) == (2, 2)
    assert row.transition_time == world.clock.now, "the transitioner makes the second copy"


def test_a_proven_host_computes_alone(world: Any, campaign: int, bits: list[int]) -> None:
    world.workunits(1, campaign=campaign, **ALONE)
    client = world.client()
    believe(world, client, consecutive_valid=10)
    assert len(client.ask().results) == 1
    assert world.workunit(FIRST).min_quorum == 1


def test_a_proven_host_is_replicated_when_the_draw_falls_on_it(
    world: Any, campaign: int, bits: list[int]
) -> None:
    world.workunits(1, campaign=campaign, **ALONE)
    client = world.client()
    believe(world, client, consecutive_valid=10_000)
    bits[0] = int(0.019 * 2.0**128)  # below the floor of 0.02, far above 1 / 10,000
    client.ask()
    assert world.workunit(FIRST).min_quorum == 2


def test_after_a_failed_audit_the_record_must_be_longer(
    world: Any, campaign: int, bits: list[int]
) -> None:
    world.workunits(1, campaign=campaign, **ALONE)
    client = world.client()
    believe(world, client, consecutive_valid=29, n_audit_failed=1)
    client.ask()
    assert world.workunit(FIRST).min_quorum == 2


def test_an_answered_workunit_keeps_its_quorum(world: Any, campaign: int, bits: list[int]) -> None:
    world.workunits(1, campaign=campaign, **ALONE | {"full_quorum": 1})
    world.client().ask()
    assert world.workunit(FIRST).min_quorum == 1


def test_the_owner_is_told_once_of_a_failed_audit(
    world: Any, campaign: int, bits: list[int]
) -> None:
    client = world.client()
    believe(world, client, notice=True, n_audit_failed=1)
    first = [message for message in client.ask().messages if message.priority == "notice"]
    assert len(first) == 1
    assert "computed again on our server" in first[0].text
    assert "Transit timing" in first[0].text
    assert not [one for one in client.ask().messages if one.priority == "notice"]


def test_a_canary_goes_to_proven_hosts_and_holds_the_rest_back(
    world: Any, campaign: int, bits: list[int]
) -> None:
    world.workunits(4, campaign=campaign, copies=2)
    world.change(CampaignRow, "kepler-9", canary=1)
    proven, newcomer = world.client(), world.client()
    believe(world, proven, consecutive_valid=10)
    world.app.extensions[EXTENSION].clock.forward(2.0)  # the catalogue is read again
    refused = newcomer.ask(seconds=1e6)
    assert refused.results == ()
    assert "is new" in " ".join(message.text for message in refused.messages)
    assert [one.name for one in proven.ask(seconds=1e6).results] == [f"{FIRST}_0"]
    world.clock.forward(DAY)
    assert [one.name for one in newcomer.ask(seconds=1e6).results] == [f"{FIRST}_1"]
    world.change(CampaignRow, "kepler-9", canary=0)
    assert len(newcomer.ask(seconds=1e6).results) > 1


def test_a_canary_does_not_wait_where_nobody_is_proven(
    world: Any, campaign: int, bits: list[int]
) -> None:
    world.workunits(4, campaign=campaign)
    world.change(CampaignRow, "kepler-9", canary=1)
    assert [one.name for one in world.client().ask(seconds=1e6).results] == [f"{FIRST}_0"]


def test_one_computer_holds_one_task_of_a_canary_at_a_time(
    world: Any, campaign: int, bits: list[int]
) -> None:
    world.workunits(4, campaign=campaign)
    world.change(CampaignRow, "kepler-9", canary=3)
    first, second = world.client(), world.client()
    assert len(first.ask(seconds=1e6).results) == 1
    assert first.ask(seconds=1e6).results == ()
    assert len(second.ask(seconds=1e6).results) == 1
    world.clock.forward(DAY)  # longer than `canary_patience`: better one computer than none
    assert len(first.ask(seconds=1e6).results) == 1


LINUX_INTEL = HostInfo(os_name="Linux Debian", p_vendor="GenuineIntel", p_model="i5 [Family 6]")


@pytest.mark.parametrize(
    ("host", "fine", "coarse"),
    [
        (LINUX_INTEL, True, True),
        (replace(LINUX_INTEL, os_name="Linux Ubuntu"), True, True),
        (replace(LINUX_INTEL, p_model="P4 [Family 15]"), False, True),
        (replace(LINUX_INTEL, p_vendor="AuthenticAMD", p_model="Ryzen [Family 23]"), False, True),
        (replace(LINUX_INTEL, os_name="Microsoft Windows 11"), False, False),
        (replace(LINUX_INTEL, p_vendor="ARM", p_model="Cortex-A72"), False, False),
    ],
)
def test_classes(host: HostInfo, fine: bool, coarse: bool) -> None:
    for redundancy, same in ((Redundancy.FINE, fine), (Redundancy.COARSE, coarse)):
        assert (host_class(host, redundancy) == host_class(LINUX_INTEL, redundancy)) is same
        assert host_class(host, redundancy) != 0
    assert host_class(host, Redundancy.NONE) == 0


def test_a_computer_that_does_not_say_what_it_is_has_no_class() -> None:
    assert host_class(replace(LINUX_INTEL, p_vendor="", p_model="CPU"), Redundancy.FINE) == 0
    assert host_class(replace(LINUX_INTEL, os_name="Plan 9"), Redundancy.COARSE) == 0


def alike_client(world: Any, client: Any, **changes: str) -> Any:
    """Make a client's computer say what it is."""
    client.host = replace(
        client.host, **({"os_name": "Linux", "p_vendor": "GenuineIntel"} | changes)
    )
    return client


def test_homogeneous_redundancy_sends_copies_to_computers_alike(world: Any, campaign: int) -> None:
    world.change(App, "ttv", homogeneous_redundancy=Redundancy.COARSE)
    world.workunits(1, campaign=campaign, copies=3)
    linux = alike_client(world, world.client())
    windows = alike_client(world, world.client(), os_name="Microsoft Windows 11")
    unknown = alike_client(world, world.client(), os_name="", p_vendor="")
    assert unknown.ask().results == ()
    assert len(linux.ask().results) == 1
    fixed = world.workunit(FIRST).hr_class
    assert fixed == host_class(linux.host, Redundancy.COARSE)
    reply = windows.ask()
    assert reply.results == ()
    assert "another kind" in " ".join(message.text for message in reply.messages)
    amd = alike_client(world, world.client(), p_vendor="AuthenticAMD")
    assert len(amd.ask().results) == 1
    assert world.workunit(FIRST).hr_class == fixed


def test_homogeneous_app_version_keeps_to_the_first_version(world: Any, campaign: int) -> None:
    world.change(App, "ttv", homogeneous_app_version=True)
    world.workunits(1, campaign=campaign, copies=3)
    assert world.client().ask().results[0].version_num == 100
    world.app_version(101)
    world.app_version(100, platform="windows_x86_64")
    world.clock.forward(2.0)
    assert world.client().ask().results[0].version_num == 100, "though there is a newer one"
    other = world.client(platforms=("windows_x86_64",)).ask()
    assert other.results == ()
    assert "another version" in " ".join(message.text for message in other.messages)
    world.workunits(1, campaign=campaign)
    assert world.client().ask().results[0].version_num == 100
