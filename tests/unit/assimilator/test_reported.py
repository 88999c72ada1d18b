"""A product of a report and files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assimilator.provenance import unpack_unit
from assimilator.reported import ReportedProduct
from boinc_project.campaign import Campaign, StopRule
from boinc_project.outputs import Canonical, Rejected
from boinc_project.report import Criterion, Report, read_report
from boinc_project.unit import Unit

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def outputs(tmp_path: Path) -> list[Canonical]:
    made = []
    for index in range(3):
        path = tmp_path / f"{index}.json"
        path.write_text(str(index))
        unit = Unit("digits", 100, "pi", 7, 0, index, {"first": index})
        made.append(Canonical(unit, path, unit.name, 100, "x86_64-pc-linux-gnu"))
    return made


def product(outputs: list[Canonical], *, met: bool = True) -> ReportedProduct:
    criterion = Criterion("Digits", met=met, sentence="" if met else "Digits 3 to 5 differ.")
    campaign = Campaign(
        "pi", "Pi", "", "digits", 7, {}, {}, 3, stop=StopRule(max_units=3, all_units=True)
    )
    report = Report("All digits are there.", "3 digits", criteria=(criterion,))
    rejected = [Rejected("pi_g0_u001", "r1", "invalid", "Forged.")]
    return ReportedProduct(campaign, outputs, report, {"digits.txt": b"314"}, NOW, rejected)


def test_it_is_over_with_its_last_unit(outputs: list[Canonical]) -> None:
    assert product(outputs).sampled
    assert not product(outputs[:2]).sampled
    assert product(outputs[:2]).missing == ("1 of 3 units are missing.",)


def test_it_is_all_that_was_wanted_if_its_criteria_are_met(outputs: list[Canonical]) -> None:
    assert product(outputs).converged
    unmet = product(outputs, met=False)
    assert unmet.sampled
    assert not unmet.converged
    assert unmet.missing == ("Digits 3 to 5 differ.",)


def test_its_files_are_there_and_its_digest_is_theirs(
    outputs: list[Canonical], tmp_path: Path
) -> None:
    made = product(outputs)
    made.write(tmp_path / "product")
    assert (tmp_path / "product" / "digits.txt").read_bytes() == b"314"
    summary = json.loads((tmp_path / "product" / "summary.json").read_text())
    assert read_report(summary) == made.report
    assert (summary["digest"], summary["n_unit"]) == (made.digest, 3)
    other = ReportedProduct(made.campaign, outputs, made.report, {"digits.txt": b"315"}, NOW)
    assert other.digest != made.digest


def test_every_unit_can_be_computed_again(outputs: list[Canonical], tmp_path: Path) -> None:
    product(outputs).write(tmp_path / "product")
    file = tmp_path / "product" / "provenance.json"
    unit = unpack_unit(file, "pi_g0_u001", tmp_path / "slot")
    assert unit == outputs[1].unit
    told = json.loads(file.read_text())
    assert told["rejected"][0]["reason"] == "Forged."
    assert told["units"][0]["app_version"] == 100
