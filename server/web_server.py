"""The web server of one process tree: gunicorn, embedded, with threads."""

from __future__ import annotations

import socket
import struct
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from boinc_project.errors import ConfigError
from boinc_project.settings import Settings
from server.app import create_app

BACKLOG = 1024
STALL_SECONDS = 60
"""A client that neither sends nor takes a byte for so long loses its thread; what it sent of an
upload is kept. The stock client itself gives a silent server 300 s."""
GRACE_SECONDS = 10
"""Time that requests under way have after SIGTERM; an upload cut by it resumes."""


def listen(bind: str) -> socket.socket:
    """Open the listening socket.

    Raises
    ------
    ConfigError
        If `bind` is not ADDRESS:PORT, or the port is in use or not allowed.
    """
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"web.bind is {bind!r}; it must be ADDRESS:PORT, e.g. 127.0.0.1:8080.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit both: no thread waits for ever for a silent client.
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", STALL_SECONDS, 0))
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"{bind} cannot be listened on: {error.strerror or error}. Stop what uses it, or "
            "change web.bind in openastro.toml.",
            bind=bind,
        ) from error
    return listener


def serve(settings: Settings, listener: socket.socket) -> None:
    """Answer requests on `listener` until SIGTERM; does not return."""
    listener.set_inheritable(True)
    _Server(settings, listener.fileno()).run()


class _Logger(Logger):  # type: ignore[misc]
    """Sends gunicorn's records where all others go."""

    def setup(self, cfg: Any) -> None:
        """Add no handlers; the root logger has one."""
        del cfg
        self.error_log.propagate = True
        self.error_log.setLevel("INFO")
        self.access_log.propagate = False


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: Settings, descriptor: int) -> None:
        self._settings = settings
        self._descriptor = descriptor
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": f"fd://{self._descriptor}",
            "worker_class": "gthread",
            "workers": self._settings.web.workers,
            "threads": self._settings.web.threads,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 15,
            "proc_name": "openastro-web",
            "logger_class": _Logger,
            "control_socket_disable": True,
        }
        for key, value in options.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        return create_app(self._settings)
