"""Why a host gets no work: one plain sentence each, and when asking again makes sense."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Kind(IntEnum):
    """Reasons, the one that the volunteer can act upon first."""

    ANONYMOUS = 0
    """The volunteer brings their own application."""
    WRONG_KEY = 1
    """The client trusts another code-signing key."""
    PLATFORM = 2
    """No app version for any of the host's platforms."""
    OLD_VERSION = 3
    """The newest version for the platform is too old for the work."""
    MEMORY = 4
    """The work needs more memory than the client may use."""
    DISK = 5
    """The work needs more disk space than the client may use."""
    DEADLINE = 6
    """The computer would not be done before the deadline."""
    QUOTA = 7
    """The host has had its results of today."""
    IN_PROGRESS = 8
    """The host holds as many results as it may."""
    RESENT = 9
    """Lost results were sent again instead of new ones."""
    OWN_COPY = 10
    """The user computes another copy of the same work already."""
    UNLIKE = 11
    """The work's other copies are on another kind of computer, or another app version."""
    CANARY = 12
    """The campaign's first tasks are out to hosts with a record; the others follow."""
    NOT_ACTIVE = 13
    """The campaign is paused or has ended."""
    NOTHING = 14
    """There is no work at all at present."""


HOUR = 3600.0
DAY = 86400.0

_DELAYS = {
    Kind.ANONYMOUS: DAY,
    Kind.WRONG_KEY: DAY,
    Kind.PLATFORM: DAY,
    Kind.OLD_VERSION: HOUR,
    Kind.MEMORY: HOUR,
    Kind.DISK: HOUR,
    Kind.DEADLINE: HOUR,
}
"""Seconds after which the cause may have gone: a new release, changed preferences. The stock server
waits a day for what only a release can change (``sched/sched_main.h``)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason.

    Attributes
    ----------
    kind : Kind
        Which.
    text : str
        For the volunteer: what is the matter, and what they can do, if anything.
    """

    kind: Kind
    text: str


def anonymous() -> Reason:
    """Return the reason for clients with an app_info.xml."""
    return Reason(
        Kind.ANONYMOUS,
        "No work: your client uses its own application (app_info.xml), and this project checks "
        "results against its own signed programs only. Remove app_info.xml to get work.",
    )


def wrong_key() -> Reason:
    """Return the reason for clients that hold an unknown code-signing key."""
    return Reason(
        Kind.WRONG_KEY,
        "No work: your client knows another code-signing key for this project, so it would refuse "
        "our programs. Remove the project in your client and add it again.",
    )


def platform(platforms: Iterable[str]) -> Reason:
    """Return the reason for hosts that no app version runs on."""
    return Reason(
        Kind.PLATFORM,
        f"No work: there is no application for your platform ({', '.join(platforms)}) yet.",
    )


def old_version(app: str) -> Reason:
    """Return the reason for work that needs an app version not yet published here."""
    return Reason(
        Kind.OLD_VERSION,
        f"No work: the work at hand needs a newer version of {app} than there is for your "
        "platform yet.",
    )


def memory(needed: float, usable: float) -> Reason:
    """Return the reason for hosts with too little memory; bytes."""
    return Reason(
        Kind.MEMORY,
        f"No work: a task needs {_mb(needed)} MB of memory and your computer lets BOINC use "
        f"{_mb(usable)} MB. You can raise that in your computing preferences.",
    )


def disk(needed: float, usable: float) -> Reason:
    """Return the reason for hosts with too little disk space; bytes."""
    return Reason(
        Kind.DISK,
        f"No work: a task needs {_mb(needed)} MB of disk space and your computer lets this project "
        f"use {_mb(usable)} MB. You can raise that in your computing preferences.",
    )


def deadline(duration: float, delay_bound: float) -> Reason:
    """Return the reason for hosts too slow or too busy; seconds."""
    return Reason(
        Kind.DEADLINE,
        f"No work: a task would be done in about {_hours(duration)} hours on your computer, after "
        f"its deadline of {_hours(delay_bound)} hours.",
    )


def quota(app: str, limit: int) -> Reason:
    """Return the reason for hosts that have had their share of today."""
    words = "1 task" if limit == 1 else f"{limit} tasks"
    return Reason(
        Kind.QUOTA,
        f"No work: your computer has had its {words} of {app} for today (UTC). The limit shrinks "
        "when tasks fail and grows again with every good one.",
    )


def in_progress(held: int, limit: int) -> Reason:
    """Return the reason for hosts that hold enough."""
    return Reason(
        Kind.IN_PROGRESS,
        f"No new work: your computer has {held} tasks in progress, and {limit} is the most for it. "
        "It gets more as it reports them.",
    )


def resent(count: int) -> Reason:
    """Return the words for lost results that were sent again."""
    words = "1 task" if count == 1 else f"{count} tasks"
    return Reason(Kind.RESENT, f"Your computer had lost {words}; sent again instead of new ones.")


def own_copy() -> Reason:
    """Return the reason for users who would check their own results."""
    return Reason(
        Kind.OWN_COPY,
        "No work: all tasks at hand are second copies of what you compute or computed yourself; "
        "another volunteer has to check those.",
    )


def not_active(campaign: str, state: str) -> Reason:
    """Return the reason for work of a campaign that is paused, cancelled or complete."""
    return Reason(Kind.NOT_ACTIVE, f"No work: the campaign “{campaign}” is {state}.")


def unlike_computer() -> Reason:
    """Return the reason for work that another class of hosts has begun."""
    return Reason(
        Kind.UNLIKE,
        "No work: the tasks at hand were begun on computers of another kind (system and "
        "processor), and their results are only compared with those of the same kind.",
    )


def unlike_version() -> Reason:
    """Return the reason for work that another app version has begun."""
    return Reason(
        Kind.UNLIKE,
        "No work: the tasks at hand were begun with another version of the application, and all "
        "results of a task must come from the same one.",
    )


def canary(campaign: str) -> Reason:
    """Return the reason for work of a campaign that is being tried."""
    return Reason(
        Kind.CANARY,
        f"No work: the campaign “{campaign}” is new. Its first tasks go to computers with a long "
        "record of valid results, one to each; the others follow when those are good.",
    )


def audit_failed(app: str) -> str:
    """Return the words for the owner of a host of which a result failed its audit."""
    return (
        f"A part of a task of {app} that your computer returned was computed again on our server "
        "and came out differently, so the task is not valid. What this computer alone had computed "
        "is computed again by others, and all its tasks are compared with others' until its record "
        "is long enough. Overclocking, heat or faulty memory are common causes: please look "
        "at the computer. Its page on our site shows its record."
    )


def nothing() -> Reason:
    """Return the reason when nothing waits to be sent."""
    return Reason(Kind.NOTHING, "No work is available at present.")


def retry_after(kinds: Iterable[Kind], *, no_work_delay: float, until_tomorrow: float) -> float:
    """Return the seconds after which a host should ask again.

    The soonest that any of the reasons may have gone.

    Parameters
    ----------
    no_work_delay : float
        The project's setting.
    until_tomorrow : float
        Seconds until quotas start anew.
    """
    delays = [
        until_tomorrow if kind is Kind.QUOTA else _DELAYS.get(kind, no_work_delay) for kind in kinds
    ]
    return max(min(delays, default=no_work_delay), no_work_delay)


def when(delay: float) -> str:
    """Return a delay in words."""
    if delay < 120:
        return f"{delay:.0f} seconds"
    if delay < 2 * HOUR:
        return f"{delay / 60:.0f} minutes"
    return f"{delay / HOUR:.0f} hours"


def _mb(nbytes: float) -> str:
    return f"{nbytes / 1e6:.0f}"


def _hours(seconds: float) -> str:
    return f"{seconds / HOUR:.1f}"
