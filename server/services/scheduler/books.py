"""What one RPC does to other rows than results: collected on the way, written at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from boinc_project.lifecycle.effects import (
    CreateResults,
    Effect,
    GrantCredit,
    HostDeed,
    JudgeHost,
    RecordEvent,
    RequireQuorum,
    RevokeCredit,
    ScheduleTransition,
)
from boinc_project.lifecycle.host_record import HostRecord, judge
from boinc_project.lifecycle.state import ResultState
from server.services.effects import cannot, carry_out, story_row
from server.services.scheduler import statements

ACTOR = "scheduler"
_RECORD = tuple(HostRecord.__dataclass_fields__)
DAY = 86400.0
"""Seconds; quotas count days of UTC."""

Key = tuple[int, int]
"""A host and an app version."""


@dataclass(frozen=True, slots=True)
class DailyRecord:
    """How a host fares with an app version, and what it got today."""

    record: HostRecord = field(default_factory=HostRecord)
    n_jobs_today: int = 0
    quota_day: int = 0

    def jobs_on(self, day: int) -> int:
        """Return how many results it got on a day."""
        return self.n_jobs_today if self.quota_day == day else 0


class Books:
    """The rows that change besides results.

    Parameters
    ----------
    connection : Connection
        The RPC's transaction.
    daily_quota : int
        The project's ``daily_result_quota``.
    now : float
        Epoch seconds.
    """

    def __init__(self, connection: Connection, *, daily_quota: int, now: float) -> None:
        self._connection = connection
        self._daily_quota = daily_quota
        self._now = now
        self._records: dict[Key, DailyRecord] = {}
        self._changed: set[Key] = set()
        self._hosts: set[int] = set()
        self._transitions: dict[int, float] = {}
        self._quorums: dict[int, float] = {}
        self._events: list[dict[str, Any]] = []

    def load_records(self, hosts: Iterable[int]) -> None:
        """Read the records of these hosts, once."""
        for host in sorted(set(hosts) - self._hosts):
            self._hosts.add(host)
            for row in statements.records_of_host.all(self._connection, {"host_id": host}):
                self._records[host, row.app_version_id] = DailyRecord(
                    HostRecord(**{name: getattr(row, name) for name in _RECORD}),
                    row.n_jobs_today,
                    row.quota_day,
                )

    def record(self, host: int, app_version: int) -> HostRecord:
        """Return how a host whose records are loaded fares with an app version."""
        return self._records.get((host, app_version), DailyRecord()).record

    def take_notices(self, host: int) -> list[int]:
        """Return the app versions of which the owner is to be told something, and note that."""
        told = [key for key, kept in self._records.items() if key[0] == host and kept.record.notice]
        for key in told:
            kept = self._records[key]
            self._records[key] = replace(kept, record=replace(kept.record, notice=False))
            self._changed.add(key)
        return sorted(version for _, version in told)

    def limit_today(self, host: int, app_version: int, n_cpus: int) -> int:
        """Return how many results the host may get of an app version in a day.

        The daily quota is for each processor, except that a quota of 1 is what it says: a host
        that only fails gets one result a day (``sched/sched_version.cpp``).
        """
        kept = self._records.get((host, app_version), DailyRecord())
        quota = kept.record.max_jobs_per_day or self._daily_quota
        return quota * n_cpus if quota > 1 else 1

    def room_today(self, host: int, app_version: int, n_cpus: int) -> int:
        """Return how many more results the host may get of an app version today."""
        kept = self._records.get((host, app_version), DailyRecord())
        return self.limit_today(host, app_version, n_cpus) - kept.jobs_on(self._day)

    def count_job(self, host: int, app_version: int) -> None:
        """Count one result sent today."""
        kept = self._records.get((host, app_version), DailyRecord())
        self._records[host, app_version] = replace(
            kept, n_jobs_today=kept.jobs_on(self._day) + 1, quota_day=self._day
        )
        self._changed.add((host, app_version))

    def enter(
        self,
        row: Any,
        before: ResultState,
        after: ResultState,
        effects: Sequence[Effect],
    ) -> None:
        """Take in what a step of the life cycle wants done.

        Parameters
        ----------
        row : Row
            The result's row, with its workunit's ``campaign_id``.
        before, after : ResultState
            The result's state before and after the step.
        effects : Sequence[Effect]
            The step's effects.

        Raises
        ------
        StateError
            If an effect takes more than one result; then nothing may be committed.
        """
        carry_out(effects, ResultEffects(self, row, before, after))

    def schedule(self, workunit: int, at: float) -> None:
        """Have the transitioner look at a workunit no later than `at` (epoch seconds)."""
        self._transitions[workunit] = min(at, self._transitions.get(workunit, at))

    def require_quorum(self, workunit: int, at: float) -> None:
        """Have others confirm a workunit's results; the transitioner looks at `at`."""
        self._quorums[workunit] = min(at, self._quorums.get(workunit, at))

    def judge(self, key: Key, deed: HostDeed) -> None:
        """Change the record of a host with an app version."""
        self.load_records([key[0]])
        kept = self._records.get(key, DailyRecord())
        record = judge(kept.record, deed, daily_quota=self._daily_quota)
        self._records[key] = replace(kept, record=record)
        self._changed.add(key)

    def tell(self, event: dict[str, Any]) -> None:
        """Append a row to the story."""
        self._events.append(event)

    def write(self) -> None:
        """Write everything; the caller commits."""
        if self._changed:
            rows = [
                {
                    "host_id": host,
                    "app_version_id": version,
                    "n_jobs_today": kept.n_jobs_today,
                    "quota_day": kept.quota_day,
                    **{name: getattr(kept.record, name) for name in _RECORD},
                }
                for (host, version) in sorted(self._changed)
                for kept in [self._records[host, version]]
            ]
            statements.keep_record.run_many(self._connection, rows)
        if self._transitions:
            # In one order for everybody: two RPCs cannot wait for each other.
            statements.look_again.run_many(
                self._connection,
                [{"workunit_id": one, "at": at} for one, at in sorted(self._transitions.items())],
            )
        if self._quorums:
            statements.require_quorum.run_many(
                self._connection,
                [{"workunit_id": one, "at": at} for one, at in sorted(self._quorums.items())],
            )
        if self._events:
            statements.tell.run_many(
                self._connection,
                [event | {"data": _json(event["data"])} for event in self._events],
            )

    @property
    def _day(self) -> int:
        return int(self._now // DAY)


@dataclass(slots=True)
class ResultEffects:
    """The effects of one event of a single result, entered into books; an `EffectStore`.

    Results are created, and credit is given and taken back, where all of a workunit is loaded.
    """

    books: Books
    row: Any
    """The result's row, with its workunit's ``campaign_id``."""
    before: ResultState
    after: ResultState

    def schedule_transition(self, effect: ScheduleTransition) -> None:
        """Have the transitioner look at the workunit, if it was not to look earlier."""
        self.books.schedule(self.row.workunitid, effect.time)

    def require_quorum(self, effect: RequireQuorum) -> None:
        """Have others confirm the workunit's results, unless there is an answer."""
        self.books.require_quorum(self.row.workunitid, effect.time)

    def judge_host(self, effect: JudgeHost) -> None:
        """Change the host's record; a result that was computed by no known version has none."""
        host, version = self.after.host, self.row.app_version_id
        if host is not None and version is not None:
            self.books.judge((host, version), effect.deed)

    def record_event(self, effect: RecordEvent) -> None:
        """Append a row to the story."""
        row = self.row
        self.books.tell(
            story_row(
                effect,
                actor=ACTOR,
                campaign=row.campaign_id,
                workunit=row.workunitid,
                result=row.id,
                before=self.before,
                after=self.after,
            )
        )

    def create_results(self, effect: CreateResults) -> None:
        """Refuse: it takes all results of a workunit to know which are wanted."""
        raise cannot(self, effect)

    def grant_credit(self, effect: GrantCredit) -> None:
        """Refuse: users and hosts are not loaded."""
        raise cannot(self, effect)

    def revoke_credit(self, effect: RevokeCredit) -> None:
        """Refuse: users and hosts are not loaded."""
        raise cannot(self, effect)


def _json(data: dict[str, Any] | None) -> str | None:
    return None if data is None else json.dumps(data)
