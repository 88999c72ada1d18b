from __future__ import annotations

import socket
import struct

import pytest

from boinc_project.errors import ConfigError
from server import web_server


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


def test_no_thread_waits_for_ever_for_a_silent_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "STALL_SECONDS", 1)
    with web_server.listen("127.0.0.1:0") as listener:
        client = socket.create_connection(listener.getsockname())
        taken, _ = listener.accept()
        with client, taken:
            taken.setblocking(True)  # as the web server does
            with pytest.raises(BlockingIOError):
                taken.recv(1)  # would wait for ever
            limit = taken.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16)
            assert struct.unpack("ll", limit) == (1, 0)


def test_a_port_can_be_taken_again_at_once_but_not_twice() -> None:
    with web_server.listen("127.0.0.1:0") as listener:
        bind = _address(listener)
        with pytest.raises(ConfigError, match=r"in use.*web\.bind"):
            web_server.listen(bind)
        client = socket.create_connection(listener.getsockname())
        taken, _ = listener.accept()
        taken.close()  # leaves the port in TIME_WAIT
        client.close()
    with web_server.listen(bind) as again:
        assert _address(again) == bind


def test_ipv6_addresses_are_written_in_brackets() -> None:
    with web_server.listen("[::1]:0") as listener:
        assert listener.family == socket.AF_INET6


@pytest.mark.parametrize("bind", ["", "80", "127.0.0.1", "a:b", "127.0.0.1:-1", "127.0.0.1:65536"])
def test_what_is_no_address_is_named(bind: str) -> None:
    with pytest.raises(ConfigError, match="ADDRESS:PORT"):
        web_server.listen(bind)


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:8080 cannot be listened on"):
        web_server.listen("192.0.2.1:8080")
