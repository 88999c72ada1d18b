"""The quorum: who is canonical, and what becomes of everybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from boinc_project import application
from boinc_project.errors import TransientError
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, invalid, valid
from tests.unit.apps.ttv.validate import ttv_case
from tests.unit.validator.letters import INCONCLUSIVE, INVALID, VALID, Letters, states, written
from validator.quorum import Decision, decide

Judge = Callable[..., Decision]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    def run(
        *texts: str, min_quorum: int = 2, canonical: int | None = None, app: Letters | None = None
    ) -> Decision:
        return decide(
            ttv_case.make_unit(),
            written(tmp_path, texts),
            min_quorum=min_quorum,
            app=app or Letters(),
            inputs={},
            canonical=canonical,
        )

    return run


def test_two_that_agree_are_valid(judge: Judge) -> None:
    found = judge("a", "a")
    assert found.canonical == 0
    assert states(found) == [VALID, VALID]
    assert found.reasons == {0: "They agree.", 1: "They agree."}


def test_digests_alone_agree_but_do_not_stand(judge: Judge) -> None:
    found = judge("a,", "ab")
    assert found.canonical == 1
    assert states(found) == [VALID, VALID]
    found = judge("a,", "a2,")
    assert found.canonical is None
    assert states(found) == [INCONCLUSIVE, INCONCLUSIVE]
    assert found.reasons[0] == "It agrees with the others, and none of them has brought the pixels."
    found = judge("a,", "a2,", "a3")
    assert (found.canonical, states(found)) == (2, [VALID, VALID, VALID])


def test_an_output_that_cannot_be_judged_whole_does_not_stand(judge: Judge) -> None:
    assert judge("a;", "a").canonical == 1
    assert judge("a;", "a2;").canonical is None


def test_two_that_disagree_are_both_inconclusive(judge: Judge) -> None:
    found = judge("a", "b")
    assert found.canonical is None
    assert states(found) == [INCONCLUSIVE, INCONCLUSIVE]
    assert found.reasons[0] == "The results do not agree yet: They disagree."


def test_the_third_decides(judge: Judge) -> None:
    found = judge("a", "b", "b")
    assert found.canonical == 1
    assert states(found) == [INVALID, VALID, VALID]
    assert not found.failed


def test_one_is_not_enough_for_a_quorum_of_two(judge: Judge) -> None:
    found = judge("a")
    assert found.canonical is None
    assert states(found) == [INCONCLUSIVE]
    assert "waits for another" in found.reasons[0]


def test_one_is_enough_for_a_quorum_of_one(judge: Judge) -> None:
    found = judge("a", min_quorum=1)
    assert found.canonical == 0
    assert states(found) == [VALID]
    assert "check passed" in found.reasons[0]


def test_a_quorum_of_three_takes_three(judge: Judge) -> None:
    assert judge("a", "a", "b", min_quorum=3).canonical is None
    found = judge("a", "b", "a", "a", min_quorum=3)
    assert found.canonical == 0
    assert states(found) == [VALID, INVALID, VALID, VALID]


def test_a_failed_check_is_invalid_and_an_error_and_never_compared(judge: Judge) -> None:
    app = Letters()
    found = judge("!", "a", "a", app=app)
    assert states(found) == [INVALID, VALID, VALID]
    assert found.failed == {0}
    assert found.reasons[0] == "It is bad."
    assert app.asked == [("a", "a")]


def test_a_failed_check_leaves_the_other_waiting(judge: Judge) -> None:
    found = judge("!", "a")
    assert found.canonical is None
    assert states(found) == [INVALID, INCONCLUSIVE]


@pytest.mark.parametrize("odd", ["?", "*x"])
def test_what_cannot_be_checked_is_inconclusive_and_counts_for_nothing(
    judge: Judge, odd: str
) -> None:
    found = judge(odd, odd)
    assert found.canonical is None
    assert states(found) == [INCONCLUSIVE, INCONCLUSIVE]
    assert states(judge(odd, "a", "a")) == [INCONCLUSIVE, VALID, VALID]
    assert not found.failed


def test_a_broken_validator_gives_its_reason_in_one_line(judge: Judge) -> None:
    reason = judge("*").reasons[0]
    assert reason == "The validator failed: RuntimeError: broken validator"


@pytest.mark.parametrize("odd", ["-", "~"])
def test_what_cannot_be_compared_is_inconclusive_not_invalid(judge: Judge, odd: str) -> None:
    found = judge(odd, "a", "a")
    assert found.canonical == 1
    assert states(found) == [INCONCLUSIVE, VALID, VALID]
    assert states(judge(odd, odd + odd)) == [INCONCLUSIVE, INCONCLUSIVE]


def test_a_verdict_of_none_passes_nothing(judge: Judge) -> None:
    class Careless(Letters):
        def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path], /) -> Verdict:
            return None  # type: ignore[return-value]

    found = judge("a", "a", app=Careless())
    assert found.canonical is None
    assert "gave no verdict" in found.reasons[0]


def test_rival_groups_of_equal_size_need_another_result(judge: Judge) -> None:
    found = judge("a", "a", "b", "b")
    assert found.canonical is None
    assert states(found) == [INCONCLUSIVE] * 4
    found = judge("a", "a", "b", "b", "b")
    assert found.canonical == 2
    assert states(found) == [INVALID, INVALID, VALID, VALID, VALID]


def test_one_that_agrees_with_two_who_disagree_is_the_centre(judge: Judge) -> None:
    class Near(Letters):
        def compare(self, unit: Unit, path_a: Path, path_b: Path, /) -> Verdict:
            a, b = (int(path.read_text()) for path in (path_a, path_b))
            return valid("near") if abs(a - b) <= 1 else invalid("far")

    found = judge("0", "1", "2", app=Near())
    assert found.canonical == 1
    assert states(found) == [VALID, VALID, VALID]


def test_those_who_only_lack_evidence_are_no_rivals(judge: Judge) -> None:
    class Unsure(Letters):
        def compare(self, unit: Unit, path_a: Path, path_b: Path, /) -> Verdict:
            same = path_a.read_text()[0] == path_b.read_text()[0]
            return valid("same") if same else inconclusive("unsure")

    found = judge("a", "a", "b", "b", app=Unsure())
    assert found.canonical == 0
    assert states(found) == [VALID, VALID, INCONCLUSIVE, INCONCLUSIVE]


def test_latecomers_are_compared_with_the_canonical_result_only(judge: Judge) -> None:
    app = Letters()
    found = judge("a", "a", "b", "-", "!", canonical=0, app=app)
    assert found.canonical == 0
    assert 0 not in found.states
    assert states(found) == [VALID, INVALID, INCONCLUSIVE, INVALID]
    assert found.failed == {4}
    assert all(first == "a" for first, _ in app.asked)


def test_a_canonical_result_with_a_larger_number_is_compared_as_well(judge: Judge) -> None:
    found = judge("a", "b", "a", canonical=2)
    assert states(found) == [VALID, INVALID]


def test_equal_files_are_checked_once(judge: Judge) -> None:
    app = Letters()
    found = judge("a1", "a1", "a2", app=app)
    assert app.n_check == 2
    assert states(found) == [VALID, VALID, VALID]


def test_a_file_that_cannot_be_read_is_inconclusive(judge: Judge, tmp_path: Path) -> None:
    outputs = {0: tmp_path / "not there", 1: tmp_path / "there"}
    outputs[1].write_text("a")
    found = decide(ttv_case.make_unit(), outputs, min_quorum=1, app=Letters(), inputs={})
    assert found.canonical == 1
    assert found.states == {0: INCONCLUSIVE, 1: VALID}


def test_what_passes_by_itself_is_asked_again_later(judge: Judge) -> None:
    class Busy(Letters):
        def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path], /) -> Verdict:
            raise TransientError("The disk is away.")

    with pytest.raises(TransientError):
        judge("a", app=Busy())


def test_nonsense_is_refused(judge: Judge) -> None:
    with pytest.raises(ValueError, match="min_quorum"):
        judge("a", min_quorum=0)
    with pytest.raises(ValueError, match="canonical"):
        judge("a", canonical=5)


def test_real_outputs_go_the_whole_way(tmp_path: Path) -> None:
    case = ttv_case.case()
    outputs = {
        1: case.write(tmp_path, name="1.h5"),
        2: case.write(tmp_path, case.changed(platform="windows_x86_64"), "2.h5"),
        3: case.write(tmp_path, case.changed(log_prob=case.output.log_prob + 1), "3.h5"),
    }
    found = decide(
        case.unit,
        outputs,
        min_quorum=2,
        app=application.get("ttv_mcmc").judging(),
        inputs=case.inputs(tmp_path),
    )
    assert found.canonical == 1
    assert found.states == {1: VALID, 2: VALID, 3: INVALID}
    assert found.failed == {3}
