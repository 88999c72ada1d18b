"""Commands import the libraries of their own science alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from apps.images.compute.built import load_kernel
from tests.unit.apps.images.plan.image_campaign import write_campaign, write_field

ROOT = Path(__file__).parents[3]
OTHERS = ("emcee", "dynesty", "scipy", "matplotlib.figure", "arviz_stats", "h5py", "sqlalchemy")
"""Of posteriors, and of servers."""
RUN = """\
import json, sys
from server.cli import main
try:
    main(sys.argv[1:])
finally:
    with open("modules.json", "w") as stream:
        json.dump(sorted(sys.modules), stream)
"""


@pytest.mark.parametrize("command", [["validate"], ["plan"], ["run-local", "--jobs", "1"]])
def test_images_need_nothing_of_posteriors(tmp_path: Path, command: list[str]) -> None:
    if load_kernel() is None:
        pytest.skip("the kernel was not built")
    write_field(tmp_path / "night", 2)
    path = write_campaign(tmp_path, '[images]\nfiles = ["night"]\n[reference]\nchoose = true\n')
    done = subprocess.run(
        [sys.executable, "-c", RUN, "campaign", *command, path.name],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join([str(ROOT), *sys.path])},
    )
    modules = json.loads((tmp_path / "modules.json").read_text())
    assert "astropy.wcs" in modules, done.stderr
    assert [name for name in OTHERS if name in modules] == []
