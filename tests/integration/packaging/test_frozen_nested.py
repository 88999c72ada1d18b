"""The frozen nested app: without matplotlib and emcee, and with the numbers of the unfrozen one."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.nested.compute.app import NestedRuns
from apps.nested.compute.unit import run
from apps.nested.output import content_digest, read_nested_output
from apps.runtime.runtime import open_runtime
from boinc_project.unit import seal
from tests.frozen import install, start, tree_of
from tests.unit.apps.nested.validate import nested_case
from tests.unit.apps.ttv.validate import ttv_case

pytestmark = [pytest.mark.frozen, pytest.mark.slow]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(NestedRuns.name, NestedRuns.version, tmp_path_factory.mktemp("project"))


def test_what_is_not_needed_is_not_in_the_bundle(program: Path) -> None:
    names = {path.name.lower() for path in tree_of(program).rglob("*")}
    for unwanted in ("matplotlib", "mpl-data", "pil", "emcee", "pandas", "tkinter"):
        assert not [name for name in names if name.startswith(unwanted)], unwanted
    licences = (tree_of(program) / "LICENSES").read_text("utf-8")
    assert "dynesty 3" in licences
    assert "scipy 1" in licences
    assert "matplotlib 3" not in licences


def test_it_computes_the_bytes_of_the_unfrozen_one(program: Path, tmp_path: Path) -> None:
    unit, inputs = nested_case.make_unit(max_segments=8), ("unit.json", "transits.csv")
    slots = [tmp_path / name for name in ("frozen", "unfrozen")]
    for slot in slots:
        seal(unit, {"transits.csv": ttv_case.table()}, slot)
    done = start(program, slots[0])
    assert done.returncode == 0, done.stderr
    with open_runtime(slots[1]) as runtime:
        paths = {name: slots[1] / name for name in inputs}
        run(unit, paths, slots[1] / "output.h5", runtime)
    frozen, unfrozen = (read_nested_output(slot / "output.h5") for slot in slots)
    assert content_digest(frozen) == content_digest(unfrozen)
