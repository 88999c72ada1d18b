"""Properties of the quorum and of the comparison, whatever the outputs are."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.ttv.validate.statistics import compare_ensembles
from boinc_project.judge import Audit, Referee
from boinc_project.states import ValidateState
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, invalid, valid
from tests.unit.apps.ttv.validate import ttv_case
from tests.unit.apps.ttv.validate.ensembles import ar1, gaussian_log_prob
from validator.quorum import Decision, decide

N_MAX = 6


@dataclass
class Table:
    """An app whose verdicts are given beforehand, even self-contradictory ones."""

    checks: Mapping[int, str]
    pairs: Mapping[tuple[int, int], str]
    audit: Audit | None = None
    referee: Referee | None = None

    def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path], /) -> Verdict:
        return self._say(self.checks[int(path.read_text())])

    def compare(self, unit: Unit, path_a: Path, path_b: Path, /) -> Verdict:
        a, b = sorted(int(path.read_text()) for path in (path_a, path_b))
        return self._say(self.pairs[a, b])

    def settled_by(self, words: Mapping[tuple[int, int], tuple[str, str]]) -> Table:
        """Return the same with a referee that says of the pairs what is given."""

        def referee(
            unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path], /
        ) -> tuple[Verdict, Verdict]:
            numbers = [int(path.read_text()) for path in (path_a, path_b)]
            said = [self._say(word) for word in words[min(numbers), max(numbers)]]
            first, second = said if numbers[0] < numbers[1] else reversed(said)
            return first, second

        return replace(self, referee=referee)

    def can_be_canonical(self, output: Path, /) -> bool:
        return True

    def credit(self, unit: Unit, output: Path) -> float:
        return 1.0

    def _say(self, word: str) -> Verdict:
        if word == "raise":
            raise RuntimeError("broken")
        return {"valid": valid, "invalid": invalid, "unsure": inconclusive}[word](word)


WORDS = st.sampled_from(["valid", "valid", "invalid", "unsure", "raise"])


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, Table]:
    n = draw(st.integers(1, N_MAX))
    checks = {k: draw(WORDS) for k in range(n)}
    pairs = {(a, b): draw(WORDS) for a in range(n) for b in range(a + 1, n)}
    return n, Table(checks, pairs)


def run(table: Table, order: list[int], min_quorum: int, canonical: int | None = None) -> Decision:
    """Decide with outputs numbered by their place in `order`."""
    with tempfile.TemporaryDirectory() as directory:
        outputs = {}
        for number, content in enumerate(order):
            outputs[number] = Path(directory) / str(number)
            outputs[number].write_text(str(content))
        place = None if canonical is None else order.index(canonical)
        return decide(UNIT, outputs, min_quorum=min_quorum, app=table, inputs={}, canonical=place)


UNIT = ttv_case.make_unit()


@settings(deadline=None, max_examples=150)
@given(tables(), st.integers(1, 4))
def test_a_decision_is_never_more_than_its_evidence(
    given_table: tuple[int, Table], min_quorum: int
) -> None:
    n, table = given_table
    found = run(table, list(range(n)), min_quorum)
    assert set(found.states) == set(range(n)) == set(found.reasons)
    assert all(found.reasons.values())
    valid_ones = {one for one, state in found.states.items() if state is ValidateState.VALID}
    assert all(table.checks[one] == "valid" for one in valid_ones)
    assert found.failed == {one for one in range(n) if table.checks[one] == "invalid"}
    if found.canonical is None:
        assert not valid_ones
        assert {s for o, s in found.states.items() if o not in found.failed} <= {
            ValidateState.INCONCLUSIVE
        }
        return
    assert found.canonical in valid_ones
    assert len(valid_ones) >= min_quorum
    for one in set(range(n)) - {found.canonical}:
        pair = min(one, found.canonical), max(one, found.canonical)
        agrees = table.checks[one] == "valid" and table.pairs[pair] == "valid"
        assert (one in valid_ones) == agrees


def test_two_equals_that_contradict_leave_it_open_however_they_are_numbered() -> None:
    # Found by the property below: 0 and 2 contradict each other, 1 is unsure of both.
    pairs = {(0, 1): "unsure", (0, 2): "invalid", (1, 2): "unsure"}
    table = Table({0: "valid", 1: "valid", 2: "valid"}, pairs)
    for order in itertools.permutations(range(3)):
        assert run(table, list(order), min_quorum=1).canonical is None


@settings(deadline=None, max_examples=100)
@given(tables(), st.integers(1, 3), st.randoms(use_true_random=False))
def test_numbering_does_not_decide_whether_there_is_agreement(
    given_table: tuple[int, Table], min_quorum: int, random: Random
) -> None:
    n, table = given_table
    order = list(range(n))
    random.shuffle(order)
    straight = run(table, list(range(n)), min_quorum)
    shuffled = run(table, order, min_quorum)
    assert (straight.canonical is None) == (shuffled.canonical is None)


@settings(deadline=None, max_examples=150)
@given(tables(), st.integers(1, 3), st.randoms(use_true_random=False), st.data())
def test_who_is_refuted_is_out_and_who_wins_has_the_evidence_however_they_are_numbered(
    given_table: tuple[int, Table], min_quorum: int, random: Random, data: st.DataObject
) -> None:
    n, table = given_table
    table = table.settled_by(
        {pair: (data.draw(WORDS), data.draw(WORDS)) for pair in sorted(table.pairs)}
    )
    found = run(table, list(range(n)), min_quorum)
    refuted = set(found.settled.refuted)
    assert all(found.states[one] is ValidateState.INVALID for one in refuted)
    assert found.failed == refuted | {one for one in range(n) if table.checks[one] == "invalid"}
    valid_ones = {one for one, state in found.states.items() if state is ValidateState.VALID}
    assert (found.canonical in valid_ones) == (found.canonical is not None)
    if found.canonical is not None:
        assert len(valid_ones) + (found.canonical in found.settled.confirmed) >= min_quorum
    for one in found.settled.confirmed:
        against = [pair for pair in found.settled.pairs if one in pair]
        assert any(set(pair) - {one} <= refuted for pair in against)
    order = list(range(n))
    random.shuffle(order)
    shuffled = run(table, order, min_quorum)
    assert {order[one] for one in shuffled.settled.refuted} == refuted
    assert {order[one] for one in shuffled.settled.confirmed} == set(found.settled.confirmed)
    assert (shuffled.canonical is None) == (found.canonical is None)


@settings(deadline=None, max_examples=100)
@given(tables())
def test_latecomers_get_what_the_comparison_with_the_canonical_says(
    given_table: tuple[int, Table],
) -> None:
    n, table = given_table
    found = run(table, list(range(n)), 2, canonical=0)
    assert found.canonical == 0
    assert 0 not in found.states
    for one in range(1, n):
        if found.states[one] is ValidateState.VALID:
            assert table.checks[one] == "valid"
            assert table.pairs[0, one] == "valid"


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 2**32),
    st.integers(8, 200),
    st.floats(0.0, 0.95),
    st.floats(0.0, 1.0),
    st.booleans(),
)
def test_the_statistics_are_symmetric_and_never_find_an_ensemble_unlike_itself(
    seed: int, n_draw: int, phi: float, shift: float, broken: bool
) -> None:
    rng = np.random.default_rng(seed)
    first, second = (ar1(rng, n_draw, 6, 2, phi) for _ in range(2))
    second = second + shift
    if broken:
        second[rng.integers(n_draw), 0, 0] = np.nan
    lp = (gaussian_log_prob(first), gaussian_log_prob(second))
    if broken:
        with np.errstate(all="ignore"):
            try:
                found = compare_ensembles(("x", "y"), (first, second), lp)
            except np.linalg.LinAlgError:
                return
        assert not found.agrees
        return
    there = compare_ensembles(("x", "y"), (first, second), lp)
    back = compare_ensembles(("x", "y"), (second, first), lp[::-1])
    assert there.agrees == back.agrees
    assert there.has_evidence == back.has_evidence
    itself = compare_ensembles(("x", "y"), (first, first), (lp[0], lp[0]))
    assert itself.agrees
