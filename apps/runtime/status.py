"""What the app tells the client once a second (``boinc_send_status``, ``lib/app_ipc.cpp``)."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Status:
    """Progress of one result.

    Attributes
    ----------
    cpu_time : float
        CPU seconds of all episodes so far.
    checkpoint_cpu_time : float
        The same at the last checkpoint; the client takes a change for a new checkpoint.
    fraction_done : float
        0 to 1.
    """

    cpu_time: float
    checkpoint_cpu_time: float
    fraction_done: float

    def to_text(self) -> str:
        """Return the message, all three lines in it: clients zero what is missing."""
        return (
            f"<current_cpu_time>{self.cpu_time:.6e}</current_cpu_time>\n"
            f"<checkpoint_cpu_time>{self.checkpoint_cpu_time:.6e}</checkpoint_cpu_time>\n"
            f"<fraction_done>{self.fraction_done:.6e}</fraction_done>\n"
        )


def parse_status(text: str) -> Status:
    """Read a status message; what is missing is 0, as for the stock client."""

    def number(tag: str) -> float:
        found = re.search(rf"<{tag}>\s*([-+0-9.eE]+)\s*</{tag}>", text)
        try:
            return float(found[1]) if found else 0.0
        except ValueError:
            return 0.0

    return Status(
        number("current_cpu_time"), number("checkpoint_cpu_time"), number("fraction_done")
    )


def next_fraction(shown: float, done: float) -> float:
    """Return the fraction to show: within 0 to 1, never falling, and never moved by a NaN."""
    if not done > shown:
        return shown
    return min(done, 1.0)
