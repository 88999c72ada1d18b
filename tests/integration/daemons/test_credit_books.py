"""Credit can be told again from the results."""

from __future__ import annotations

import pytest

from boinc_project.states import ValidateState
from server.models import Host, Result, User
from server.services.credit_books import check, mend
from tests.integration.daemons.conftest import Shop


@pytest.fixture
def earned(shop: Shop) -> Shop:
    """Return a shop with one workunit that two hosts computed, for 50 each."""
    workunit = shop.add_workunit()
    shop.settle()
    shop.compute_all(workunit)
    shop.agree(workunit, 50.0)
    return shop


def test_what_the_server_grants_adds_up(earned: Shop) -> None:
    with earned.project.database.read() as session:
        found = check(session)
    assert found.good
    assert (found.results, found.credit) == (2, 100.0)


def test_totals_that_are_off_are_named_and_mended(earned: Shop) -> None:
    with earned.project.database.write() as session:
        session.get_one(Host, 1).total_credit = 9000.0
        session.get_one(User, 2).total_credit = 0.0
    found = mend(earned.project)
    assert [(one.kind, one.id, one.written, one.counted) for one in found.differences] == [
        ("host", 1, 9000.0, 50.0),
        ("user", 2, 0.0, 50.0),
    ]
    with earned.project.database.read() as session:
        assert check(session).good


def test_unlike_credit_of_one_workunit_is_found(earned: Shop) -> None:
    with earned.project.database.write() as session:
        row = session.get_one(Result, 1)
        row.granted_credit = 51.0
    with earned.project.database.read() as session:
        assert check(session).unlike == ("wu",)
    with earned.project.database.write() as session:
        row = session.get_one(Result, 1)
        row.granted_credit, row.validate_state = 50.0, ValidateState.INVALID
    with earned.project.database.read() as session:
        assert check(session).unlike == ("wu",)
