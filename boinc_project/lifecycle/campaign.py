"""The life of a campaign: its states, its events, and `handle`, the only way to change it.

Like the machine of workunits it has no input and output: ``(life, event) -> (life, effects)``.
Whether workunits are open, and whether a stop rule holds, is found out by whoever sends the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from boinc_project.errors import StateError
from boinc_project.states import CampaignState


class CampaignEventKind(StrEnum):
    """Kinds of events that the story of a campaign tells."""

    STATE = "campaign_state"
    """It has another state."""
    PREPARATION_ISSUED = "preparation_issued"
    """The workunits that come before its first generation are issued."""
    GENERATION_ISSUED = "generation_issued"
    """A generation of workunits is issued."""
    CANARY_PASSED = "canary_passed"
    """The units that were tried first are done."""
    EXTENDED = "campaign_extended"
    """It has got more units."""
    SWEPT = "campaign_swept"
    """It has ended, and none of its workunits is open any more."""


@dataclass(frozen=True, slots=True)
class CampaignLife:
    """A campaign as the machine knows it.

    Attributes
    ----------
    name : str
        For errors.
    state : CampaignState
        Where it is in its life.
    end_reason : str
        Why it ended, or is paused, in plain words; empty while it is ACTIVE.
    end_time : float | None
        When it had ended and nothing of it was open any more, epoch seconds.
    next_generation : int
        Generations issued so far.
    canary : int
        Units of the first generation that must be done before the rest is sent; 0 once they are.
    """

    name: str
    state: CampaignState = CampaignState.ACTIVE
    end_reason: str = ""
    end_time: float | None = None
    next_generation: int = 0
    canary: int = 0

    @property
    def ended(self) -> bool:
        """Whether it is over; an extension may open it again."""
        return self.state in (CampaignState.CANCELLED, CampaignState.COMPLETE)


@dataclass(frozen=True, slots=True)
class Paused:
    """An admin, or the watch over campaigns, stops sending its tasks."""

    now: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Resumed:
    """An admin has its tasks sent again."""

    now: float


@dataclass(frozen=True, slots=True)
class CampaignCancelled:
    """An admin ends it."""

    now: float
    reason: str


@dataclass(frozen=True, slots=True)
class Completed:
    """It ends by its stop rule, or because it cannot go on."""

    now: float
    reason: str


@dataclass(frozen=True, slots=True)
class Swept:
    """It has no open workunits any more."""

    now: float


@dataclass(frozen=True, slots=True)
class PreparationIssued:
    """The workunits of its preparation are issued."""

    now: float
    n_unit: int


@dataclass(frozen=True, slots=True)
class GenerationIssued:
    """A generation is issued.

    Attributes
    ----------
    now : float
        Epoch seconds.
    generation : int
        Its number.
    n_unit : int
        Its workunits.
    canary : int
        How many of them are tried before the others are sent; 0 if all are sent at once.
    """

    now: float
    generation: int
    n_unit: int
    canary: int = 0


@dataclass(frozen=True, slots=True)
class CanaryPassed:
    """The units that were tried first cannot stop it any more."""

    now: float


@dataclass(frozen=True, slots=True)
class CampaignExtended:
    """More frames join it.

    Attributes
    ----------
    now : float
        Epoch seconds.
    frames : tuple[str, ...]
        Their names.
    n_unit : int
        Workunits issued for them.
    n_unit_all : int
        Units that it has in all.
    """

    now: float
    frames: tuple[str, ...]
    n_unit: int
    n_unit_all: int


CampaignEvent = (
    Paused
    | Resumed
    | CampaignCancelled
    | Completed
    | Swept
    | PreparationIssued
    | GenerationIssued
    | CanaryPassed
    | CampaignExtended
)
"""Any event of a campaign."""


@dataclass(frozen=True, slots=True)
class RecordCampaignEvent:
    """Append one row to the campaign's story: the one effect that its events have.

    Attributes
    ----------
    kind : CampaignEventKind
        What happened.
    time : float
        When, epoch seconds.
    before, after : str
        The states around it, or what it led to; may be empty.
    reason : str
        A sentence.
    detail : Mapping[str, int | list[str]]
        What the story needs to know besides, as plain JSON values.
    """

    kind: CampaignEventKind
    time: float
    before: str = ""
    after: str = ""
    reason: str = ""
    detail: Mapping[str, int | list[str]] = field(default_factory=dict)


CampaignStep = tuple[CampaignLife, tuple[RecordCampaignEvent, ...]]
"""A new life and what is to be told."""


_ACTIVE = frozenset({CampaignState.ACTIVE})
_PAUSED = frozenset({CampaignState.PAUSED})


def handle(life: CampaignLife, event: CampaignEvent) -> CampaignStep:
    """Return the life after `event`, and what is to be told.

    Events that come a second time, or too late to matter, change nothing and tell nothing; each
    handler's docstring says which those are.

    Raises
    ------
    StateError
        If the event is impossible in this state.
    """
    match event:
        case Paused():
            return _ordered(life, CampaignState.PAUSED, _ACTIVE, event.now, event.reason)
        case Resumed():
            return _ordered(life, CampaignState.ACTIVE, _PAUSED, event.now, "")
        case CampaignCancelled():
            running = _ACTIVE | _PAUSED
            return _ordered(life, CampaignState.CANCELLED, running, event.now, event.reason)
        case Completed():
            return _completed(life, event)
        case Swept():
            return _swept(life, event)
        case PreparationIssued():
            return _preparation_issued(life, event)
        case GenerationIssued():
            return _generation_issued(life, event)
        case CanaryPassed():
            return _canary_passed(life, event)
        case CampaignExtended():
            return _extended(life, event)
        case _:
            assert_never(event)


def _enter(life: CampaignLife, state: CampaignState, now: float, reason: str) -> CampaignStep:
    record = RecordCampaignEvent(
        CampaignEventKind.STATE, now, before=life.state.value, after=state.value, reason=reason
    )
    kept = reason if state is not CampaignState.ACTIVE else ""
    return replace(life, state=state, end_reason=kept), (record,)


def _ordered(
    life: CampaignLife,
    state: CampaignState,
    allowed: frozenset[CampaignState],
    now: float,
    reason: str,
) -> CampaignStep:
    """Enter a state that somebody has asked for. No-op if it is there already."""
    if life.state is state:
        return life, ()
    if life.state not in allowed:
        words = " or ".join(sorted(allowed))
        raise StateError(
            f"The campaign {life.name} is {life.state}; only one that is {words} can become "
            f"{state}.",
            name=life.name,
            state=life.state.value,
        )
    return _enter(life, state, now, reason)


def _completed(life: CampaignLife, event: Completed) -> CampaignStep:
    """End an active campaign. No-op if it is not active: an admin was faster."""
    if life.state is not CampaignState.ACTIVE:
        return life, ()
    return _enter(life, CampaignState.COMPLETE, event.now, event.reason)


def _swept(life: CampaignLife, event: Swept) -> CampaignStep:
    """Write down when it was over. No-op if that is known, or if it goes on."""
    if not life.ended or life.end_time is not None:
        return life, ()
    reason = "None of its workunits is open any more."
    record = RecordCampaignEvent(CampaignEventKind.SWEPT, event.now, reason=reason)
    return replace(life, end_time=event.now), (record,)


def _issuable(life: CampaignLife, event: PreparationIssued | GenerationIssued) -> None:
    generation = event.generation if isinstance(event, GenerationIssued) else 0
    if life.state is not CampaignState.ACTIVE or life.next_generation != generation:
        raise StateError(
            f"The campaign {life.name} is {life.state} and has {life.next_generation} generations: "
            f"{type(event).__name__} cannot happen to it.",
            name=life.name,
            event=event,
        )


def _preparation_issued(life: CampaignLife, event: PreparationIssued) -> CampaignStep:
    """Tell that the preparation is issued; its generation is still to come."""
    _issuable(life, event)
    record = RecordCampaignEvent(
        CampaignEventKind.PREPARATION_ISSUED,
        event.now,
        after="preparation",
        reason=f"The preparation is issued: {event.n_unit} workunits. Chains begin with what it "
        "finds.",
        detail={"n_unit": event.n_unit},
    )
    return life, (record,)


def _generation_issued(life: CampaignLife, event: GenerationIssued) -> CampaignStep:
    """Count a generation; only an active campaign's next one can be issued."""
    _issuable(life, event)
    record = RecordCampaignEvent(
        CampaignEventKind.GENERATION_ISSUED,
        event.now,
        after=f"generation {event.generation}",
        reason=f"{event.n_unit} workunits of generation {event.generation} are issued.",
        detail={"generation": event.generation, "n_unit": event.n_unit},
    )
    canary = event.canary or life.canary
    return replace(life, next_generation=life.next_generation + 1, canary=canary), (record,)


def _canary_passed(life: CampaignLife, event: CanaryPassed) -> CampaignStep:
    """Let the rest follow. No-op if nothing is being tried."""
    if life.canary == 0:
        return life, ()
    reason = f"The {life.canary} units that were tried first are done; all others are sent now."
    record = RecordCampaignEvent(CampaignEventKind.CANARY_PASSED, event.now, reason=reason)
    return replace(life, canary=0), (record,)


def _extended(life: CampaignLife, event: CampaignExtended) -> CampaignStep:
    """Take more units in; a complete campaign runs again, a cancelled one never does."""
    if life.state is CampaignState.CANCELLED:
        raise StateError(
            f"The campaign {life.name} is {life.state}: it can get no more units.", name=life.name
        )
    n_frame, n_unit = len(event.frames), event.n_unit
    reason = (
        f"{n_frame} image{'s' * (n_frame != 1)} joined it, in {n_unit} "
        f"workunit{'s' * (n_unit != 1)}."
    )
    record = RecordCampaignEvent(
        CampaignEventKind.EXTENDED,
        event.now,
        after=f"{event.n_unit_all} units",
        reason=reason,
        detail={"n_unit": n_unit, "images": list(event.frames)},
    )
    if life.state is not CampaignState.COMPLETE:
        return life, (record,)
    life, entered = _enter(life, CampaignState.ACTIVE, event.now, reason)
    return replace(life, end_time=None), (record, *entered)
