"""Any order of events of a campaign, repeated: what must hold, holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boinc_project.errors import StateError
from boinc_project.lifecycle.campaign import (
    CampaignCancelled,
    CampaignEvent,
    CampaignEventKind,
    CampaignExtended,
    CampaignLife,
    CanaryPassed,
    Completed,
    GenerationIssued,
    Paused,
    PreparationIssued,
    Resumed,
    Swept,
    handle,
)
from boinc_project.states import CampaignState

REPEATABLE = (Paused, Resumed, CampaignCancelled, Completed, Swept, CanaryPassed)
"""Events that daemons and admins may send twice."""

EVENTS: st.SearchStrategy[CampaignEvent] = st.one_of(
    st.builds(Paused, st.just(1.0), st.sampled_from(["", "it fails"])),
    st.builds(Resumed, st.just(2.0)),
    st.builds(CampaignCancelled, st.just(3.0), st.just("no more")),
    st.builds(Completed, st.just(4.0), st.just("sampled")),
    st.builds(Swept, st.just(5.0)),
    st.builds(PreparationIssued, st.just(6.0), st.just(2)),
    st.builds(
        GenerationIssued, st.just(7.0), st.integers(0, 2), st.just(100), st.sampled_from([0, 5])
    ),
    st.builds(CanaryPassed, st.just(8.0)),
    st.builds(CampaignExtended, st.just(9.0), st.just(("a.fits",)), st.just(1), st.just(3)),
)


@given(st.lists(EVENTS, max_size=12))
def test_what_holds_in_every_life(events: list[CampaignEvent]) -> None:
    life = CampaignLife("kepler-9")
    for event in events:
        try:
            after, effects = handle(life, event)
        except StateError:
            # What raises is impossible here, not forbidden for ever: the life is as it was.
            assert not isinstance(event, Completed | Swept | CanaryPassed)
            continue
        assert (after == life) or effects, "no change without an event"
        told = [effect for effect in effects if effect.kind is CampaignEventKind.STATE]
        if after.state is life.state:
            assert not told
        else:
            assert [(record.before, record.after) for record in told] == [(life.state, after.state)]
        assert after.end_time is None or after.ended
        assert not (after.end_reason and after.state is CampaignState.ACTIVE)
        assert after.next_generation - life.next_generation == isinstance(event, GenerationIssued)
        if life.state is CampaignState.CANCELLED:
            assert after.state is CampaignState.CANCELLED
        if isinstance(event, REPEATABLE):
            assert handle(after, event) == (after, ())
        life = after


ACTIVE = CampaignLife("kepler-9", next_generation=1, canary=5)
PAUSED = replace(ACTIVE, state=CampaignState.PAUSED, end_reason="it fails")
COMPLETE = replace(ACTIVE, state=CampaignState.COMPLETE, end_reason="sampled", end_time=9.0)
CANCELLED = replace(ACTIVE, state=CampaignState.CANCELLED, end_reason="no more")
EXTENDED = CampaignExtended(10.0, ("a.fits", "b.fits"), 1, 3)


@pytest.mark.parametrize(
    ("life", "event"),
    [
        (COMPLETE, Paused(1.0)),
        (CANCELLED, Paused(1.0)),
        (COMPLETE, Resumed(1.0)),
        (CANCELLED, Resumed(1.0)),
        (COMPLETE, CampaignCancelled(1.0, "late")),
        (CANCELLED, EXTENDED),
        (ACTIVE, PreparationIssued(1.0, 2)),
        (ACTIVE, GenerationIssued(1.0, 0, 8)),
        (ACTIVE, GenerationIssued(1.0, 2, 8)),
        (PAUSED, GenerationIssued(1.0, 1, 8)),
        (COMPLETE, GenerationIssued(1.0, 1, 8)),
    ],
)
def test_what_cannot_happen_is_refused(life: CampaignLife, event: CampaignEvent) -> None:
    with pytest.raises(StateError, match="kepler-9 is"):
        handle(life, event)


@pytest.mark.parametrize(
    ("life", "event"),
    [
        (PAUSED, Completed(1.0, "sampled")),
        (CANCELLED, Completed(1.0, "sampled")),
        (ACTIVE, Swept(1.0)),
        (PAUSED, Swept(1.0)),
        (COMPLETE, Swept(11.0)),
        (replace(ACTIVE, canary=0), CanaryPassed(1.0)),
    ],
)
def test_what_comes_too_late_changes_nothing(life: CampaignLife, event: CampaignEvent) -> None:
    assert handle(life, event) == (life, ())


def test_a_complete_campaign_that_is_extended_runs_again() -> None:
    life, effects = handle(COMPLETE, EXTENDED)
    assert life == ACTIVE
    assert [effect.kind for effect in effects] == [
        CampaignEventKind.EXTENDED,
        CampaignEventKind.STATE,
    ]
    assert {effect.reason for effect in effects} == {"2 images joined it, in 1 workunit."}
    assert effects[0].detail == {"n_unit": 1, "images": ["a.fits", "b.fits"]}
    assert handle(PAUSED, EXTENDED)[0] == PAUSED


def test_a_first_generation_is_tried_and_a_later_one_is_not() -> None:
    life, _ = handle(CampaignLife("kepler-9"), GenerationIssued(1.0, 0, 100, canary=5))
    assert (life.next_generation, life.canary) == (1, 5)
    life, (record,) = handle(life, CanaryPassed(2.0))
    assert life.canary == 0
    assert record.reason.startswith("The 5 units")
    life, _ = handle(life, GenerationIssued(3.0, 1, 100))
    assert (life.next_generation, life.canary) == (2, 0)
