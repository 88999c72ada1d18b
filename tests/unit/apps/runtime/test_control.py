"""The client's wishes as pure decisions."""

from __future__ import annotations

import pytest

from apps.runtime.control import (
    HEARTBEAT_LIMIT,
    Control,
    Ending,
    after_heartbeat,
    after_request,
    after_watch,
)

START = Control(last_heartbeat=100.0)


@pytest.mark.parametrize(
    ("texts", "suspended", "ending"),
    [
        (["<suspend/>"], True, None),
        (["<suspend/>", "<resume/>"], False, None),
        (["<suspend/>", "<quit/>"], True, Ending.QUIT),
        (["<quit/>", "<abort/>"], False, Ending.ABORT),
        (["<abort/>", "<quit/>"], False, Ending.ABORT),
        (["<quit/>", "<resume/>"], False, Ending.QUIT),
        (["<network_available/>", "nonsense", ""], False, None),
    ],
)
def test_requests(texts: list[str], suspended: bool, ending: Ending | None) -> None:
    control = START
    for text in texts:
        control = after_request(control, text)
    assert (control.suspended, control.ending) == (suspended, ending)


def test_reread_is_remembered() -> None:
    assert after_request(START, "<reread_app_info/>").reread
    assert not START.reread


def test_silence_of_an_unknown_client_ends_the_app() -> None:
    limit = START.last_heartbeat + HEARTBEAT_LIMIT
    assert after_watch(START, limit, client_alive=None).ending is None
    assert after_watch(START, limit + 1, client_alive=None).ending is Ending.CLIENT_GONE


def test_a_heartbeat_starts_the_wait_anew() -> None:
    beaten = after_heartbeat(START, "<heartbeat/><wss>1e6</wss>", 125.0)
    assert after_watch(beaten, 150.0, client_alive=None).ending is None
    other = after_heartbeat(START, "<wss>1e6</wss>", 125.0)
    assert after_watch(other, 150.0, client_alive=None).ending is Ending.CLIENT_GONE


def test_a_known_process_decides_whatever_the_heartbeat() -> None:
    assert after_watch(START, 1e6, client_alive=True).ending is None
    assert after_watch(START, 100.0, client_alive=False).ending is Ending.CLIENT_GONE


def test_a_dead_client_does_not_soften_an_abort() -> None:
    aborted = after_request(START, "<abort/>")
    assert after_watch(aborted, 100.0, client_alive=False).ending is Ending.ABORT
