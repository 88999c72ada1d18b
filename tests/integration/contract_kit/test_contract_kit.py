"""The contract kit finds each broken promise, and nothing where all are kept."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from boinc_project import application
from boinc_project.campaign import Campaign, StopRule
from server.contract_kit.checkpointing import checkpoints
from server.contract_kit.finding import Finding, KitError
from server.contract_kit.frozen_part import frozen_part
from server.contract_kit.inputs import digests
from server.contract_kit.judging import refuses
from server.contract_kit.killing import killed
from server.contract_kit.merging import merges
from server.contract_kit.obeying import quits, suspends
from server.contract_kit.planning import plans
from server.contract_kit.running import long_enough, repeated, undisturbed
from server.contract_kit.subject import Subject, planned
from tests.integration.contract_kit import counting_apps
from tests.integration.contract_kit.counting_apps import Counting

ROOT = Path(__file__).resolve().parents[3]
Question = Callable[[Subject], Finding]


@pytest.fixture(autouse=True)
def _apps_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def subject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[type[Counting]], Subject]]:
    """Return a function that plans a campaign of an app, which is installed for that long."""

    def make(kind: type[Counting], n_unit: int = 2) -> Subject:
        entry = EntryPoint("counting", f"{kind.__module__}:{kind.__name__}", "openastro.apps")
        monkeypatch.setattr(application, "entry_points", lambda group: [entry])
        stop = StopRule(max_units=n_unit, all_units=True)
        inputs = {"table.csv": b"1,2\n"}
        campaign = Campaign("count", "Count", "", "counting", 1, {}, inputs, n_unit, stop=stop)
        return planned(kind(), campaign, tmp_path, time.monotonic)

    application.get.cache_clear()
    yield make
    application.get.cache_clear()


def _killed(subject: Subject) -> Finding:
    whole = undisturbed(subject, subject.longest)
    return killed(subject, whole, random.Random(20261130), 1)


def _checkpoints(subject: Subject) -> Finding:
    return checkpoints(subject, undisturbed(subject, subject.longest))


def _quits(subject: Subject) -> Finding:
    return quits(subject, undisturbed(subject, subject.longest), random.Random(1))


def _suspends(subject: Subject) -> Finding:
    return suspends(subject, undisturbed(subject, subject.longest), random.Random(1))


def _repeated(subject: Subject) -> Finding:
    return repeated(subject, undisturbed(subject, subject.longest))


def _long_enough(subject: Subject) -> Finding:
    return long_enough(undisturbed(subject, subject.longest))


def _refuses(subject: Subject) -> Finding:
    wholes = {unit.name: undisturbed(subject, unit) for unit in subject.units}
    return refuses(subject, wholes, random.Random(1))


def _merges(subject: Subject) -> Finding:
    wholes = {unit.name: undisturbed(subject, unit) for unit in subject.units}
    return merges(subject, wholes, random.Random(1))


# All other questions are answered by a whole app in test_your_own_app.
@pytest.mark.parametrize("question", [plans, digests, _long_enough, _killed, _refuses])
def test_an_app_that_keeps_the_contract_passes(
    subject: Callable[[type[Counting]], Subject], question: Question
) -> None:
    finding = question(subject(Counting))
    assert finding.passed, finding


@pytest.mark.parametrize(
    ("kind", "question", "sentence"),
    [
        ("Fickle", plans, "other digests"),
        ("Counting", frozen_part, "imports assimilator"),
        ("Brief", _long_enough, "make it some seconds long"),
        ("Clocked", _repeated, "differ"),
        ("CountsTwice", _killed, "other bytes"),
        ("Forgetful", _checkpoints, "No checkpoint was seen"),
        ("StartsAnew", _checkpoints, "of it again"),
        ("NeverAsks", _quits, "call `poll` more often"),
        ("NeverAsks", _suspends, "call `poll` more often"),
        ("Raising", _refuses, "check raised"),
        ("Trusting", _refuses, "check accepts the output of count_g0_u001"),
        ("Wordless", _refuses, "no sentence"),
        ("Orderly", _merges, "In another order"),
    ],
)
def test_a_broken_promise_is_found(
    subject: Callable[[type[Counting]], Subject], kind: str, question: Question, sentence: str
) -> None:
    finding = question(subject(getattr(counting_apps, kind)))
    assert not finding.passed
    assert sentence in finding.sentence, finding


def test_a_campaign_of_one_unit_is_refused(
    subject: Callable[..., Subject],
) -> None:
    with pytest.raises(KitError, match="needs two"):
        subject(Counting, n_unit=1)
