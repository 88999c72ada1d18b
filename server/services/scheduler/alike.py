"""Which computers are alike: BOINC's homogeneous redundancy (``sched/hr.cpp``).

Where an app's results depend on the system or the processor, copies of a workunit are only sent to
computers of one class, and so can be compared. A class is a number, ``cpu + 128 * system``; 0 is a
computer that does not say what it is, which gets no such work. The coarse classes do not tell
makers of processors apart that run the same programs; the fine ones tell families apart, too.
"""

from __future__ import annotations

import re
from enum import IntEnum

from boinc_project.protocol.request import HostInfo


class Redundancy(IntEnum):
    """How alike the computers of one workunit must be (``app.homogeneous_redundancy``)."""

    NONE = 0
    """Any computers."""
    FINE = 1
    """The same system, and the same maker and family of processor."""
    COARSE = 2
    """The same system and kind of processor."""


_SYSTEMS = (("windows", 1), ("linux", 2), ("darwin", 3), ("freebsd", 4), ("openbsd", 5))
_X86, _ARM = 1, 2
_MAKERS = (
    ("intel", _X86, 1),
    ("amd", _X86, 2),
    ("apple", _ARM, 3),
    ("arm", _ARM, 3),
)
"""Words of ``p_vendor`` or ``p_model``, the kind of processor, and the maker."""

_FAMILY = re.compile(r"Family (\d{1,3})\b")
_FAMILIES = 32


def host_class(host: HostInfo, redundancy: int) -> int:
    """Return the class of a computer.

    Parameters
    ----------
    host : HostInfo
        What its client says of it.
    redundancy : int
        One of `Redundancy`.

    Returns
    -------
    int
        0 if classes do not matter, or if the system or the processor is not known.
    """
    if redundancy == Redundancy.NONE:
        return 0
    system = next((n for word, n in _SYSTEMS if word in host.os_name.lower()), 0)
    words = f"{host.p_vendor} {host.p_model}".lower()
    found = next(((kind, maker) for word, kind, maker in _MAKERS if word in words), None)
    if not system or found is None:
        return 0
    kind, maker = found
    if redundancy == Redundancy.COARSE:
        return kind + 128 * system
    family = _FAMILY.search(host.p_model)
    return maker * _FAMILIES + (int(family[1]) % _FAMILIES if family else 0) + 128 * system
