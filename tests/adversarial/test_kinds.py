"""Nothing false gets in: every kind of falsehood is refused, and its honest twin is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.nested.validate import check as nested
from apps.ttv.validate import check as ttv
from boinc_project.unit import seal
from boinc_project.verdict import Verdict
from tests.adversarial import campaign
from tests.adversarial.kinds import KINDS, NESTED_KINDS, Honest, Kind, honest
from tests.unit.apps.nested.validate import nested_case, unlike
from validator.plausible import Pace, is_too_fast

N_STEP = 480
"""Short units: 80 stored draws. Audits take a larger share of them than of real ones."""
SHARE = 0.3
"""24 of 80 segments less what TTVFast takes: of a tenth that is false, 2 % are missed by one audit,
and the seeds of these tests do not."""

FALSEHOODS = {kind.name: kind for kind in KINDS if kind.elapsed == 1.0}


@pytest.fixture(scope="module")
def one() -> Honest:
    return honest(0, N_STEP)


def inputs(one: Honest, directory: Path) -> dict[str, Path]:
    seal(one.unit, {"transits.csv": campaign.table()}, directory / "unit")
    return {"transits.csv": directory / "unit" / "transits.csv"}


def judge(one: Honest, path: Path) -> Verdict:
    """Check, and audit what passes."""
    files = inputs(one, path.parent)
    verdict = ttv.check(one.unit, path, files)
    if verdict.is_valid:
        rng = np.random.default_rng(5)
        verdict = ttv.audit(one.unit, path, files, rng=rng, budget=1e9, share=SHARE)
    return verdict


@pytest.mark.parametrize("kind", FALSEHOODS.values(), ids=FALSEHOODS.keys())
def test_what_is_false_is_refused(one: Honest, tmp_path: Path, kind: Kind) -> None:
    verdict = judge(one, kind.forge(one, tmp_path / "false.h5"))
    assert verdict.is_invalid, verdict.reason


@pytest.mark.parametrize("index", range(3))
def test_the_honest_twin_passes(tmp_path: Path, index: int) -> None:
    twin = honest(index, N_STEP)
    verdict = judge(twin, twin.write(tmp_path / "true.h5"))
    assert verdict.is_valid, verdict.reason


@pytest.mark.parametrize("index", range(2))
def test_the_honest_twin_from_an_unlike_platform_passes(tmp_path: Path, index: int) -> None:
    unit = honest(index, N_STEP).unit
    twin = Honest(unit, unlike.ttv_output(unit, index, campaign.table()))
    assert (twin.output.draws != honest(index, N_STEP).output.draws).any()
    verdict = judge(twin, twin.write(tmp_path / "true.h5"))
    assert verdict.is_valid, verdict.reason


def test_dressing_changes_nothing_that_is_true(one: Honest, tmp_path: Path) -> None:
    """What the forgeries are caught by is the falsehood, not the way in which they are written."""
    verdict = judge(one, one.dressed(tmp_path / "true.h5", one.output.draws))
    assert verdict.is_valid, verdict.reason


def test_colluders_agree_with_each_other_so_that_only_the_audit_tells(
    one: Honest, tmp_path: Path
) -> None:
    kind = FALSEHOODS["colluding pair"]
    first = kind.forge(one, tmp_path / "first.h5")
    second = kind.forge(one, tmp_path / "second.h5")
    assert ttv.compare(one.unit, first, second).is_valid
    assert ttv.check(one.unit, first, inputs(one, tmp_path)).is_valid
    assert judge(one, first).is_invalid


def test_a_copy_is_true_and_only_too_early() -> None:
    copied = {kind.name: kind for kind in KINDS}["copied wingman"]
    assert is_too_fast(2700.0, Pace(copied.elapsed * 2700.0))
    assert not is_too_fast(2700.0, Pace(2700.0))
    # A host five times as fast as the reference host is a fast host,
    assert not is_too_fast(2700.0, Pace(540.0))
    # unless its own benchmark says otherwise.
    assert is_too_fast(2700.0, Pace(540.0, speed=1.0))
    assert not is_too_fast(2700.0, Pace(540.0, speed=2.0))


@pytest.mark.parametrize("elapsed", [None, 0.0, -5.0, float("nan")])
def test_a_time_that_is_not_known_says_nothing(elapsed: float | None) -> None:
    assert not is_too_fast(2700.0, Pace(elapsed))


def test_a_short_unit_is_never_too_early() -> None:
    assert not is_too_fast(59.0, Pace(0.1))
    assert is_too_fast(61.0, Pace(0.1))


@pytest.mark.parametrize("forge", NESTED_KINDS, ids=lambda forge: forge.__name__)
def test_a_false_nested_run_never_passes(tmp_path: Path, forge: object) -> None:
    case = nested_case.case()
    path = forge(case.output, tmp_path / "false.h5")  # type: ignore[operator]
    files = case.inputs(tmp_path)
    verdict = nested.check(case.unit, path, files)
    if verdict.is_valid:
        rng = np.random.default_rng(5)
        verdict = nested.audit(case.unit, path, files, rng=rng, budget=1e9)
    assert not verdict.is_valid


def test_there_are_at_least_twenty_kinds() -> None:
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names) >= 20
