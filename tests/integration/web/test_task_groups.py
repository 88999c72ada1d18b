"""The filters of the task list cut exactly as the words on the page do."""

from __future__ import annotations

import itertools

from sqlalchemy import insert, select

from boinc_project.states import ClientState, Outcome, ServerState, ValidateState
from server.db import Database
from server.models import Result
from server.services.task_state import GROUP_LABELS, TaskGroup, task_state
from server.services.tasks_view import group_condition, task_counts
from tests.factories import Factory


def test_every_combination_of_states_is_in_exactly_its_group(database: Database) -> None:
    make = Factory(database)
    host = make.host(make.user("Ann"))
    workunit = make.workunit(make.campaign(make.app()))
    combinations = list(itertools.product(ServerState, Outcome, ClientState, ValidateState))
    rows = [
        {
            "name": f"r{number}",
            "workunitid": workunit.id,
            "appid": workunit.appid,
            "instance": number,
            "create_time": 0.0,
            "hostid": host.id,
            "userid": host.userid,
            "output_name": f"o{number}",
            "server_state": server,
            "outcome": outcome,
            "client_state": client,
            "validate_state": validate,
        }
        for number, (server, outcome, client, validate) in enumerate(combinations)
    ]
    with database.write() as session:
        session.execute(insert(Result), rows)
    expected: dict[TaskGroup, set[str]] = {group: set() for group in TaskGroup}
    for number, states in enumerate(combinations):
        expected[task_state(*states).group].add(f"r{number}")
    with database.read() as session:
        for group in TaskGroup:
            found = session.scalars(select(Result.name).where(group_condition(group))).all()
            assert set(found) == expected[group], group
    counts = task_counts(database, host.userid)
    assert counts == {group: len(names) for group, names in expected.items()}


def test_every_group_and_every_state_has_words() -> None:
    assert set(GROUP_LABELS) == set(TaskGroup)
    for states in itertools.product(ServerState, Outcome, ClientState, ValidateState):
        state = task_state(*states)
        assert state.label
        assert state.meaning.endswith(".")
