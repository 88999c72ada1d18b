"""What the client wants of the app, as pure decisions: messages in, state out.

Follows ``api/boinc_api.cpp`` (``handle_process_control_msg`` and the heartbeat logic).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

HEARTBEAT_LIMIT = 30.0
"""Seconds without a heartbeat after which a client without a known process is taken for gone."""


class Ending(Enum):
    """Why the app has to leave."""

    QUIT = "quit"
    """To be started again later."""
    ABORT = "abort"
    """For good."""
    CLIENT_GONE = "client gone"
    """Nobody is left to report to; the next client starts it again."""


@dataclass(frozen=True, slots=True)
class Control:
    """What the app has been told so far.

    Attributes
    ----------
    last_heartbeat : float
        Time of the newest heartbeat, or of the start.
    suspended : bool
        Whether computing has to stand still.
    ending : Ending | None
        Whether, and how, to leave. An abort outranks a quit; neither is ever taken back.
    reread : bool
        Whether ``init_data.xml`` has changed.
    """

    last_heartbeat: float
    suspended: bool = False
    ending: Ending | None = None
    reread: bool = False


def after_request(control: Control, text: str) -> Control:
    """Return the state after a message of the process-control channel."""
    if "<suspend/>" in text:
        control = replace(control, suspended=True)
    if "<resume/>" in text:
        control = replace(control, suspended=False)
    if "<reread_app_info/>" in text:
        control = replace(control, reread=True)
    if "<quit/>" in text and control.ending is not Ending.ABORT:
        control = replace(control, ending=Ending.QUIT)
    if "<abort/>" in text:
        control = replace(control, ending=Ending.ABORT)
    return control


def after_heartbeat(control: Control, text: str, now: float) -> Control:
    """Return the state after a message of the heartbeat channel."""
    if "<heartbeat/>" not in text:
        return control
    return replace(control, last_heartbeat=now)


def after_watch(control: Control, now: float, *, client_alive: bool | None) -> Control:
    """Return the state after a look at the client's process.

    Parameters
    ----------
    control : Control
        What is known so far.
    now : float
        The time.
    client_alive : bool | None
        Whether the client's process lives; None if its process is not known, in which case the
        heartbeat decides.
    """
    gone = client_alive is False
    if client_alive is None:
        gone = now - control.last_heartbeat > HEARTBEAT_LIMIT
    if gone and control.ending is None:
        return replace(control, ending=Ending.CLIENT_GONE)
    return control
