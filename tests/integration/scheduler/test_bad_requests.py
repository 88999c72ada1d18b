"""Requests that cannot be read, and times when nobody can be served."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from boinc_project.protocol.reply_parser import parse_scheduler_reply
from boinc_project.protocol.request_writer import scheduler_request_bytes

WHOLE = b"<scheduler_request>%s</scheduler_request>"


def post(world: Any, body: bytes) -> Any:
    return world.http.post("/scheduler", data=body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (WHOLE % b"", "no <"),
        (WHOLE % b"<hostid>1", "<hostid> is not closed"),
        (b"<scheduler_request><hostid>1</hostid>", "incomplete"),
        (WHOLE % b'<!DOCTYPE a [<!ENTITY b "c">]>', "entity declarations"),
        (WHOLE % (b"<a>" * 10000), "not closed"),
    ],
)
def test_a_malformed_request_is_answered_in_the_clients_language(
    world: Any, body: bytes, words: str
) -> None:
    response = post(world, body)
    assert response.status_code == 200
    reply = parse_scheduler_reply(response.data)
    assert words in reply.messages[0].text
    assert reply.request_delay == 3600
    assert not reply.project_is_down
    assert world.hosts() == []


@pytest.mark.parametrize("body", [b"", b"hello", b"\xff\xfe\x00", b"a=1&b=2", b"{}"])
def test_what_is_no_scheduler_request_is_a_bad_request(world: Any, body: bytes) -> None:
    response = post(world, body)
    assert response.status_code == 400
    assert "not a scheduler request" in response.text


def test_a_request_that_is_too_large(world: Any) -> None:
    response = post(world, WHOLE % (b"x" * 2_000_001))
    assert response.status_code == 413
    assert response.text.strip().endswith(".")


def test_a_get_is_not_a_request(world: Any) -> None:
    assert world.http.get("/scheduler").status_code == 405


def test_the_form_content_type_does_not_eat_the_body(world: Any) -> None:
    """Kills: touching request.form, values or files before the body is read."""
    assert world.client().rpc().hostid is not None


def test_nothing_is_cached(world: Any) -> None:
    response = post(world, scheduler_request_bytes(world.client().request()))
    assert response.headers["Cache-Control"] == "no-store"
    assert int(response.headers["Content-Length"]) == len(response.data)


def test_overload_is_answered_cheaply(world: Any) -> None:
    doorkeeper = world.app.extensions["openastro_doorkeeper"]
    client = world.client()
    client.rpc()
    taken = 0
    while doorkeeper._places.acquire(blocking=False):
        taken += 1
    assert taken == 6  # of 8 threads
    try:
        reply = client.report("whatever")
    finally:
        for _ in range(taken):
            doorkeeper._places.release()
    assert reply.project_is_down  # so the client keeps what it reports
    assert 60 <= reply.request_delay <= 300
    assert reply.result_acks == ()
    assert client.report("whatever").result_acks == ("whatever",)


def test_a_failing_database_acknowledges_nothing(
    world: Any, campaign: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kills: acknowledging before the commit."""
    world.workunits(1, campaign=campaign)
    client = world.client()
    (task,) = client.ask().results

    def fail(*arguments: Any) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk full"))

    from server.services.scheduler.books import Books

    with monkeypatch.context() as patch:
        patch.setattr(Books, "write", fail)
        reply = client.report(task.name)
    assert reply.project_is_down
    assert reply.result_acks == ()
    assert world.result(task.name).received_time is None
    assert client.report(task.name).result_acks == (task.name,)


def test_hostile_names_do_no_harm(world: Any) -> None:
    client = world.client()
    for name in ("'; DROP TABLE result; --", "%s", "a" * 5000, "<result_ack>", "&lt;x&gt;"):
        reply = client.report(name)
        assert len(reply.result_acks) == 1
