"""The same events give the same rows through both stores: loaded rows, and the scheduler's books.

Two workunits that are alike live in one database. Every event happens to one of them as daemons
write it (`server.services.lifecycle.apply`), to the other as the scheduler does
(`server.services.scheduler.in_hand.step`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from boinc_project.campaign import Quorum
from boinc_project.errors import StateError
from boinc_project.lifecycle import result_events as events
from boinc_project.lifecycle.effects import (
    CreateResults,
    Effect,
    EventKind,
    GrantCredit,
    HostDeed,
    JudgeHost,
    RecordEvent,
    RequireQuorum,
    RevokeCredit,
    ScheduleTransition,
)
from boinc_project.lifecycle.state import NEVER, new_workunit
from boinc_project.lifecycle.step import on_result
from boinc_project.lifecycle.transition import Transition
from boinc_project.lifecycle.workunit import Assimilated, Cancelled, OnResult, OwnEvent
from boinc_project.settings import Settings
from boinc_project.states import ClientState, ServerState
from server.db import Database
from server.models import (
    App,
    AppVersion,
    CampaignRow,
    Event,
    Host,
    HostAppVersion,
    Result,
    User,
    Workunit,
)
from server.services.effects import EffectStore, carry_out
from server.services.lifecycle import apply, load
from server.services.row_effects import RowEffects
from server.services.scheduler import statements
from server.services.scheduler.books import Books, ResultEffects
from server.services.scheduler.in_hand import step
from server.services.state_rows import LIMIT_COLUMNS, RESULT_COLUMNS, WORKUNIT_COLUMNS
from tests.property.lifecycle.test_machine import all_limits

START = 1_700_000_000.0
GRACE = 50.0
DAILY_QUOTA = 5
SETTINGS = Settings.model_validate({"scheduler": {"daily_result_quota": DAILY_QUOTA}})

MakeEvent = Callable[[float, int, int], OwnEvent]
"""Returns an event, given the time, a host and its user."""


def _sent(replicate: bool, span: float) -> MakeEvent:
    return lambda now, host, user: events.Sent(
        now, host, user, now + span, GRACE, replicate=replicate
    )


def _reported(success: bool, exit_status: int) -> MakeEvent:
    state = ClientState.FILES_UPLOADED if success else ClientState.COMPUTE_ERROR
    status = 0 if success else exit_status
    return lambda now, host, user: events.Reported(now, state, status, 10.0, 11.0)


PARTS: st.SearchStrategy[MakeEvent] = st.one_of(
    st.builds(_sent, st.booleans(), st.sampled_from([10.0, 1000.0])),
    st.builds(_reported, st.booleans(), st.sampled_from([11, 202, 203])),
    st.sampled_from(
        [
            lambda now, host, user: events.Resent(now, now + 80.0, GRACE),
            lambda now, host, user: events.GivenUp(now, GRACE),
            lambda now, host, user: events.Detached(now),
            lambda now, host, user: events.TimedOut(now, GRACE),
            lambda now, host, user: events.CouldntSend(now),
            lambda now, host, user: events.OutputsDeleted(now, ok=True),
            lambda now, host, user: events.OutputsDeleted(now, ok=False, reason="busy"),
        ]
    ),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 70.0, 2000.0]),
        st.one_of(
            st.tuples(st.integers(0, 4), PARTS),
            st.sampled_from(["look", "cancel", "assimilate", "release"]),
        ),
    ),
    min_size=4,
    max_size=16,
)


@dataclass
class Twin:
    """One of the two workunits, with hosts of its own: the k-th result goes to the k-th."""

    session: Session
    database: Database
    workunit: int
    app_version: int
    hosts: list[Host]
    tokens: int = 0

    def by_rows(self, event: Any) -> bool:
        """Let an event happen as daemons do; returns whether it was possible."""
        loaded = load(self.session, self.database, self.workunit)
        assert loaded is not None
        try:
            apply(
                self.session,
                self.database,
                loaded,
                event,
                actor="scheduler",
                settings=SETTINGS,
                new_token=self._token,
            )
        except StateError:
            return False
        self.session.flush()
        return True

    def by_books(self, instance: int, event: OwnEvent, now: float) -> bool:
        """Let an event of a result happen as the scheduler does."""
        connection = self.session.connection()
        books = Books(connection, daily_quota=DAILY_QUOTA, now=now)
        name = self.result(instance).name
        row = connection.execute(statements.results_by_name, {"names": [name]}).one()
        try:
            step(connection, books, row, event)
        except StateError:
            return False
        books.write()
        self.session.expire_all()
        return True

    def version_chosen(self, instance: int) -> None:
        """Note with which version a result is sent: that is no part of its state."""
        self.result(instance).app_version_id = self.app_version
        self.session.flush()

    def rows(self) -> dict[str, list[Any]]:
        """Return all that the machine writes, without the numbers that are this twin's own."""
        workunit = self.session.get_one(Workunit, self.workunit)
        results = self.session.scalars(
            select(Result).where(Result.workunitid == self.workunit).order_by(Result.instance)
        ).all()
        story = self.session.scalars(
            select(Event).where(Event.workunitid == self.workunit).order_by(Event.id)
        ).all()
        place: dict[int | None, int | None] = {host.id: k for k, host in enumerate(self.hosts)}
        users: dict[int | None, int | None] = {host.userid: k for k, host in enumerate(self.hosts)}
        instances: dict[int | None, int | None] = {row.id: row.instance for row in results}
        place[None] = users[None] = instances[None] = None
        records = self.session.scalars(
            select(HostAppVersion).where(HostAppVersion.host_id.in_([h.id for h in self.hosts]))
        ).all()
        own = {"hostid": place, "userid": users}
        return {
            "workunit": [getattr(workunit, name) for name in (*WORKUNIT_COLUMNS, *LIMIT_COLUMNS)],
            "results": [
                [
                    own[name][getattr(row, name)] if name in own else getattr(row, name)
                    for name in (*RESULT_COLUMNS, "priority", "create_time", "validate_reason")
                ]
                for row in results
            ],
            "records": sorted(
                [
                    place[record.host_id],
                    *(
                        getattr(record, column.key)
                        for column in inspect(HostAppVersion).column_attrs
                        if column.key not in ("host_id", "app_version_id")
                    ),
                ]
                for record in records
            ),
            "story": [
                [
                    *(event.time, event.actor, event.kind, event.before, event.after),
                    *(event.reason, _without_host(event.data)),
                    *(place[event.hostid], instances[event.resultid]),
                ]
                for event in story
            ],
        }

    def result(self, instance: int) -> Result:
        return self.session.scalars(
            select(Result).where(Result.workunitid == self.workunit, Result.instance == instance)
        ).one()

    def _token(self) -> str:
        self.tokens += 1
        return f"{self.workunit}-{self.tokens}"


def _without_host(data: dict[str, Any] | None) -> dict[str, Any]:
    """Return an event's data but for the host, whose number differs."""
    return {name: value for name, value in (data or {}).items() if name != "host"}


def twins(session: Session, database: Database, limits: Quorum) -> tuple[Twin, Twin]:
    """Make two workunits under the same limits, each with its hosts."""
    app = App(name="ttv_mcmc", user_friendly_name="TTV", create_time=START)
    session.add(app)
    session.flush()
    version = AppVersion(appid=app.id, version_num=1, platform="any", create_time=START)
    campaign = CampaignRow(
        name="c", title="c", appid=app.id, create_time=START, definition=b"{}", next_generation=1
    )
    session.add_all([version, campaign])
    session.flush()
    made = []
    for k in range(2):
        workunit = Workunit(
            name=f"wu{k}",
            appid=app.id,
            campaign_id=campaign.id,
            unit_index=k,
            unit_digest="0" * 64,
            create_time=START,
            rsc_fpops_est=1.0,
            rsc_fpops_bound=1.0,
            rsc_memory_bound=1.0,
            rsc_disk_bound=1.0,
            max_nbytes=1,
            transition_time=new_workunit(limits, START).transition_time,
            **{f.name: getattr(limits, f.name) for f in fields(Quorum) if f.name != "adaptive"},
        )
        users = [
            User(
                create_time=START,
                name="v",
                email_addr=f"{k}-{j}@example.org",
                passwd_hash="x",
                authenticator=f"{k}-{j}",
                cross_project_id="x",
            )
            for j in range(16)
        ]
        session.add_all([workunit, *users])
        session.flush()
        hosts = [Host(userid=user.id, create_time=START) for user in users]
        session.add_all(hosts)
        session.flush()
        made.append(Twin(session, database, workunit.id, version.id, hosts))
    return made[0], made[1]


def _both(daemon: Twin, scheduler: Twin, now: float, happening: Any) -> None:
    """Let one thing happen to both twins, each in its own way."""
    if isinstance(happening, str):
        event: Any = {
            "look": Transition(now, GRACE, 100.0),
            "release": Transition(now, GRACE, 0.0),
            "cancel": Cancelled(now, "changed our mind"),
            "assimilate": Assimilated(now),
        }[happening]
        assert daemon.by_rows(event) == scheduler.by_rows(event)
        return
    instance, make = happening
    loaded = load(daemon.session, daemon.database, daemon.workunit)
    assert loaded is not None
    states = {result.instance: result for result in loaded.state.results}
    if instance not in states:
        return
    happened = []
    for twin in (daemon, scheduler):
        host = twin.hosts[instance]
        event = make(now, host.id, host.userid)
        if isinstance(event, events.Sent):
            if states[instance].server_state is not ServerState.UNSENT:
                return  # the scheduler takes unsent results only
            twin.version_chosen(instance)
        happened.append(
            twin.by_rows(OnResult(instance, event))
            if twin is daemon
            else twin.by_books(instance, event, now)
        )
    assert happened[0] == happened[1]


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(limits=all_limits(), steps=STEPS)
def test_the_same_events_give_the_same_rows(
    database: Database, limits: Quorum, steps: list[tuple[float, Any]]
) -> None:
    with database.engine.connect().execution_options(write=True) as connection:
        with Session(connection) as session:
            daemon, scheduler = twins(session, database, limits)
            now = START
            _both(daemon, scheduler, now, "look")
            for seconds, happening in steps:
                now += seconds
                _both(daemon, scheduler, now, happening)
                assert daemon.rows() == scheduler.rows()
        connection.rollback()


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    limits=all_limits(),
    look=st.sampled_from([START - 5.0, START, START + 5.0, NEVER]),
    answered=st.booleans(),
)
def test_the_full_quorum_in_sql_is_that_of_the_machine(
    database: Database, limits: Quorum, look: float, answered: bool
) -> None:
    with database.engine.connect().execution_options(write=True) as connection:
        with Session(connection) as session:
            _, twin = twins(session, database, limits)
            twin.by_rows(Transition(START - 10.0))
            if answered:
                twin.by_rows(Cancelled(START - 10.0))
            row = session.get_one(Workunit, twin.workunit)
            row.transition_time = look
            session.flush()
            loaded = load(session, database, twin.workunit)
            assert loaded is not None
            expected = loaded.state
            if not answered:
                sent = events.Sent(START, 1, 1, NEVER, replicate=True)
                expected, _ = on_result(loaded.state, 0, sent)
            statements.require_quorum.run(
                session.connection(), {"workunit_id": twin.workunit, "at": START}
            )
            session.expire_all()
            after = load(session, database, twin.workunit)
            assert after is not None
            assert after.state.limits == expected.limits
            assert after.state.transition_time == expected.transition_time
        connection.rollback()


EFFECTS: dict[type, Effect] = {
    ScheduleTransition: ScheduleTransition(START),
    CreateResults: CreateResults(9, 1, False, START),
    GrantCredit: GrantCredit(0, 1.0, START),
    RevokeCredit: RevokeCredit(0, 1.0, START, START),
    RequireQuorum: RequireQuorum(START),
    JudgeHost: JudgeHost(0, HostDeed.ERROR),
    RecordEvent: RecordEvent(EventKind.REPORTED, START, 0),
}


REFUSED = {
    RowEffects: {ScheduleTransition, RequireQuorum},
    ResultEffects: {CreateResults, GrantCredit, RevokeCredit},
}
"""Effects that a store has no way to do: those folded into a workunit's state, and those that need
all of a workunit."""


def test_every_effect_has_an_example() -> None:
    assert set(EFFECTS) == set(get_args(Effect))


@pytest.mark.parametrize("kind", EFFECTS)
@pytest.mark.parametrize("store", REFUSED)
def test_an_effect_is_done_or_refused_and_never_dropped(
    database: Database, kind: type, store: type
) -> None:
    with database.engine.connect().execution_options(write=True) as connection:
        with Session(connection) as session:
            twin, _ = twins(session, database, Quorum(min_quorum=1, full_quorum=2))
            twin.by_rows(Transition(START))
            twin.version_chosen(0)
            host = twin.hosts[0]
            twin.by_rows(OnResult(0, events.Sent(START, host.id, host.userid, NEVER)))
            loaded = load(session, database, twin.workunit)
            assert loaded is not None
            loaded.row.transition_time, host.total_credit = NEVER, 5.0
            session.flush()
            before = (twin.rows(), host.total_credit)
            books = Books(connection, daily_quota=DAILY_QUOTA, now=START)
            to: EffectStore
            if store is RowEffects:
                to = RowEffects(
                    session=session,
                    database=database,
                    row=loaded.row,
                    results=loaded.results,
                    before=loaded.state,
                    after=loaded.state,
                    actor="test",
                    daily_quota=DAILY_QUOTA,
                    new_token=lambda: "more",
                )
            else:
                name = twin.result(0).name
                row = connection.execute(statements.results_by_name, {"names": [name]}).one()
                to = ResultEffects(books, row, loaded.state.result(0), loaded.state.result(0))
            if kind in REFUSED[store]:
                with pytest.raises(StateError, match=kind.__name__):
                    carry_out([EFFECTS[kind]], to)
            else:
                carry_out([EFFECTS[kind]], to)
                to.write() if isinstance(to, RowEffects) else books.write()
                session.flush()
                session.expire_all()
                assert (twin.rows(), host.total_credit) != before
        connection.rollback()
