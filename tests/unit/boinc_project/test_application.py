"""The contract of applications: how they are found, and what they do where they say nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boinc_project import application
from boinc_project.application import Application, Sections
from boinc_project.campaign import Campaign, Progress
from boinc_project.computation import Computation, Runtime
from boinc_project.errors import ConfigError
from boinc_project.outputs import Canonical, Rejected
from boinc_project.product import Product
from boinc_project.toml_source import TomlTable
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, valid

OURS = ("reprojection", "ttv_mcmc", "ttv_nested")


class Least(Application):
    """Nothing but the five answers."""

    name = "least"
    version = 100

    def read(self, root: TomlTable, directory: Path) -> Sections:
        return Sections({})

    def plan(self, campaign: Campaign, progress: Progress) -> Sequence[Unit]:
        return ()

    def compute(
        self, unit: Unit, inputs: Mapping[str, Path], output: Path, runtime: Runtime
    ) -> None:
        output.write_bytes(b"")

    def check(self, unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
        return valid("It is there.")

    def merge(
        self,
        campaign: Campaign,
        outputs: Sequence[Canonical],
        *,
        created_at: datetime,
        rejected: Sequence[Rejected] = (),
        jobs: int = 1,
    ) -> Product:
        raise NotImplementedError


class Audited(Least):
    """One that computes parts again."""

    def audit(
        self,
        unit: Unit,
        path: Path,
        inputs: Mapping[str, Path],
        *,
        rng: np.random.Generator,
        budget: float,
    ) -> Verdict:
        return valid("It was computed again.")


UNIT = Unit("least", 100, "c", 1, 0, 0, {})
CAMPAIGN = Campaign("c", "C", "", "least", 1, {}, {"table.csv": b"12"}, 1)


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Installed applications, by name."""
    installed: dict[str, str] = {}

    def told(*, group: str) -> list[EntryPoint]:
        return [EntryPoint(name, value, group) for name, value in installed.items()]

    monkeypatch.setattr(application, "entry_points", told)
    application.get.cache_clear()
    yield installed
    application.get.cache_clear()


def test_ours_are_installed_like_any_other() -> None:
    assert set(OURS) <= set(application.names())
    for name in OURS:
        assert application.get(name).name == name


def test_an_application_is_found_by_its_entry_point(entries: dict[str, str]) -> None:
    entries["least"] = f"{__name__}:Least"
    assert application.names() == ["least"]
    assert type(application.get("least")).__name__ == "Least"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("other", f"{__name__}:Least", "There is no app .nonsense.; there are other"),
        ("nonsense", f"{__name__}:UNIT", "is no application"),
        ("nonsense", f"{__name__}:Least", "calls itself .least.: give both one name"),
    ],
)
def test_an_application_that_is_none_is_refused(
    entries: dict[str, str], name: str, value: str, sentence: str
) -> None:
    entries[name] = value
    with pytest.raises(ConfigError, match=sentence):
        application.get("nonsense")


def test_outputs_agree_by_default_if_they_are_the_same_bytes(tmp_path: Path) -> None:
    for name, data in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(data)
    least = Least()
    assert least.compare(UNIT, tmp_path / "a", tmp_path / "b").is_valid
    assert least.compare(UNIT, tmp_path / "a", tmp_path / "c").is_invalid


def test_a_default_unit_is_an_hour_of_a_usual_processor(tmp_path: Path) -> None:
    least = Least()
    cost = least.cost(CAMPAIGN, UNIT)
    assert cost.n_call * least.seconds_per_call(CAMPAIGN) == pytest.approx(3600.0)
    assert cost.bytes_shared == 2
    # 4 GFLOPS for an hour: 4 x 200 / 24 cobblestones.
    assert least.credit(UNIT, tmp_path) == pytest.approx(4 * 200 / 24)


def test_a_campaign_ends_by_default_with_its_last_unit(entries: dict[str, str]) -> None:
    root: Any = None
    stop = Least().read_stop(root, 7)
    assert (stop.max_units, stop.all_units) == (7, True)


def test_nobody_is_believed_alone_without_an_audit(tmp_path: Path) -> None:
    judging = Least().judging()
    assert (judging.audit, judging.referee) == (None, None)
    assert not judging.one_word_is_enough(UNIT)
    audit = Audited().judging().audit
    assert audit is not None
    assert audit(UNIT, tmp_path, {}, rng=np.random.default_rng(1), budget=1.0).is_valid


@pytest.mark.parametrize("name", OURS)
def test_volunteers_get_the_computation_alone(name: str) -> None:
    """And it is the application's own: the same name, version and output."""
    path = application.get(name).computed_by()
    program = (
        "import sys; from apps.main import load; app = load(sys.argv[1]);"
        "print(app.name, app.version, app.output_file);"
        "print('numpy' in sys.modules, 'boinc_project.application' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    ours = application.get(name)
    assert done.stdout.split() == [ours.name, str(ours.version), ours.output_file, "False", "False"]


def test_an_application_of_one_class_is_its_own_computation() -> None:
    assert Least().computed_by() == f"{__name__}:Least"
    assert issubclass(Least, Computation)
