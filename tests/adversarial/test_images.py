"""No false image gets in: what the audit computes again is what the output says, or it is out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.images.compute.built import load_kernel
from apps.images.validate import check as reprojection
from boinc_project import application
from boinc_project.states import ValidateState
from boinc_project.verdict import Verdict
from tests.adversarial.images import (
    IMAGE_KINDS,
    Forge,
    cheaper_kernel,
    forged_digests,
    other_unit,
    wrong_tile,
)
from tests.unit.apps.images.validate.reprojection_case import Case
from validator.quorum import Decision, decide

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

WHOLLY_FALSE = (forged_digests, other_unit, cheaper_kernel)
"""In more tiles than are computed again."""
OUTPUTS = {"steps": {"kind": "steps", "step_sigma": 0.25}, "float": {"kind": "float"}}


@pytest.fixture(scope="module", params=OUTPUTS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    directory = tmp_path_factory.mktemp(str(request.param))
    return Case(directory, output=OUTPUTS[request.param])


def judge(case: Case, path: Path) -> Verdict:
    """Check, and compute all tiles of what passes again."""
    verdict = reprojection.check(case.unit, path, case.inputs)
    if verdict.is_valid:
        rng = np.random.default_rng(5)
        verdict = reprojection.audit(case.unit, path, case.inputs, rng=rng, budget=1e9)
    return verdict


def quorum(case: Case, *paths: Path) -> Decision:
    return decide(
        case.unit,
        dict(enumerate(paths)),
        min_quorum=2,
        app=application.get("reprojection").judging(),
        inputs=case.inputs,
    )


@pytest.mark.parametrize("forge", IMAGE_KINDS, ids=lambda forge: forge.__name__)
def test_what_is_false_is_refused_and_agrees_with_no_honest_output(
    case: Case, forge: Forge
) -> None:
    path = forge(case)
    verdict = judge(case, path)
    assert verdict.is_invalid, verdict.reason
    assert not reprojection.compare(case.unit, path, case.output).is_valid


@pytest.mark.parametrize("forge", IMAGE_KINDS, ids=lambda forge: forge.__name__)
def test_no_number_of_equal_forgeries_outvotes_an_honest_output(case: Case, forge: Forge) -> None:
    """The tiles in question are computed again, so that one honest output wins against two.

    If they are more than one disagreement is worth, it waits for another honest one.
    """
    false, honest = forge(case), case.output
    for outputs in ([false, honest], [false, false, honest], [honest, false]):
        found = quorum(case, *outputs)
        right = outputs.index(honest)
        assert found.failed == set(range(len(outputs))) - {right}, found.reasons
        if forge in WHOLLY_FALSE:
            assert found.canonical is None
            assert found.states[right] is ValidateState.INCONCLUSIVE
            assert quorum(case, *outputs, honest).canonical == right
        else:
            assert found.canonical == right, found.reasons


def test_honest_twins_pass(case: Case) -> None:
    for path in (case.output, case.compute("stack_9"), case.forged(lambda *tile: None)):
        verdict = judge(case, path)
        assert verdict.is_valid, verdict.reason
        assert reprojection.compare(case.unit, path, case.output).is_valid


def test_only_the_audit_tells_a_tile_with_its_own_digest(case: Case) -> None:
    """Colluders would agree on it: the check has nothing to say."""
    path = wrong_tile(case)
    assert reprojection.check(case.unit, path, case.inputs).is_valid
    assert quorum(case, path, wrong_tile(case)).canonical == 0


def test_one_tile_looked_at_finds_another_units_output(case: Case) -> None:
    """All of its tiles are false, so that the smallest audit is enough, whichever it draws."""
    path = other_unit(case)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        verdict = reprojection.audit(case.unit, path, case.inputs, rng=rng, budget=0.0)
        assert verdict.is_invalid
