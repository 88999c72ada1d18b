"""The ordinary ways through the machine, told event by event."""

from __future__ import annotations

from dataclasses import replace

import pytest

from boinc_project.campaign import Quorum
from boinc_project.errors import StateError
from boinc_project.lifecycle.decision import ValidationDone
from boinc_project.lifecycle.effects import CreateResults, EventKind, GrantCredit, RecordEvent
from boinc_project.lifecycle.invariants import validate_state
from boinc_project.lifecycle.result import DELETE_RETRY
from boinc_project.lifecycle.result_events import Detached, GivenUp, Reported, Sent
from boinc_project.lifecycle.state import (
    NEVER,
    WorkunitState,
    limits_of_workunit,
    new_workunit,
)
from boinc_project.lifecycle.step import require_quorum
from boinc_project.lifecycle.transition import DAY, Transition
from boinc_project.lifecycle.withdrawal import Withdrawn
from boinc_project.lifecycle.workunit import (
    Assimilated,
    Cancelled,
    FilesDeleted,
    OnResult,
    OwnEvent,
    ValidationDeferred,
    WorkunitEvent,
    handle,
)
from boinc_project.states import (
    AssimilateState,
    ClientState,
    ErrorMask,
    FileDeleteState,
    Outcome,
    ServerState,
    ValidateState,
)

LIMITS = Quorum(
    min_quorum=2,
    target_nresults=2,
    max_error_results=1,
    max_total_results=5,
    max_success_results=3,
    delay_bound=1000.0,
)
GRACE = 100.0
VALID, INVALID, INCONCLUSIVE = (
    ValidateState.VALID,
    ValidateState.INVALID,
    ValidateState.INCONCLUSIVE,
)


class Story:
    """A workunit, and everything that its events caused."""

    def __init__(self, limits: Quorum = LIMITS) -> None:
        self.state: WorkunitState = new_workunit(limits, now=0.0)
        self.effects: list[object] = []

    def happens(self, event: WorkunitEvent) -> list[object]:
        self.state, effects = handle(self.state, event)
        validate_state(self.state)
        self.effects += effects
        return list(effects)

    def on(self, instance: int, event: OwnEvent) -> list[object]:
        return self.happens(OnResult(instance, event))

    def look(self, now: float, *, delete_delay: float = 0.0, hold: bool = False) -> list[object]:
        return self.happens(Transition(now, GRACE, delete_delay, hold))

    def send(self, instance: int, now: float = 1.0) -> None:
        self.on(instance, Sent(now, 10 + instance, 20 + instance, now + 1000.0, GRACE))

    def succeed(self, instance: int, now: float = 2.0) -> None:
        self.on(instance, Reported(now, ClientState.FILES_UPLOADED, 0))

    def fail(self, instance: int, now: float = 2.0, exit_status: int = 1) -> None:
        self.on(instance, Reported(now, ClientState.COMPUTE_ERROR, exit_status))

    def judge(self, now: float, canonical: int | None, **states: ValidateState) -> list[object]:
        verdicts = {int(name.removeprefix("r")): verdict for name, verdict in states.items()}
        return self.happens(ValidationDone(now, verdicts, canonical, credit=7.0))

    def kinds(self) -> list[EventKind]:
        return [effect.kind for effect in self.effects if isinstance(effect, RecordEvent)]


@pytest.fixture
def story() -> Story:
    return Story()


def two_successes(story: Story) -> None:
    story.look(0.0)
    for instance in (0, 1):
        story.send(instance)
        story.succeed(instance)
    story.look(3.0)


def test_quorum_reached(story: Story) -> None:
    assert CreateResults(0, 2, retry=False, time=0.0) in story.look(0.0)
    story.send(0)
    story.send(1)
    assert story.state.transition_time == 1.0 + 1000.0 + GRACE
    story.succeed(0)
    assert story.state.transition_time == 2.0
    story.look(2.0)
    assert not story.state.need_validate
    story.succeed(1)
    story.look(3.0)
    assert story.state.need_validate
    effects = story.judge(4.0, 1, r0=VALID, r1=VALID)
    assert {e.result for e in effects if isinstance(e, GrantCredit)} == {0, 1}
    assert story.state.canonical == 1
    assert story.state.assimilate_state is AssimilateState.READY
    story.happens(Assimilated(5.0))
    story.look(5.0, delete_delay=50.0)
    assert story.state.file_delete_state is FileDeleteState.INIT
    assert story.state.transition_time == 55.0
    story.look(55.0, delete_delay=50.0)
    assert story.state.file_delete_state is FileDeleteState.READY
    assert all(r.file_delete_state is FileDeleteState.READY for r in story.state.results)
    story.happens(FilesDeleted(56.0))
    assert story.state.file_delete_state is FileDeleteState.DONE
    assert story.state.transition_time == NEVER


def test_disagreement_asks_for_one_more_and_settles(story: Story) -> None:
    two_successes(story)
    story.judge(4.0, None, r0=INCONCLUSIVE, r1=INCONCLUSIVE)
    assert story.state.limits.target_nresults == 3
    story.look(4.0)
    story.send(2, 5.0)
    story.succeed(2, 6.0)
    story.look(6.0)
    story.judge(7.0, 0, r0=VALID, r1=INVALID, r2=VALID)
    assert story.state.result(1).granted_credit == 0.0
    assert story.state.result(2).granted_credit == 7.0


def test_too_many_successes_without_agreement(story: Story) -> None:
    two_successes(story)
    for extra in (2, 3):
        story.judge(4.0, None, **{f"r{k}": INCONCLUSIVE for k in range(extra)})
        story.look(4.0)
        story.send(extra, 4.0)
        story.succeed(extra, 4.5)
        story.look(4.5)
    story.judge(5.0, None, **{f"r{k}": INCONCLUSIVE for k in range(4)})
    assert story.state.error_mask == ErrorMask.TOO_MANY_SUCCESS_RESULTS
    assert {r.validate_state for r in story.state.results} == {ValidateState.NO_CHECK}


def test_more_errors_than_allowed(story: Story) -> None:
    story.look(0.0)
    story.send(0)
    story.fail(0)
    story.look(2.0)
    assert story.state.error_mask is ErrorMask.NONE  # as many as allowed are not too many
    assert len(story.state.results) == 3
    story.send(1)
    story.fail(1)
    story.look(3.0)
    assert story.state.error_mask == ErrorMask.TOO_MANY_ERROR_RESULTS
    assert story.state.result(2).outcome is Outcome.DIDNT_NEED
    assert story.state.assimilate_state is AssimilateState.READY


def test_abort_by_the_volunteer_is_no_error(story: Story) -> None:
    story.look(0.0)
    for instance in range(3):
        story.send(instance)
        story.fail(instance, exit_status=203)
        story.look(3.0)
    assert story.state.error_mask is ErrorMask.NONE
    assert len(story.state.results) == 5


def test_too_many_results(story: Story) -> None:
    story.look(0.0)
    for instance in range(3):
        story.send(instance)
        story.on(instance, Detached(2.0))
        story.look(3.0)
    assert story.state.error_mask is ErrorMask.NONE
    story.send(3)
    story.on(3, Detached(2.0))
    story.look(3.0)  # one is left, two are needed
    assert story.state.error_mask == ErrorMask.TOO_MANY_TOTAL_RESULTS
    assert len(story.state.results) == 5


def test_time_out_replaces_and_late_success_counts(story: Story) -> None:
    story.look(0.0)
    story.send(0)
    story.send(1)
    story.succeed(1)
    story.look(1000.0 + GRACE)
    assert story.state.result(0).server_state is ServerState.IN_PROGRESS  # grace not over
    story.look(1001.0 + GRACE)
    assert story.state.result(0).outcome is Outcome.NO_REPLY
    assert story.state.result(2).server_state is ServerState.UNSENT
    story.succeed(0, 1200.0)
    story.look(1200.0)
    assert story.state.need_validate
    story.judge(1201.0, 0, r0=VALID, r1=VALID)
    assert story.state.result(2).outcome is Outcome.DIDNT_NEED


def test_straggler_is_compared_and_credited_while_the_files_are_there(story: Story) -> None:
    limits = replace(LIMITS, target_nresults=3)
    story = Story(limits)
    two_successes(story)
    story.send(2)
    story.judge(4.0, 0, r0=VALID, r1=VALID)
    story.happens(Assimilated(5.0))
    story.look(5.0)
    assert story.state.file_delete_state is FileDeleteState.INIT
    assert story.state.transition_time == 1001.0 + GRACE
    assert story.state.result(1).file_delete_state is FileDeleteState.READY
    story.succeed(2, 6.0)
    story.look(6.0)
    assert story.state.need_validate
    assert story.state.to_check == {2}
    story.happens(ValidationDone(7.0, {2: VALID}, None, credit=99.0))  # not the validator's to say
    assert story.state.result(2).granted_credit == 7.0
    story.look(7.0)
    assert story.state.file_delete_state is FileDeleteState.READY


def test_success_after_deletion_is_too_late(story: Story) -> None:
    story = Story(replace(LIMITS, target_nresults=3))
    two_successes(story)
    story.send(2)
    story.judge(4.0, 0, r0=VALID, r1=VALID)
    story.happens(Assimilated(5.0))
    story.look(2000.0)
    assert story.state.result(2).outcome is Outcome.NO_REPLY
    assert story.state.file_delete_state is FileDeleteState.READY
    story.succeed(2, 2001.0)
    story.look(2001.0)
    assert story.state.result(2).validate_state is ValidateState.TOO_LATE
    assert not story.state.need_validate
    assert story.state.result(2).file_delete_state is FileDeleteState.READY


def test_late_report_puts_deletion_off(story: Story) -> None:
    story = Story(replace(LIMITS, target_nresults=3))
    two_successes(story)
    story.send(2)
    story.judge(4.0, 0, r0=VALID, r1=VALID)
    story.happens(Assimilated(5.0))
    story.fail(2, 40.0)
    story.look(60.0, delete_delay=50.0)
    assert story.state.file_delete_state is FileDeleteState.INIT
    assert story.state.transition_time == 90.0
    story.look(90.0, delete_delay=50.0)
    assert story.state.file_delete_state is FileDeleteState.READY


def test_result_that_was_never_sent_has_no_files_to_delete(story: Story) -> None:
    story = Story(replace(LIMITS, target_nresults=3))
    two_successes(story)
    story.judge(4.0, 0, r0=VALID, r1=VALID)
    story.happens(Assimilated(5.0))
    story.look(5.0)
    assert story.state.file_delete_state is FileDeleteState.READY
    assert story.state.result(2).file_delete_state is FileDeleteState.INIT


@pytest.mark.parametrize(("delay_bound", "sleep"), [(1000.0, 10 * DAY), (20 * DAY, 30 * DAY)])
def test_open_workunit_is_looked_at_again_without_cause(delay_bound: float, sleep: float) -> None:
    story = Story(replace(LIMITS, delay_bound=delay_bound))
    story.look(7.0)
    assert story.state.transition_time == 7.0 + sleep


def test_inputs_that_cannot_be_deleted_are_tried_again(story: Story) -> None:
    two_successes(story)
    story.judge(4.0, 0, r0=VALID, r1=VALID)
    story.happens(Assimilated(5.0))
    story.look(5.0)
    assert story.state.transition_time == NEVER
    story.happens(FilesDeleted(6.0, ok=False, reason="read-only disk"))
    assert story.state.file_delete_state is FileDeleteState.ERROR
    assert story.state.transition_time == 6.0 + DELETE_RETRY
    story.look(6.0 + DELETE_RETRY)
    assert story.state.file_delete_state is FileDeleteState.READY


def test_every_decision_is_followed_by_a_look(story: Story) -> None:
    story = Story(replace(LIMITS, target_nresults=3))
    two_successes(story)
    story.judge(4.0, None, r0=INCONCLUSIVE, r1=INCONCLUSIVE)
    assert story.state.transition_time == 4.0
    story.look(4.0)
    story.send(2)
    story.succeed(2, 5.0)
    story.look(5.0)
    story.judge(6.0, 0, r0=VALID, r1=VALID, r2=INCONCLUSIVE)
    story.happens(Assimilated(7.0))
    assert story.state.transition_time == 7.0


def test_straggler_s_verdict_is_followed_by_a_look(story: Story) -> None:
    story = Story(replace(LIMITS, target_nresults=3))
    two_successes(story)
    story.send(2)
    story.judge(4.0, 0, r0=VALID, r1=VALID)
    story.happens(Assimilated(5.0))
    story.succeed(2, 6.0)
    story.look(6.0)
    assert story.state.transition_time == NEVER
    story.judge(7.0, 0, r2=INVALID)
    assert story.state.transition_time == 7.0


def test_failed_check_beside_a_quorum_is_an_error_of_its_own(story: Story) -> None:
    story = Story(replace(LIMITS, target_nresults=4))
    two_successes(story)
    for instance in (2, 3):
        story.send(instance)
        story.succeed(instance, 3.5)
    states = {0: VALID, 1: VALID, 2: INVALID, 3: INVALID}
    story.happens(ValidationDone(4.0, states, 0, 7.0, failed=frozenset({2})))
    assert story.state.result(2).outcome is Outcome.VALIDATE_ERROR
    assert story.state.result(3).outcome is Outcome.SUCCESS
    assert story.state.result(3).validate_state is INVALID


def test_false_outputs_are_no_errors_of_the_workunit(story: Story) -> None:
    """Else a few liars could end it: LIMITS allow for two errors."""
    two_successes(story)
    false = {0: False, 1: False}
    story.happens(
        ValidationDone(4.0, dict.fromkeys(false, INVALID), failed=frozenset({0, 1}), audits=false)
    )
    assert [one.validate_state for one in story.state.results] == [INVALID, INVALID]
    assert [one.error or one.success for one in story.state.results] == [False, False]
    story.look(4.0)
    assert not story.state.finished
    assert len([one for one in story.state.results if one.waiting]) == 2


def test_the_servers_own_computing_is_worth_one_more_result(story: Story) -> None:
    two_successes(story)
    event = ValidationDone(
        4.0,
        {0: INVALID, 1: VALID},
        1,
        7.0,
        failed=frozenset({0}),
        audits={0: False},
        confirmed=frozenset({1}),
    )
    story.happens(event)
    assert story.state.canonical == 1
    assert story.state.result(0).validate_state is INVALID
    assert not [one for one in story.state.results if not one.over]
    # Should the host be found wrong later, others compute it.
    assert (story.state.limits.min_quorum, story.state.limits.full_quorum) == (1, 2)
    host = story.state.result(1).host
    assert host is not None
    story.happens(Withdrawn(5.0, host, 4.0))
    assert story.state.canonical is None
    assert story.state.limits.min_quorum == 2


def test_a_canonical_result_that_is_wrong_is_withdrawn_whoever_confirmed_it(story: Story) -> None:
    two_successes(story)
    story.judge(4.0, 0, r0=VALID, r1=VALID)
    story.happens(Assimilated(5.0))
    story.happens(Withdrawn(6.0, 21, 4.0))
    assert story.state.canonical == 0, "others confirmed what this host found"
    story.happens(Withdrawn(6.0, None, 4.0, "Tile 2 is another."))
    assert story.state.canonical is None
    assert story.state.need_validate
    assert story.state.to_check == {0, 1}
    assert [one.granted_credit for one in story.state.results] == [0.0, 0.0]


def test_an_answer_is_withdrawn_though_the_other_output_is_gone(story: Story) -> None:
    """The campaign keeps the canonical output and the inputs: enough to know, and to ask others."""
    two_successes(story)
    story.judge(4.0, 0, r0=VALID, r1=VALID)
    story.happens(Assimilated(5.0))
    story.look(5.0, hold=True)
    assert story.state.result(1).file_delete_state is FileDeleteState.READY
    story.happens(Withdrawn(6.0, None, 4.0, "Segment 2 is another."))
    assert story.state.canonical is None
    assert story.state.need_validate
    assert story.state.to_check == {0}
    assert story.state.result(1).validate_state is ValidateState.INVALID
    assert [one.granted_credit for one in story.state.results] == [0.0, 0.0]


def test_without_inputs_nothing_is_withdrawn(story: Story) -> None:
    two_successes(story)
    story.judge(4.0, 0, r0=VALID, r1=VALID)
    story.happens(Assimilated(5.0))
    story.look(5.0, hold=False)
    assert story.state.file_delete_state is FileDeleteState.READY
    story.happens(Withdrawn(6.0, None, 4.0, "Segment 2 is another."))
    assert story.state.canonical == 0


def test_campaign_holds_the_canonical_output(story: Story) -> None:
    two_successes(story)
    story.judge(4.0, 0, r0=VALID, r1=VALID)
    story.happens(Assimilated(5.0))
    story.look(5.0, hold=True)
    assert story.state.result(0).file_delete_state is FileDeleteState.INIT
    assert story.state.result(1).file_delete_state is FileDeleteState.READY
    assert story.state.file_delete_state is FileDeleteState.INIT
    assert story.state.transition_time == 5.0 + DAY
    story.look(5.0 + DAY)
    assert story.state.file_delete_state is FileDeleteState.READY


def test_cancel(story: Story) -> None:
    story.look(0.0)
    story.send(0)
    story.happens(Cancelled(2.0, "the star is binary"))
    assert story.state.error_mask == ErrorMask.CANCELLED
    assert story.state.result(1).outcome is Outcome.DIDNT_NEED
    assert story.state.result(0).server_state is ServerState.IN_PROGRESS
    story.succeed(0, 3.0)
    story.look(3.0)
    assert story.state.result(0).validate_state is ValidateState.NO_CHECK
    assert story.happens(Cancelled(4.0)) == []


def test_failed_workunit_is_not_validated(story: Story) -> None:
    story.look(0.0)
    story.send(0)
    story.send(1)
    story.happens(Cancelled(2.0))
    story.succeed(0, 3.0)
    story.succeed(1, 3.0)
    story.look(3.0)
    assert not story.state.need_validate
    assert story.state.transition_time == NEVER


def test_failed_check_is_an_error_and_is_replaced(story: Story) -> None:
    two_successes(story)
    story.judge(4.0, None, r0=INVALID, r1=INCONCLUSIVE)
    assert story.state.result(0).outcome is Outcome.VALIDATE_ERROR
    assert story.state.limits.target_nresults == 2
    story.look(4.0)
    assert len(story.state.results) == 3
    story.send(2, 5.0)
    story.fail(2, 5.0)
    story.look(5.0)
    assert story.state.error_mask == ErrorMask.TOO_MANY_ERROR_RESULTS


def test_pending_validation_is_heard_before_errors_count(story: Story) -> None:
    story = Story(replace(LIMITS, target_nresults=4))
    story.look(0.0)
    for instance in range(4):
        story.send(instance)
    for instance in (0, 1):
        story.succeed(instance)
    story.look(2.0)
    for instance in (2, 3):
        story.fail(instance, 2.5)
    story.look(3.0)
    assert story.state.error_mask is ErrorMask.NONE
    story.judge(4.0, 0, r0=VALID, r1=VALID)
    assert story.state.canonical == 0


def test_deferred_validation_stays_due(story: Story) -> None:
    two_successes(story)
    story.happens(ValidationDeferred(4.0, 100.0, "disk away"))
    assert story.state.need_validate
    assert story.state.validate_after == 100.0


def test_stale_decision_is_not_taken(story: Story) -> None:
    story = Story(replace(LIMITS, target_nresults=3))
    two_successes(story)
    story.send(2)
    story.succeed(2, 3.5)
    assert story.judge(4.0, 0, r0=VALID, r1=VALID) == []
    assert story.state.need_validate
    assert story.state.canonical is None


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (ValidationDone(4.0, {0: VALID, 1: INCONCLUSIVE}, 0), "1 agree, min_quorum is 2"),
        (
            ValidationDone(4.0, {0: VALID, 1: INVALID}, 0, confirmed=frozenset({1})),
            "confirmed and is not VALID",
        ),
        (ValidationDone(4.0, {0: VALID, 1: VALID}, None), "without a canonical"),
        (ValidationDone(4.0, {0: INVALID, 1: VALID}, 0), "not VALID"),
        (ValidationDone(4.0, {0: VALID, 1: ValidateState.INIT}, 0), "neither"),
        (ValidationDone(4.0, {0: VALID, 1: VALID}, 0, failed=frozenset({1})), "not INVALID"),
        (ValidationDone(4.0, {0: VALID, 1: VALID}, 0, credit=float("nan")), "cannot happen"),
        (ValidationDone(4.0, {0: VALID, 1: VALID}, 0, credit=float("inf")), "cannot happen"),
        (ValidationDone(4.0, {0: VALID, 9: VALID}, 0), "no result 9"),
    ],
)
def test_decision_that_contradicts_itself_is_refused(
    story: Story, event: ValidationDone, words: str
) -> None:
    two_successes(story)
    with pytest.raises(StateError, match=words):
        story.happens(event)


def test_lost_result_that_is_given_up_is_replaced_at_once(story: Story) -> None:
    story.look(0.0)
    story.send(0)
    story.on(0, GivenUp(10.0, GRACE))
    assert story.state.transition_time <= 10.0
    story.look(10.0)
    assert story.state.result(0).outcome is Outcome.NO_REPLY


def test_assimilation_needs_an_answer(story: Story) -> None:
    story.look(0.0)
    with pytest.raises(StateError, match="without an answer"):
        story.happens(Assimilated(1.0))


@pytest.mark.parametrize(
    "limits",
    [
        replace(LIMITS, min_quorum=0),
        replace(LIMITS, target_nresults=1),
        replace(LIMITS, max_total_results=1),
        replace(LIMITS, max_success_results=1),
        replace(LIMITS, max_error_results=-1),
        replace(LIMITS, delay_bound=0.0),
        replace(LIMITS, delay_bound=float("nan")),
    ],
)
def test_limits_that_cannot_work_are_refused(limits: Quorum) -> None:
    with pytest.raises(StateError, match="must"):
        new_workunit(limits, 0.0)


@pytest.mark.parametrize(("alone", "first"), [(False, (2, 3)), (True, (1, 1))])
def test_one_hosts_word_is_enough_until_the_full_quorum_is_asked_for(
    alone: bool, first: tuple[int, int]
) -> None:
    policy = replace(LIMITS, min_quorum=2, target_nresults=3)
    limits = limits_of_workunit(policy, alone=alone)
    assert (limits.min_quorum, limits.target_nresults, limits.full_quorum) == (*first, 2)
    confirmed = require_quorum(new_workunit(limits, 0.0)).limits
    assert (confirmed.min_quorum, confirmed.target_nresults) == (2, 2 if alone else 3)
