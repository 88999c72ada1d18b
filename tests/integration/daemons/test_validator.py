"""The validator daemon: real outputs, real rows, and everything that can be missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from apps.ttv.validate import check as ttv
from boinc_project.lifecycle.effects import EventKind
from boinc_project.states import AssimilateState, Outcome, ValidateState
from server.daemons import validator
from server.daemons.items import PUT_OFF_SECONDS, PassFailed
from server.models import Workunit
from server.project import Project
from server.services.validation import MISSING_GRACE, Case
from tests.integration.daemons.conftest import Shop
from tests.integration.daemons.ttv_shop import TtvShop
from tests.unit.apps.ttv.validate import ttv_case


@pytest.fixture
def work(shop: Shop) -> TtvShop:
    return TtvShop(shop)


def test_two_equal_outputs_are_valid_and_earn_the_units_credit(work: TtvShop) -> None:
    case = ttv_case.case()
    workunit = work.add()
    _, first, _ = work.report(workunit, case.output)
    assert work.validate() == 0
    _, second, _ = work.report(workunit, case.changed(platform="windows_x86_64"))
    work.shop.clock.now += 1.0
    assert work.validate() == 1

    state = work.shop.state(workunit)
    assert state.canonical == 0
    assert state.assimilate_state is AssimilateState.READY
    assert [one.validate_state for one in state.results] == [ValidateState.VALID] * 2
    credit = ttv.credit(case.unit, Path())
    for host in (first, second):
        total, of_user, average = work.credit_of(host)
        assert total == of_user == pytest.approx(credit)
        assert average > 0
    assert "bit for bit" in work.shop.result(workunit, 1).validate_reason
    assert work.validate() == 0


def test_the_story_has_the_verdicts_and_their_evidence(work: TtvShop) -> None:
    workunit = work.finish()
    events = work.shop.events(workunit)
    kinds = [event.kind for event in events]
    assert kinds.count(EventKind.VALID) == 2
    assert kinds.count(EventKind.CANONICAL) == 1
    (evidence,) = [event for event in events if event.kind == "evidence"]
    assert evidence.actor == "validator"
    assert evidence.data is not None
    assert evidence.data["comparisons"][0]["verdict"] == "valid"
    name = work.shop.result(workunit, 0).name
    assert evidence.data["checks"][name]["statistics"]["recomputed"] == 64


def test_a_forged_output_is_an_error_and_a_third_result_decides(work: TtvShop) -> None:
    case = ttv_case.case()
    workunit = work.add()
    forged, forger, _ = work.report(workunit, case.changed(log_prob=case.output.log_prob + 1))
    honest, _, _ = work.report(workunit, case.output)
    assert work.validate() == 1
    work.shop.settle()
    state = work.shop.state(workunit)
    assert state.canonical is None
    assert state.result(forged).outcome is Outcome.VALIDATE_ERROR
    assert "log-probabilities" in work.shop.result(workunit, forged).validate_reason
    third, _, _ = work.report(workunit, case.output)
    assert work.validate() == 1
    state = work.shop.state(workunit)
    assert state.canonical == honest
    assert state.result(third).validate_state is ValidateState.VALID
    assert work.credit_of(forger)[0] == 0.0


def test_chains_too_short_to_compare_call_for_one_more(work: TtvShop) -> None:
    """Both pass their check: one differs by rounding that turned a late acceptance over."""
    case = ttv_case.case()
    output = case.output
    draws, log_prob = output.draws.copy(), output.log_prob.copy()
    walker = next(
        k
        for k in range(ttv_case.N_WALKER)
        if (draws[-1, k] != draws[-2, k]).any() and output.accepted[k] > 3
    )
    draws[-1, walker], log_prob[-1, walker] = draws[-2, walker], log_prob[-2, walker]
    accepted = output.accepted.copy()
    accepted[walker] -= 1
    other = replace(output, draws=draws, log_prob=log_prob, accepted=accepted)
    workunit = work.add()
    work.report(workunit, output)
    work.report(workunit, other)
    assert work.validate() == 1
    work.shop.settle()
    state = work.shop.state(workunit)
    assert [one.validate_state for one in state.results[:2]] == [ValidateState.INCONCLUSIVE] * 2
    assert len(state.results) == 3
    assert "Too little evidence" in work.shop.result(workunit, 0).validate_reason
    work.report(workunit, output)
    assert work.validate() == 1
    state = work.shop.state(workunit)
    assert state.canonical == 0
    assert state.result(1).validate_state is ValidateState.INCONCLUSIVE
    assert state.result(2).validate_state is ValidateState.VALID


def test_a_latecomer_gets_the_canonical_credit(work: TtvShop) -> None:
    case = ttv_case.case()
    workunit = work.add(target_nresults=3)
    instances = [one.instance for one in work.shop.state(workunit).results]
    late = work.shop.send(workunit, instances[2])
    for _ in range(2):
        work.report(workunit, case.output)
    assert work.validate() == 1
    path = work.shop.succeed(workunit, instances[2])
    case.write(path.parent, name=path.name)
    work.shop.settle()
    assert work.validate() == 1
    state = work.shop.state(workunit)
    assert state.result(instances[2]).validate_state is ValidateState.VALID
    assert work.credit_of(late)[0] == pytest.approx(ttv.credit(case.unit, Path()))


def test_a_missing_output_is_waited_for_and_may_still_come(work: TtvShop) -> None:
    case = ttv_case.case()
    workunit = work.add()
    work.report(workunit, case.output)
    missing, _, path = work.report(workunit, None)
    assert work.validate() == 1
    state = work.shop.state(workunit)
    assert state.validate_after == work.shop.clock.now + MISSING_GRACE
    assert state.result(missing).validate_state is ValidateState.INIT
    assert work.validate() == 0
    case.write(path.parent, name=path.name)
    work.shop.clock.now = state.validate_after
    assert work.validate() == 1
    assert work.shop.state(workunit).canonical == 0


def test_an_output_that_stays_away_is_invalid(work: TtvShop) -> None:
    case = ttv_case.case()
    workunit = work.add()
    work.report(workunit, case.output)
    missing, _, _ = work.report(workunit, None)
    work.validate()
    work.shop.clock.now += MISSING_GRACE
    assert work.validate() == 1
    work.shop.settle()
    state = work.shop.state(workunit)
    assert state.result(missing).outcome is Outcome.VALIDATE_ERROR
    assert state.result(missing).validate_state is ValidateState.INVALID
    assert "not there" in work.shop.result(workunit, missing).validate_reason
    assert state.canonical is None
    assert len(state.results) == 3


def test_a_report_during_the_judging_makes_it_judge_again(
    work: TtvShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = ttv_case.case()
    workunit = work.add(target_nresults=3)
    for _ in range(2):
        work.report(workunit, case.output)
    real = validator.judge

    def slow(given: Case, *others: object) -> object:
        decision = real(given, *others)
        monkeypatch.setattr(validator, "judge", real)
        work.report(workunit, case.output)
        return decision

    monkeypatch.setattr(validator, "judge", slow)
    assert work.validate() == 0
    assert work.shop.state(workunit).canonical is None
    assert work.validate() == 1
    state = work.shop.state(workunit)
    assert [one.validate_state for one in state.results] == [ValidateState.VALID] * 3


def test_a_damaged_unit_stops_nobody_else_and_passes_nothing(work: TtvShop, shop: Shop) -> None:
    damaged, sound = work.add(0), work.add(1)
    for workunit, index in ((damaged, 0), (sound, 1)):
        for _ in range(2):
            work.report(workunit, ttv_case.case(index).output)
    _unit_path(shop.project, damaged).write_bytes(b"{}")
    with pytest.raises(PassFailed, match=r"unit\.json"):
        work.validate()
    assert shop.state(sound).canonical is not None
    state = shop.state(damaged)
    assert state.canonical is None
    assert all(one.validate_state is ValidateState.INIT for one in state.results)
    assert state.validate_after == shop.clock.now + PUT_OFF_SECONDS
    assert work.validate() == 0


def test_a_unit_exchanged_for_another_judges_nothing(work: TtvShop, shop: Shop) -> None:
    workunit = work.add(0)
    for _ in range(2):
        work.report(workunit, ttv_case.case(1).output)
    _unit_path(shop.project, workunit).write_bytes(ttv_case.case(1).unit.to_bytes())
    with pytest.raises(PassFailed, match="not the one that was issued"):
        work.validate()
    assert shop.state(workunit).canonical is None


def test_without_its_table_nothing_is_valid(work: TtvShop, shop: Shop) -> None:
    workunit = work.add()
    for _ in range(2):
        work.report(workunit, ttv_case.case().output)
    shop.project.downloads.path(_file_name(shop.project, workunit, "transits.csv")).unlink()
    assert work.validate() == 1
    state = shop.state(workunit)
    assert state.canonical is None
    assert [one.validate_state for one in state.results[:2]] == [ValidateState.INCONCLUSIVE] * 2


def _file_name(project: Project, workunit: int, open_name: str) -> str:
    with project.database.read() as session:
        row = session.get_one(Workunit, workunit)
        return next(file.name for file in row.files if file.open_name == open_name)


def _unit_path(project: Project, workunit: int) -> Path:
    return project.downloads.path(_file_name(project, workunit, "unit.json"))
