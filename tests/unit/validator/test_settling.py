"""Disagreements that the server settles: its own computing against one host, or against many."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from boinc_project.errors import TransientError
from boinc_project.states import ValidateState
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, invalid, valid
from tests.unit.apps.ttv.validate import ttv_case
from tests.unit.validator.letters import Letters, written
from validator.quorum import Decision, decide

VALID, INVALID, INCONCLUSIVE = (
    ValidateState.VALID,
    ValidateState.INVALID,
    ValidateState.INCONCLUSIVE,
)

Asked = tuple[Verdict, Verdict]


def by_truth(unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path], /) -> Asked:
    """Settle: ``t`` is true, ``x`` and ``y`` are false, and of ``u`` nothing can be said."""

    def say(text: str) -> Verdict:
        if text.startswith("u"):
            return inconclusive("Too much of it differs.")
        return valid("It is right.") if text.startswith("t") else invalid("It is wrong.")

    return say(path_a.read_text()), say(path_b.read_text())


Judge = Callable[..., Decision]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    def run(
        *texts: str, min_quorum: int = 2, canonical: int | None = None, app: Letters | None = None
    ) -> Decision:
        outputs = {number: tmp_path / str(number) for number in range(len(texts))}
        for number, text in enumerate(texts):
            outputs[number].write_text(text)
        return decide(
            ttv_case.make_unit(),
            written(tmp_path, texts),
            min_quorum=min_quorum,
            app=app or Letters(referee=by_truth),
            inputs={},
            canonical=canonical,
        )

    return run


def states(decision: Decision) -> list[ValidateState]:
    return [decision.states[one] for one in sorted(decision.states)]


@pytest.mark.parametrize("wrong", [0, 1])
def test_the_wrong_one_of_two_is_out_and_the_right_one_stands(judge: Judge, wrong: int) -> None:
    texts = ["t", "t"]
    texts[wrong] = "x"
    found = judge(*texts)
    assert found.canonical == 1 - wrong
    assert found.states == {wrong: INVALID, 1 - wrong: VALID}
    assert found.reasons == {wrong: "It is wrong.", 1 - wrong: "It is right."}
    assert found.failed == {wrong}
    assert found.settled.confirmed.keys() == {1 - wrong}


def test_two_that_are_wrong_in_their_own_ways_are_both_out(judge: Judge) -> None:
    found = judge("x", "y")
    assert found.canonical is None
    assert states(found) == [INVALID, INVALID]
    assert found.failed == {0, 1}


def test_one_that_is_right_wins_against_a_majority_that_agrees(judge: Judge) -> None:
    for texts in set(itertools.permutations(["x1", "x2", "x3", "t"])):
        found = judge(*texts)
        right = texts.index("t")
        assert found.canonical == right
        assert found.failed == set(range(4)) - {right}
        assert found.states[right] is VALID


def test_the_servers_word_counts_as_one_and_no_more(judge: Judge) -> None:
    found = judge("x", "y", "t", min_quorum=3)
    assert found.canonical is None
    assert states(found) == [INVALID, INVALID, INCONCLUSIVE]
    found = judge("x", "t1", "t2", min_quorum=3)
    assert (found.canonical, states(found)) == (1, [INVALID, VALID, VALID])


def test_colluders_whom_nobody_contradicts_are_not_found_by_this(judge: Judge) -> None:
    found = judge("x1", "x2")
    assert (found.canonical, states(found)) == (0, [VALID, VALID])
    assert not found.settled.pairs


def test_who_is_not_refuted_is_not_confirmed_by_that(judge: Judge) -> None:
    found = judge("x", "u")
    assert found.canonical is None
    assert states(found) == [INVALID, INCONCLUSIVE]


def test_a_dispute_that_is_open_keeps_the_servers_word_from_counting(judge: Judge) -> None:
    class Half(Letters):
        def half(
            self, unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path], /
        ) -> Asked:
            if "u" in (path_a.read_text(), path_b.read_text()):
                return inconclusive("unsure"), inconclusive("unsure")
            return by_truth(unit, path_a, path_b, inputs)

    app = Half()
    app.referee = app.half
    found = judge("x", "t", "u", app=app)
    assert found.canonical is None
    assert states(found) == [INVALID, INCONCLUSIVE, INCONCLUSIVE]


def test_what_both_agree_with_makes_them_agree(judge: Judge) -> None:
    class Near(Letters):
        def compare(self, unit: Unit, path_a: Path, path_b: Path, /) -> Verdict:
            return invalid("far")

    found = judge("t1", "t2", app=Near(referee=by_truth))
    assert (found.canonical, states(found)) == (0, [VALID, VALID])
    assert "lies between the two" in found.reasons[0]
    assert found.comparisons[0, 1].is_invalid  # the evidence is what was measured


def test_a_latecomer_is_settled_with_the_canonical_result(judge: Judge) -> None:
    found = judge("t", "t", "x", canonical=0)
    assert found.states == {1: VALID, 2: INVALID}
    assert found.reasons[2] == "It is wrong."
    # Against a canonical result that is wrong nobody is held to disagree, nor to agree.
    found = judge("x", "x", "t", canonical=0)
    assert found.canonical == 0
    assert found.states == {1: INCONCLUSIVE, 2: INCONCLUSIVE}
    assert found.reasons[2] == "The result that it is compared with is wrong: It is wrong."


def test_a_digest_that_is_right_waits_for_the_pixels(judge: Judge) -> None:
    found = judge("t,", "x")
    assert found.canonical is None
    assert states(found) == [INCONCLUSIVE, INVALID]


@pytest.mark.parametrize("broken", ["raise", "nothing", "one"])
def test_a_referee_that_fails_leaves_it_open(judge: Judge, broken: str) -> None:
    def fail(unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path], /) -> Asked:
        if broken == "raise":
            raise RuntimeError("no\ninputs")
        return None if broken == "nothing" else (valid("x"), None)  # type: ignore[return-value]

    found = judge("a", "b", app=Letters(referee=fail))
    assert found.canonical is None
    assert states(found) == [INCONCLUSIVE, INCONCLUSIVE]
    assert found.reasons[0] == "The results do not agree yet: They disagree."
    assert not found.failed
    ((first, _),) = found.settled.pairs.values()
    assert "could not be settled" in first.reason


def test_what_passes_by_itself_is_asked_again_later(judge: Judge) -> None:
    def busy(unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path], /) -> Asked:
        raise TransientError("The disk is away.")

    with pytest.raises(TransientError):
        judge("a", "b", app=Letters(referee=busy))


def test_who_agrees_is_not_looked_at(judge: Judge) -> None:
    asked = []

    def count(unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path], /) -> Asked:
        asked.append((path_a.name, path_b.name))
        return by_truth(unit, path_a, path_b, inputs)

    judge("t1", "t2", "!", app=Letters(referee=count))
    assert asked == []
    judge("t1", "x", "t2", app=Letters(referee=count))
    assert asked == [("0", "1"), ("1", "2")]


def test_who_is_refuted_vouches_for_nobody(judge: Judge) -> None:
    def only_x(unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path], /) -> Asked:
        first, second = (
            invalid("It is wrong.") if "x" in path.read_text() else inconclusive("Unsure.")
            for path in (path_a, path_b)
        )
        return first, second

    found = judge("ax", "a", "b", app=Letters(referee=only_x))
    assert found.canonical is None
    assert states(found) == [INVALID, INCONCLUSIVE, INCONCLUSIVE]
