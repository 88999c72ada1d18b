"""What audits do to a quorum: what fails is out, and who contradicts is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from boinc_project.judge import Audit
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, invalid, valid
from tests.unit.apps.ttv.validate import ttv_case
from tests.unit.validator.letters import INCONCLUSIVE, INVALID, VALID, Letters, states, written
from validator.audited import AuditedDecision, decide_audited


class Auditor:
    """Audits texts: ``x`` was made up, ``y`` breaks the audit. Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(
        self,
        unit: Unit,
        path: Path,
        inputs: Mapping[str, Path],
        /,
        *,
        rng: np.random.Generator,
        budget: float,
    ) -> Verdict:
        text = path.read_text()
        self.asked.append(text)
        if "y" in text:
            raise MemoryError("no memory")
        return invalid("It was made up.") if "x" in text else valid("It was computed.")


def audited(
    tmp_path: Path,
    *texts: str,
    app: Letters,
    drawn: set[int],
    min_quorum: int = 1,
    canonical: int | None = None,
) -> AuditedDecision:
    return decide_audited(
        ttv_case.make_unit(),
        written(tmp_path, texts),
        min_quorum=min_quorum,
        app=app,
        inputs={},
        canonical=canonical,
        seed=1,
        drawn=drawn,
        budget=1.0,
    )


def test_an_audited_output_is_checked_once(tmp_path: Path) -> None:
    app = Letters(audit=Auditor())
    found = audited(tmp_path, "a1", "a2", "!", "?", app=app, drawn={0, 2, 3})
    assert app.n_check == 4
    # What does not pass its check is not opened by an audit.
    assert found.audits.keys() == {0}
    assert found.decision.canonical == 0
    assert states(found.decision) == [VALID, VALID, INVALID, INCONCLUSIVE]
    assert found.decision.failed == {2}
    assert found.decision.checks.keys() == {0, 1, 2, 3}


def test_what_an_audit_refuses_is_out_and_so_are_its_equals(tmp_path: Path) -> None:
    app = Letters(audit=Auditor())
    found = audited(tmp_path, "ax", "ax", "a", app=app, drawn={0})
    assert found.decision.canonical == 2
    assert states(found.decision) == [INVALID, INVALID, VALID]
    assert found.decision.failed == {0, 1}
    assert found.decision.reasons[1] == "Its audit failed: It was made up."
    assert app.asked == []


def test_outputs_of_the_same_bytes_share_an_audit(tmp_path: Path) -> None:
    look = Auditor()
    found = audited(tmp_path, "a", "a", "ab", app=Letters(audit=look), drawn={0, 1, 2})
    assert look.asked == ["a", "ab"]
    assert found.audits.keys() == {0, 1, 2}


@pytest.mark.parametrize("audit", [None, Auditor()])
def test_an_audit_that_does_not_decide_asks_for_another_output(
    tmp_path: Path, audit: Audit | None
) -> None:
    found = audited(tmp_path, "ay", app=Letters(audit=audit), drawn={0})
    assert found.audits[0].kind == "inconclusive"
    assert found.decision.canonical is None
    assert states(found.decision) == [INCONCLUSIVE]
    assert found.decision.reasons[0].startswith("Its audit did not decide: ")


def test_a_majority_that_is_contradicted_is_audited_though_nobody_drew_it(tmp_path: Path) -> None:
    found = audited(tmp_path, "ax", "b", "axx", app=Letters(audit=Auditor()), drawn=set())
    assert found.audits.keys() == {0, 1, 2}
    assert found.decision.canonical == 1
    assert states(found.decision) == [INVALID, VALID, INVALID]


def test_who_is_right_still_needs_a_quorum(tmp_path: Path) -> None:
    app = Letters(audit=Auditor())
    found = audited(tmp_path, "ax", "b", app=app, drawn=set(), min_quorum=2)
    assert found.decision.canonical is None
    assert states(found.decision) == [INVALID, INCONCLUSIVE]


def test_contradictions_among_honest_outputs_are_left_to_the_quorum(tmp_path: Path) -> None:
    app = Letters(audit=Auditor())
    found = audited(tmp_path, "a", "b", "a1", app=app, drawn=set(), min_quorum=2)
    assert found.decision.canonical == 0
    assert states(found.decision) == [VALID, INVALID, VALID]


def test_nobody_is_audited_who_is_not_drawn_and_not_contradicted(tmp_path: Path) -> None:
    look = Auditor()
    found = audited(tmp_path, "ax", "a1", "-", app=Letters(audit=look), drawn=set(), min_quorum=2)
    assert look.asked == []
    assert found.decision.canonical == 0


def test_what_a_referee_has_settled_is_not_audited(tmp_path: Path) -> None:
    look = Auditor()

    def referee(
        unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path], /
    ) -> tuple[Verdict, Verdict]:
        return invalid("It is another."), valid("It is right.")

    app = Letters(audit=look, referee=referee)
    found = audited(tmp_path, "a", "b", app=app, drawn=set(), min_quorum=2)
    assert look.asked == []
    assert states(found.decision) == [INVALID, VALID]


def test_a_canonical_output_that_is_contradicted_is_audited_and_may_be_wrong(
    tmp_path: Path,
) -> None:
    app = Letters(audit=Auditor())
    found = audited(tmp_path, "ax", "b", app=app, drawn=set(), canonical=0)
    assert found.decision.settled.refuted.keys() == {0}
    assert found.decision.states == {1: INCONCLUSIVE}
    assert "is wrong: It was made up." in found.decision.reasons[1]


def test_a_canonical_output_that_stands_its_audit_stays(tmp_path: Path) -> None:
    app = Letters(audit=Auditor())
    found = audited(tmp_path, "a", "b", "cx", app=app, drawn=set(), canonical=0)
    assert found.decision.settled.refuted == {}
    assert found.decision.states == {1: INVALID, 2: INVALID}
    assert found.decision.failed == {2}
