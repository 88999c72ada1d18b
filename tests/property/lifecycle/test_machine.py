"""Any order of events, repeated, under any limits: what must hold, holds."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from boinc_project.campaign import Quorum
from boinc_project.errors import StateError
from boinc_project.lifecycle import result_events as one
from boinc_project.lifecycle.decision import ValidationDone
from boinc_project.lifecycle.effects import (
    CreateResults,
    GrantCredit,
    RequireQuorum,
    RevokeCredit,
    ScheduleTransition,
)
from boinc_project.lifecycle.invariants import validate_state
from boinc_project.lifecycle.result import DELETE_RETRY
from boinc_project.lifecycle.state import NEVER, ResultState, WorkunitState, new_workunit
from boinc_project.lifecycle.transition import Transition
from boinc_project.lifecycle.withdrawal import Withdrawn
from boinc_project.lifecycle.workunit import (
    Assimilated,
    Cancelled,
    DeletionPutOff,
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

GRACE = 50.0
DELETE_DELAY = 300.0
FINAL = (ValidateState.VALID, ValidateState.INVALID, ValidateState.NO_CHECK, ValidateState.TOO_LATE)


@st.composite
def all_limits(draw: st.DrawFn) -> Quorum:
    """Draw any limits that a campaign may set."""
    quorum = draw(st.integers(1, 3))
    target = draw(st.integers(quorum, quorum + 2))
    total = draw(st.integers(target, target + 5))
    success = draw(st.integers(quorum, quorum + 3))
    return Quorum(
        min_quorum=quorum,
        target_nresults=target,
        max_error_results=draw(st.integers(0, 3)),
        max_total_results=total,
        max_success_results=success,
        delay_bound=draw(st.sampled_from([100.0, 1000.0, 2e6])),
        full_quorum=draw(st.sampled_from([0, *range(quorum, min(total, success, 3) + 1)])),
    )


RARELY, MARKED = st.integers(0, 99), (71, 77, 83)
"""Three in a hundred: what ends a workunit must not happen to most of them."""


class Life(RuleBasedStateMachine):
    """Hosts, validators, assimilators, deleters and admins, in any order."""

    @initialize(limits=all_limits(), head_start=st.sampled_from(["none", "sent", "end"]))
    def issue(self, limits: Quorum, head_start: str) -> None:
        """Issue a workunit, and sometimes bring it far, so that what comes late is tried, too."""
        self.now = 1.7e9
        self.limits = limits
        self.opened_again = False
        self.state: WorkunitState = new_workunit(limits, self.now)
        self.credited: dict[int, float] = {}
        self.created: list[int] = []
        # Quorums that were one host short, and taken with the server's own word.
        self.short: set[int] = set()
        if head_start != "none":
            self.transition(hold=False)
            for r in self.state.results:
                sent = one.Sent(self.now, 7 + r.instance, 3, self.now + 100.0, GRACE)
                self.on(r.instance, sent, twice=False)
        if head_start == "end":
            # Stragglers, if there are any, are still out.
            for r in self.state.results[: limits.min_quorum]:
                self.on(r.instance, one.Reported(self.now, ClientState.FILES_UPLOADED, 0))
            self.transition(hold=False)
            self.happens_twice(_decision(self.state, self.now, agree=True))
            self.assimilate()

    # The only way to change the state; checks what holds of every step.

    def happens(self, event: WorkunitEvent) -> None:
        before = self.state
        after, effects = handle(before, event)
        again, more = handle(before, event)
        assert (after, effects) == (again, more), "an event has one outcome"
        for effect in effects:
            if isinstance(effect, GrantCredit):
                assert effect.result not in self.credited, "credit is granted once"
                self.credited[effect.result] = effect.credit
            if isinstance(effect, RevokeCredit):
                assert effect.credit == self.credited.pop(effect.result), "only what was granted"
            if isinstance(effect, CreateResults):
                self.created += range(effect.first, effect.first + effect.count)
            assert not isinstance(effect, ScheduleTransition), "folded into the state"
            assert not isinstance(effect, RequireQuorum), "folded into the state"
        assert after.error_mask & before.error_mask == before.error_mask
        if isinstance(event, Withdrawn):
            assert not effects or (after.canonical is None and before.canonical is not None)
        else:
            for old in before.results:
                _only_forward(old, after.result(old.instance))
            assert before.canonical in (None, after.canonical)
            assert after.assimilate_state >= before.assimilate_state
        told_only = isinstance(event, ValidationDeferred) or (
            isinstance(event, OnResult) and isinstance(event.event, one.Resent)
        )
        assert after != before or not effects or told_only
        self.state = after

    def happens_twice(self, event: WorkunitEvent) -> None:
        """Apply what a daemon or client may repeat: the second time nothing happens."""
        self.happens(event)
        state = self.state
        again, effects = handle(state, event)
        assert (again, effects) == (state, ())

    def some(self, data: st.DataObject, *states: ServerState) -> int:
        choice = [r.instance for r in self.state.results if r.server_state in states]
        return data.draw(st.sampled_from(choice))

    def have(self, *states: ServerState) -> bool:
        return any(r.server_state in states for r in self.state.results)

    def on(self, instance: int, event: OwnEvent, *, twice: bool = True) -> None:
        (self.happens_twice if twice else self.happens)(OnResult(instance, event))

    # Time

    @rule(seconds=st.sampled_from([0.0, 1.0, 60.0, 149.0, 150.0, 1050.0, 1e5, 3e6]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(hold=st.booleans())
    def transition(self, hold: bool) -> None:
        before = self.state
        self.happens_twice(Transition(self.now, GRACE, DELETE_DELAY, hold))
        self.check_patience(before, hold)
        assert self.state.transition_time > self.now
        overdue = [
            r
            for r in self.state.results
            if r.server_state is ServerState.IN_PROGRESS and r.report_deadline + GRACE <= self.now
        ]
        assert not overdue

    def check_patience(self, before: WorkunitState, hold: bool) -> None:
        """Nothing times out early; nothing is released early, nor while it is held."""
        after = self.state
        last = max([before.assimilate_time, *(r.received_time for r in before.results)])
        kept: list[tuple[WorkunitState | ResultState, WorkunitState | ResultState]] = [
            (before, after)
        ]
        for was in before.results:
            now = after.result(was.instance)
            if not was.over and now.outcome is Outcome.NO_REPLY:
                assert was.report_deadline + GRACE <= self.now
            if was.instance == before.canonical:
                kept.append((was, now))
            if self.now < last + DELETE_DELAY:
                assert now.file_delete_state is was.file_delete_state
        if hold or self.now < last + DELETE_DELAY:
            assert all(was.file_delete_state is now.file_delete_state for was, now in kept)

    # Hosts

    @precondition(lambda self: self.have(ServerState.UNSENT))
    @rule(data=st.data(), span=st.sampled_from([10.0, 100.0, 5000.0]), replicate=st.booleans())
    def send(self, data: st.DataObject, span: float, replicate: bool) -> None:
        instance = self.some(data, ServerState.UNSENT)
        deadline = self.now + span
        self.on(
            instance,
            one.Sent(self.now, 7 + instance, 3, deadline, GRACE, replicate=replicate),
            twice=False,
        )
        full = self.state.limits.full_quorum
        if replicate and not self.state.finished:
            assert self.state.limits.min_quorum >= full
        with pytest.raises(StateError):
            handle(self.state, OnResult(instance, one.Sent(self.now, 8, 4, self.now + span)))

    @precondition(lambda self: self.have(ServerState.IN_PROGRESS, ServerState.OVER))
    @rule(
        data=st.data(),
        success=st.booleans(),
        exit_status=st.sampled_from([1, 11, 194, 202, 203, -186]),
    )
    def report(self, data: st.DataObject, success: bool, exit_status: int) -> None:
        instance = self.some(data, ServerState.IN_PROGRESS, ServerState.OVER)
        if success:
            event = one.Reported(self.now, ClientState.FILES_UPLOADED, 0, 10.0, 11.0)
        else:
            event = one.Reported(self.now, ClientState.COMPUTE_ERROR, exit_status)
        was = self.state.result(instance)
        self.on(instance, event)
        now = self.state.result(instance)
        fresh = not was.over or was.outcome in (Outcome.NO_REPLY, Outcome.CLIENT_DETACHED)
        if fresh:
            assert now.outcome is (Outcome.SUCCESS if success else Outcome.CLIENT_ERROR)
            assert self.state.transition_time <= self.now
        else:
            assert now == was

    @precondition(lambda self: self.have(ServerState.IN_PROGRESS))
    @rule(data=st.data(), what=st.sampled_from(["resent", "given up", "detached", "time"]))
    def lose(self, data: st.DataObject, what: str) -> None:
        instance = self.some(data, ServerState.IN_PROGRESS)
        event: OwnEvent
        if what == "resent":
            event = one.Resent(self.now, self.now + 80.0, GRACE)
            self.on(instance, event, twice=False)
            return
        if what == "given up":
            self.on(instance, one.GivenUp(self.now, GRACE), twice=False)
            assert self.state.transition_time <= self.now + 1e-6
            return
        event = one.Detached(self.now) if what == "detached" else one.TimedOut(self.now, GRACE)
        self.on(instance, event)

    @precondition(lambda self: self.have(ServerState.UNSENT))
    @rule(data=st.data(), chance=RARELY)
    def find_no_host(self, data: st.DataObject, chance: int) -> None:
        if chance in MARKED:
            self.on(self.some(data, ServerState.UNSENT), one.CouldntSend(self.now))

    @rule()
    def all_hosts_work(self) -> None:
        """Send what is unsent, report what is in progress, and look: most of real life."""
        for r in self.state.results:
            if r.server_state is ServerState.UNSENT:
                sent = one.Sent(self.now, 7 + r.instance, 3, self.now + 100.0, GRACE)
                self.on(r.instance, sent, twice=False)
            if r.server_state in (ServerState.UNSENT, ServerState.IN_PROGRESS):
                self.on(r.instance, one.Reported(self.now, ClientState.FILES_UPLOADED, 0))
        self.transition(hold=False)

    # Validator

    @precondition(lambda self: self.state.to_check)
    @rule(data=st.data(), credit=st.sampled_from([0.0, 12.5]), agree=st.booleans())
    def validate(self, data: st.DataObject, credit: float, agree: bool) -> None:
        """Decide about all that can be checked, whether that is due or not."""
        chosen = sorted(self.state.to_check)
        verdicts = st.sampled_from(
            [ValidateState.VALID, ValidateState.INVALID, ValidateState.INCONCLUSIVE]
        )
        states = {k: ValidateState.VALID if agree else data.draw(verdicts) for k in chosen}
        valid = [k for k, verdict in states.items() if verdict is ValidateState.VALID]
        invalid = [k for k, verdict in states.items() if verdict is ValidateState.INVALID]
        failed = frozenset(data.draw(st.sets(st.sampled_from(invalid))) if invalid else ())
        canonical, confirmed = self.state.canonical, frozenset[int]()
        if canonical is None and len(valid) >= self.state.limits.min_quorum:
            canonical = data.draw(st.sampled_from(valid))
        elif canonical is None and valid:
            decision = ValidationDone(self.now, states, valid[0], credit, failed)
            if self.state.need_validate:
                with pytest.raises(StateError):
                    handle(self.state, decision)
            if len(valid) == self.state.limits.min_quorum - 1 and data.draw(st.booleans()):
                # The server's own computing is worth one more.
                canonical = data.draw(st.sampled_from(valid))
                confirmed = frozenset({canonical})
            else:
                states |= dict.fromkeys(valid, ValidateState.INCONCLUSIVE)
        due = self.state.need_validate
        before = self.state
        audits = dict.fromkeys(failed, False)
        decision = ValidationDone(
            self.now,
            states,
            canonical,
            credit,
            failed,
            audits=audits,
            replicate=bool(failed),
            confirmed=confirmed,
        )
        if due and confirmed:
            self.short.add(len(valid))
        self.happens_twice(decision)
        if due and failed and self.state.canonical is None and not self.state.finished:
            assert self.state.limits.min_quorum >= self.state.limits.full_quorum
        if not due:
            assert self.state == before

    @precondition(lambda self: self.state.need_validate)
    @rule(data=st.data())
    def decide_about_others(self, data: st.DataObject) -> None:
        """A decision about other results than those to be checked changes nothing."""
        known = [r.instance for r in self.state.results]
        asked = data.draw(st.sets(st.sampled_from(known)))
        if asked == self.state.to_check:
            return
        states = dict.fromkeys(asked, ValidateState.INCONCLUSIVE)
        before = self.state
        self.happens(ValidationDone(self.now, states))
        assert self.state == before

    @precondition(lambda self: self.state.need_validate)
    @rule()
    def defer(self) -> None:
        self.happens(ValidationDeferred(self.now, self.now + 100.0, "no disk"))
        assert self.state.need_validate
        assert self.state.validate_after == self.now + 100.0

    @precondition(lambda self: self.state.canonical is not None)
    @rule(chance=RARELY, data=st.data())
    def withdraw(self, chance: int, data: st.DataObject) -> None:
        """A host fails an audit; the canonical result may stand on its word alone."""
        if chance not in MARKED:
            return
        before = self.state
        valid = {r.host for r in before.results if r.validate_state is ValidateState.VALID}
        host = data.draw(st.sampled_from([None, *sorted(valid | {99})]))
        held = before.file_delete_state is FileDeleteState.INIT
        self.happens_twice(Withdrawn(self.now, host, self.now - 10.0, "it failed an audit"))
        if held and (valid == {host} or host is None):
            self.opened_again = True
            assert self.state.canonical is None
            assert self.state.need_validate == (host is None and bool(self.state.to_check))
            for was, now in zip(before.results, self.state.results, strict=True):
                if was.validate_state is ValidateState.VALID:
                    kept = was.file_delete_state is FileDeleteState.INIT
                    undecided, out = ValidateState.INCONCLUSIVE, ValidateState.INVALID
                    assert now.validate_state is (undecided if kept else out)
            assert self.state.assimilate_state is AssimilateState.INIT
            assert self.state.limits.min_quorum >= 2
            assert self.state.transition_time <= self.now
        else:
            assert self.state == before

    # Assimilator, deleter, admin

    @precondition(lambda self: self.state.finished)
    @rule()
    def assimilate(self) -> None:
        first = self.state.assimilate_state is AssimilateState.READY
        self.happens_twice(Assimilated(self.now))
        if first:
            assert self.state.assimilate_time == self.now
            assert self.state.transition_time <= self.now

    @rule(chance=RARELY)
    def cancel(self, chance: int) -> None:
        if chance in MARKED:
            self.happens_twice(Cancelled(self.now, "changed our mind"))
            assert self.state.finished

    @precondition(lambda self: self.state.assimilate_state is AssimilateState.DONE)
    @rule(ok=st.booleans())
    def delete_files(self, ok: bool) -> None:
        """Delete whatever is marked; a deleter that comes for more finds nothing to do."""
        before = self.state
        self.happens_twice(FilesDeleted(self.now, ok))
        for r in before.results:
            self.on(r.instance, one.OutputsDeleted(self.now, ok))
        after = self.state
        for was, now in [(before, after), *zip(before.results, after.results, strict=True)]:
            if was.file_delete_state is FileDeleteState.READY:
                expected = FileDeleteState.DONE if ok else FileDeleteState.ERROR
                assert now.file_delete_state is expected
                assert ok or after.transition_time <= self.now + DELETE_RETRY
            else:
                assert now.file_delete_state is was.file_delete_state

    @precondition(lambda self: self.state.assimilate_state is AssimilateState.DONE)
    @rule(seconds=st.sampled_from([1.0, 600.0]))
    def put_deletion_off(self, seconds: float) -> None:
        """A deleter fails at the workunit: what is marked is marked again later."""
        before = self.state
        self.happens_twice(DeletionPutOff(self.now, self.now + seconds, "no disk"))
        after = self.state
        marked = False
        for was, now in [(before, after), *zip(before.results, after.results, strict=True)]:
            if was.file_delete_state is FileDeleteState.READY:
                marked = True
                assert now.file_delete_state is FileDeleteState.ERROR
            else:
                assert now.file_delete_state is was.file_delete_state
        assert after.transition_time <= self.now + seconds if marked else after == before

    # What holds always

    @invariant()
    def state_is_possible(self) -> None:
        validate_state(self.state)

    @invariant()
    def limits_are_kept(self) -> None:
        state = self.state
        assert len(state.results) <= state.limits.max_total_results
        assert self.created == [r.instance for r in state.results] == list(range(len(self.created)))
        assert state.limits.delay_bound == self.limits.delay_bound
        assert state.limits.max_error_results == self.limits.max_error_results
        quorum, full = state.limits.min_quorum, state.limits.full_quorum
        assert quorum in {self.limits.min_quorum, full} | self.short
        if quorum < min(self.limits.min_quorum, full or quorum):
            assert state.canonical is not None
            assert full >= self.limits.min_quorum
        assert state.limits.max_total_results >= self.limits.max_total_results

    @invariant()
    def canonical_stands_on_a_quorum(self) -> None:
        valid = {r.instance for r in self.state.results if r.validate_state is ValidateState.VALID}
        if self.state.canonical is None:
            assert not valid
        else:
            assert self.state.canonical in valid
            assert len(valid) >= self.state.limits.min_quorum
            assert self.state.error_mask is ErrorMask.NONE

    @invariant()
    def credit_is_for_the_valid(self) -> None:
        granted = {
            r.instance: r.granted_credit
            for r in self.state.results
            if r.validate_state is ValidateState.VALID
        }
        assert granted == self.credited
        assert all(
            r.granted_credit == 0.0 for r in self.state.results if r.instance not in self.credited
        )

    @invariant()
    def files_stay_while_needed(self) -> None:
        state = self.state
        if state.assimilate_state is AssimilateState.INIT:
            with pytest.raises(StateError):
                handle(state, Assimilated(self.now))
        if state.assimilate_state is not AssimilateState.DONE:
            assert state.file_delete_state is FileDeleteState.INIT
            for r in state.results:
                # What is out when a workunit is opened again has no part in what follows.
                if not self.opened_again or r.undecided or r.validate_state is ValidateState.VALID:
                    assert r.file_delete_state is FileDeleteState.INIT
        for r in state.results:
            if r.server_state is ServerState.IN_PROGRESS or r.unchecked:
                assert r.file_delete_state is FileDeleteState.INIT

    @invariant()
    def nothing_in_progress_is_forgotten(self) -> None:
        for r in self.state.results:
            if r.server_state is ServerState.IN_PROGRESS:
                assert self.state.transition_time <= r.report_deadline + GRACE + 1e-6

    def teardown(self) -> None:
        """Whatever happened: once hosts answer and daemons run, every workunit ends."""
        if not hasattr(self, "state"):
            return
        end = finish(self.state, self.now, agree=self.limits.min_quorum % 2 == 1)
        assert end.finished
        assert end.assimilate_state is AssimilateState.DONE
        assert end.file_delete_state is FileDeleteState.DONE
        assert end.transition_time == NEVER
        assert all(r.over for r in end.results)


def _only_forward(was: ResultState, now: ResultState) -> None:
    """Nothing leaves OVER, and no verdict is taken back; late reports alone change an outcome."""
    assert now.server_state >= was.server_state
    if was.over and now.outcome is not was.outcome:
        late = was.outcome in (Outcome.NO_REPLY, Outcome.CLIENT_DETACHED)
        unreadable = was.undecided and now.outcome is Outcome.VALIDATE_ERROR
        assert late or unreadable
        assert not late or now.outcome in (Outcome.SUCCESS, Outcome.CLIENT_ERROR)
    if was.validate_state in FINAL:
        assert now.validate_state is was.validate_state
        assert now.granted_credit == was.granted_credit
    if was.host is not None:
        assert (now.host, now.user) == (was.host, was.user)


def finish(state: WorkunitState, now: float, *, agree: bool, limit: int = 200) -> WorkunitState:
    """Run everybody's part, as it is due, until nothing is left to do."""
    for _ in range(limit):
        if state.file_delete_state is FileDeleteState.DONE and state.transition_time == NEVER:
            files = {FileDeleteState.READY, FileDeleteState.ERROR}
            if not any(r.file_delete_state in files for r in state.results):
                return state
        now = max(now + 1.0, state.transition_time if state.transition_time < NEVER else 0.0)
        state = _one_round(state, now, agree=agree)
        validate_state(state)
    raise AssertionError(f"the workunit does not end: {state}")


def _one_round(state: WorkunitState, now: float, *, agree: bool) -> WorkunitState:
    """Let the transitioner, hosts, validator, assimilator and deleter each do what they can."""
    state, _ = handle(state, Transition(now, GRACE, DELETE_DELAY))
    for k in [r.instance for r in state.results if r.server_state is ServerState.UNSENT]:
        state, _ = handle(state, OnResult(k, one.Sent(now, 1, 1, now + 100.0, GRACE)))
    for k in [r.instance for r in state.results if r.server_state is ServerState.IN_PROGRESS]:
        report = one.Reported(now, ClientState.FILES_UPLOADED, 0)
        state, _ = handle(state, OnResult(k, report))
    if state.need_validate:
        state, _ = handle(state, _decision(state, now, agree=agree))
    if state.assimilate_state is AssimilateState.READY:
        state, _ = handle(state, Assimilated(now))
    for k in [r.instance for r in state.results]:
        state, _ = handle(state, OnResult(k, one.OutputsDeleted(now)))
    return handle(state, FilesDeleted(now))[0]


def _decision(state: WorkunitState, now: float, *, agree: bool) -> ValidationDone:
    if state.canonical is not None:
        return ValidationDone(now, dict.fromkeys(state.to_check, ValidateState.VALID))
    if not agree or len(state.to_check) < state.limits.min_quorum:
        return ValidationDone(now, dict.fromkeys(state.to_check, ValidateState.INCONCLUSIVE))
    states = dict.fromkeys(state.to_check, ValidateState.VALID)
    return ValidationDone(now, states, min(states), 1.0)


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@settings(max_examples=200, deadline=None)
@given(limits=all_limits(), agree=st.booleans())
def test_every_workunit_with_answering_hosts_ends(limits: Quorum, agree: bool) -> None:
    """Agreement gives a canonical result, disagreement an error; both within the limits."""
    end = finish(new_workunit(limits, 0.0), 0.0, agree=agree)
    assert (end.canonical is not None) is agree
    assert (end.error_mask is ErrorMask.NONE) is agree
    assert len(end.results) <= limits.max_total_results
    if agree:
        assert len(end.results) == limits.target_nresults


@settings(max_examples=100, deadline=None)
@given(limits=all_limits())
def test_hosts_that_only_fail_cost_no_more_than_allowed(limits: Quorum) -> None:
    state, now = new_workunit(limits, 0.0), 0.0
    for _ in range(limits.max_total_results + 2):
        now += 1.0
        state, _ = handle(state, Transition(now, GRACE))
        for r in state.results:
            if r.server_state is ServerState.UNSENT:
                sent = one.Sent(now, 1, 1, now + 100.0, GRACE)
                state, _ = handle(state, OnResult(r.instance, sent))
                failed = one.Reported(now, ClientState.COMPUTE_ERROR, 1)
                state, _ = handle(state, OnResult(r.instance, failed))
    assert state.finished
    failures = sum(r.error for r in state.results)
    assert failures <= max(limits.max_error_results + limits.target_nresults, 1)
    assert state.error_mask & (ErrorMask.TOO_MANY_ERROR_RESULTS | ErrorMask.TOO_MANY_TOTAL_RESULTS)
    if ErrorMask.TOO_MANY_ERROR_RESULTS in state.error_mask:
        assert failures > limits.max_error_results


def test_states_are_values() -> None:
    state = new_workunit(Quorum(), 0.0)
    assert copy.deepcopy(state) == state
    assert hash(state) == hash(replace(state))
