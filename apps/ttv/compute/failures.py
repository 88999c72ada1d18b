"""Why a set of parameters has no transit times: events to count, not errors."""

from __future__ import annotations

from enum import StrEnum


class FailureKind(StrEnum):
    """Why a set of parameters has no transit times."""

    ELEMENTS = "elements"
    """A negative mass or period, or e >= 1."""
    CLOSE_APPROACH = "close_approach"
    """Neighbours cross or come within a Hill radius: a fixed step cannot follow that."""
    UNBOUND = "unbound"
    """A planet was thrown out of the system."""
    ENGINE = "engine"
    """TTVFast reported an error."""
    TOO_MANY_TRANSITS = "too_many_transits"
    """More than the engine has room for."""
    NON_FINITE = "non_finite"
    """A time that is not a number, or that the engine could not find."""
    MISSING_TRANSIT = "missing_transit"
    """A planet skips or repeats a transit, or an observed transit is not there."""
    NUMBERING = "numbering"
    """No transit near t0, so that the transits cannot be numbered."""


KINDS = (None, *FailureKind)
"""The kinds by the kernel's number (``enum failure`` in ``kernel/interface.h``); 0 is none."""

CODES = {kind: code for code, kind in enumerate(KINDS) if kind is not None}
"""The kernel's numbers by kind."""


class IntegrationFailed(Exception):
    """These parameters have no transit times; an event to count, not an error."""

    def __init__(self, kind: FailureKind) -> None:
        self.kind = kind
        super().__init__(kind.value)
