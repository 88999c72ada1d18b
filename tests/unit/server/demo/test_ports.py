"""A preferred port is taken if it is free, and only then."""

from __future__ import annotations

import socket

from server.demo.ports import LOOPBACK, free_port


def test_preferred_port() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = free_port(port)
        assert other not in (0, port)
    assert free_port(other) == other
