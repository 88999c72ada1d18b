"""Bytes against seconds: whether work is worth sending at all.

Reprojecting a frame takes less time than downloading it. So before anything is sent, two times are
compared: in how long one core here computes all of it, and how long the server's line is busy with
sending it out and taking the outputs in. The server then checks the outputs, too, which is not even
counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from work_generator.estimate import duration, volume

SERVER_LINE = 1e9 / 8
"""Bytes a second of the server's line: 1 Gbit/s, as rented servers have it."""
HOME_DOWN, HOME_UP = 50e6 / 8, 10e6 / 8
"""Bytes a second of a volunteer's line: what an ordinary VDSL contract says."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one unit is.

    Attributes
    ----------
    seconds : float
        CPU seconds on this machine.
    bytes_down, bytes_up : int
        What a volunteer downloads and uploads for it.
    """

    seconds: float
    bytes_down: int
    bytes_up: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where the work is better done.

    Attributes
    ----------
    here_seconds : float
        To compute all of it on one core of this machine.
    line_seconds : float
        That the server's line is busy with it.
    home_seconds : float
        That a volunteer's line is busy with one unit.
    local : bool
        Whether computing it here is the better choice.
    text : str
        The same for people.
    """

    here_seconds: float
    line_seconds: float
    home_seconds: float
    local: bool
    text: str


def compare(unit: Load, *, n_unit: int, copies: int) -> Comparison:
    """Compare computing here with sending out.

    Parameters
    ----------
    unit : Load
        One unit.
    n_unit : int
        How many there are.
    copies : int
        How often each is sent, when nothing fails.
    """
    here = n_unit * unit.seconds
    sent, received = (n_unit * copies * one for one in (unit.bytes_down, unit.bytes_up))
    # The line carries both directions at once.
    line = max(sent, received) / SERVER_LINE
    home = unit.bytes_down / HOME_DOWN + unit.bytes_up / HOME_UP
    local = here <= line or unit.seconds <= home
    numbers = (
        f"One core here computes {'the unit' if n_unit == 1 else f'all {n_unit} units'} in "
        f"{duration(here)}. Volunteers would be sent "
        f"{volume(sent)} and send back {volume(received)}: {duration(line)} of a server's line of "
        f"1 Gbit/s, and {duration(home)} of a home's for {duration(unit.seconds)} of computing"
    )
    if local:
        verdict = (
            "Computing it here is the better choice: `openastro campaign run-local`, with the same "
            "kernel and the same checks"
        )
    else:
        verdict = "Volunteers are worth their bytes"
    return Comparison(here, line, home, local, f"{numbers}. {verdict}.")
