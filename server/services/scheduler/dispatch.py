"""New work: which results a host gets, and if none, why.

Candidates come in bounded windows over the index of UNSENT results: highest priority first, oldest
first. If nothing in the first window suits the host, a second is looked at from where the last
fruitless search of this process ended (`Cursor`): so no host walks the whole queue, and yet no part
of it stays unseen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from boinc_project.lifecycle.result import handle
from boinc_project.lifecycle.result_events import Sent
from boinc_project.lifecycle.state import ResultState
from boinc_project.lifecycle.trust import is_proven, replication_rate
from boinc_project.protocol.request import SchedulerRequest
from boinc_project.settings import SchedulerSection, TrustSection
from boinc_project.states import CampaignState
from server.services.scheduler import reasons, statements
from server.services.scheduler.alike import host_class
from server.services.scheduler.books import Books
from server.services.scheduler.catalogue import Catalogue, Version
from server.services.scheduler.reasons import Kind, Reason
from server.services.scheduler.sending import Assignment

WINDOW = 64
"""Most candidates of one look. At some 5 microseconds a row this bounds a fruitless RPC to about a
millisecond."""
FIRST_WINDOW = 8
"""Candidates of the first look beyond those wanted: the head of the queue suits nearly every host,
and rows that nobody takes only cost time."""
LOOKS = 4
"""Most windows of one RPC."""

TOP = 2**31 - 1
"""Above any priority."""


SENDING = frozenset({CampaignState.ACTIVE, CampaignState.COMPLETE})
"""Campaigns whose results are sent. A complete one has withdrawn what nobody had begun: what is
left is the second opinion that a volunteer who did compute waits for."""


class Cursor:
    """Where the last fruitless search of this process ended; shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._place = (TOP, 0)

    def get(self) -> tuple[int, int]:
        """Return (priority, id): a search goes on behind it."""
        with self._lock:
            return self._place

    def move(self, place: tuple[int, int]) -> None:
        """Go on from another place next time."""
        with self._lock:
            self._place = place


@dataclass(slots=True)
class Wish:
    """What is still to be filled of a work request."""

    seconds: float
    instances: float
    count: int
    disk: float

    @property
    def open(self) -> bool:
        """Whether another result is wanted."""
        return self.count > 0 and (self.seconds > 0 or self.instances > 0)

    def fill(self, duration: float, disk: float) -> None:
        """Take a result in."""
        self.seconds -= duration
        self.instances -= 1
        self.count -= 1
        self.disk -= disk


@dataclass(slots=True)
class Dispatch:
    """One host's search for work.

    Attributes
    ----------
    hostid, userid : int
        For whom.
    settings : SchedulerSection
        The project's rules.
    now : float
        Epoch seconds.
    trust : TrustSection
        Whom to believe.
    secret : Callable[[], int]
        Returns 128 random bits that nobody outside knows.
    """

    connection: Connection
    books: Books
    catalogue: Catalogue
    request: SchedulerRequest
    settings: SchedulerSection
    hostid: int
    userid: int
    now: float
    trust: TrustSection
    secret: Callable[[], int]
    found: list[Assignment] = field(default_factory=list)
    reasons: dict[Kind, Reason] = field(default_factory=dict)
    _units: set[int] = field(default_factory=set)

    def run(self, in_progress: int, cursor: Cursor) -> None:
        """Fill `found`; if that stays empty, `reasons` say why.

        Parameters
        ----------
        in_progress : int
            Results that the host holds.
        cursor : Cursor
            Where fruitless searches go on.
        """
        n_cpus = self.request.host.p_ncpus
        limit = self.settings.max_in_progress_per_cpu * n_cpus
        if in_progress >= limit:
            self._note(reasons.in_progress(in_progress, limit))
            return
        self.books.load_records([self.hostid])
        work = self.request.work
        wish = Wish(
            seconds=work.seconds,
            instances=work.instances,
            count=min(limit - in_progress, self.settings.max_results_per_rpc),
            disk=self._usable_disk(),
        )
        self._search(wish, cursor)
        if not self.found and not self.reasons:
            self._note(reasons.nothing())

    def _search(self, wish: Wish, cursor: Cursor) -> None:
        """Look at window after window, until the wish is filled or enough was seen."""
        place, n = (TOP, 0), min(FIRST_WINDOW + self._estimated_count(wish), WINDOW)
        jumped = False
        for _ in range(LOOKS):
            rows, before = self._window(place, n), len(self.found)
            for row in rows:
                if not wish.open:
                    break
                self._consider(row, wish)
            fruitful = len(self.found) > before
            if not wish.open or (jumped and fruitful):
                if jumped and fruitful:
                    cursor.move(place)  # the next host's second look begins here
                return
            if len(rows) == n:
                place = (rows[-1].priority, rows[-1].id)
                if not fruitful and not jumped:
                    place, jumped = max(place, cursor.get(), key=_far), True
            elif rows:
                place = (rows[0].priority - 1, 0)  # this priority is exhausted
            elif place[1]:
                place = (place[0] - 1, 0)  # nothing behind this place: on with lower priorities
            else:
                cursor.move((TOP, 0))  # the end of the queue: begin anew
                return
            n = WINDOW
        cursor.move(place)

    def _window(self, place: tuple[int, int], n: int) -> Sequence[Any]:
        return statements.window.all(
            self.connection,
            {
                "priority": place[0],
                "after": place[1],
                "n": n,
                "userid": self.userid,
                "hostid": self.hostid,
            },
        )

    def _estimated_count(self, wish: Wish) -> int:
        # Tasks are sized to about half an hour; a wrong guess costs one more look.
        return int(min(wish.count, max(wish.instances, wish.seconds / 1800.0)))

    def _consider(self, row: Any, wish: Wish) -> None:
        if row.workunitid in self._units or row.error_mask or row.canonical_resultid is not None:
            return  # the transitioner will end it
        version = self._suitable(row, wish)
        if isinstance(version, Reason):
            self._note(version)
            return
        if not self._fix_class(row, version):
            return  # another process gave it to another kind of host
        deadline = self.now + row.delay_bound
        columns = self._sent_columns(row, version, deadline)
        if statements.take.run(self.connection, columns) != 1:
            return  # another process was quicker
        before = ResultState(instance=row.instance)
        event = Sent(
            self.now,
            self.hostid,
            self.userid,
            deadline,
            grace=self.settings.report_grace_period,
            replicate=self._must_replicate(row, version),
        )
        after, effects = handle(before, event)
        self.books.enter(row, before, after, effects)
        self.books.count_job(self.hostid, version.id)
        self._units.add(row.workunitid)
        self.found.append(Assignment(row, version, deadline))
        wish.fill(self._duration(row, version), row.rsc_disk_bound)

    def _suitable(self, row: Any, wish: Wish) -> Version | Reason:
        """Return the version to send the result with, or why the result does not suit."""
        if row.campaign_state not in SENDING:
            return reasons.not_active(row.campaign_title, row.campaign_state)
        if row.host_has_copy or (row.user_has_copy and self.settings.one_result_per_user_per_wu):
            return reasons.own_copy()
        platforms = self.request.platforms
        version = self.catalogue.best(row.appid, platforms, row.min_app_version)
        if version is None:
            return self._no_version(row)
        if row.only_version and row.only_version != version.id:
            fixed = self.catalogue.by_id.get(row.only_version)
            if fixed is None or fixed.platform not in platforms:
                return reasons.unlike_version()
            version = fixed
        if row.hr_class and row.hr_class != self._class(version):
            return reasons.unlike_computer()
        if version.homogeneous_redundancy and not self._class(version):
            return reasons.unlike_computer()
        if row.canary and not self._may_try(row, version):
            return reasons.canary(row.campaign_title)
        usable = self._usable_memory()
        if row.rsc_memory_bound > usable:
            return reasons.memory(row.rsc_memory_bound, usable)
        if row.rsc_disk_bound > wish.disk:
            return reasons.disk(row.rsc_disk_bound, wish.disk)
        wait = self.request.work.estimated_delay + self._duration(row, version)
        if wait > row.delay_bound:
            return reasons.deadline(wait, row.delay_bound)
        n_cpus = self.request.host.p_ncpus
        if self.books.room_today(self.hostid, version.id, n_cpus) <= 0:
            limit = self.books.limit_today(self.hostid, version.id, n_cpus)
            return reasons.quota(version.app.user_friendly_name, limit)
        return version

    def _class(self, version: Version) -> int:
        """Return the host's class of alike hosts, 0 if it is not known or does not matter."""
        return host_class(self.request.host, version.homogeneous_redundancy)

    def _fix_class(self, row: Any, version: Version) -> bool:
        """Keep the workunit for this class of hosts or app version, where the app wants that."""
        if not (version.homogeneous_redundancy or version.homogeneous_app_version):
            return True
        only = version.id if version.homogeneous_app_version else 0
        columns = {
            "workunit_id": row.workunitid,
            "of_host": self._class(version),
            "of_version": only,
            "new_class": self._class(version),
            "new_version": only,
        }
        return statements.fix_class.run(self.connection, columns) == 1

    def _may_try(self, row: Any, version: Version) -> bool:
        """Whether the host may have a task of a campaign that is being tried."""
        if row.generation > 0 or row.unit_index >= row.canary:
            return False
        if not self.now < row.campaign_time + self.trust.canary_patience:
            return True
        if row.appid in self.catalogue.proven and not is_proven(
            self.books.record(self.hostid, version.id)
        ):
            return False
        return not self._tries(row)

    def _tries(self, row: Any) -> bool:
        """Whether the host holds one of a trial's tasks: one that never reports must not hold all.

        ``openastro simulate`` found it: a computer that had taken the second copies of all five
        units, and left, kept 8,000 units waiting for its deadline.
        """
        if any(one.row.campaign_id == row.campaign_id for one in self.found):
            return True
        values = {"hostid": self.hostid, "campaign": row.campaign_id, "canary": row.canary}
        return statements.tries.first(self.connection, values) is not None

    def _must_replicate(self, row: Any, version: Version) -> bool:
        """Whether others must confirm the result: by the host's record, and by a secret draw."""
        if row.min_quorum >= row.full_quorum:
            return False
        record = self.books.record(self.hostid, version.id)
        rate = replication_rate(record, floor=self.trust.replication_floor)
        return self.secret() < rate * 2.0**128

    def _note(self, reason: Reason) -> None:
        self.reasons.setdefault(reason.kind, reason)

    def _no_version(self, row: Any) -> Reason:
        if self.catalogue.runs_on(row.appid, self.request.platforms):
            newest = self.catalogue.best(row.appid, self.request.platforms, 0)
            assert newest is not None
            return reasons.old_version(newest.app.user_friendly_name)
        return reasons.platform(self.request.platforms)

    def _duration(self, row: Any, version: Version) -> float:
        """Return the estimated seconds until done, for a computer that is not always on."""
        stats = self.request.time_stats
        flops = version.speed(self.request.host.p_fpops)
        return float(row.rsc_fpops_est) / flops / (stats.on_frac * stats.active_frac)

    def _usable_memory(self) -> float:
        preferences = self.request.preferences
        percentage = max(preferences.ram_max_used_busy_pct, preferences.ram_max_used_idle_pct)
        return self.request.host.m_nbytes * percentage / 100.0

    def _usable_disk(self) -> float:
        disk, free = self.request.disk, self.request.host.d_free
        if disk.d_project_share is None:
            return free
        return min(free, max(disk.d_project_share - disk.d_boinc_used_project, 0.0))

    def _sent_columns(self, row: Any, version: Version, deadline: float) -> dict[str, Any]:
        return {
            "result_id": row.id,
            "hostid": self.hostid,
            "userid": self.userid,
            "app_version_id": version.id,
            "sent_time": self.now,
            "report_deadline": deadline,
        }


def _far(place: tuple[int, int]) -> tuple[int, int]:
    """Order places as a search meets them: lower priorities and higher ids are further on."""
    return -place[0], place[1]
