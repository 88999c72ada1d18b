"""The packaging scripts, which are not a package: loaded from their files."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("archive", "bundle", "build", "environment", "launcher", "licences", "tools")


@pytest.fixture
def packaging(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """All scripts by name; their plain names are importable only for the length of a test."""
    before = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    monkeypatch.syspath_prepend(ROOT / "packaging")
    scripts = {name: importlib.import_module(name) for name in NAMES}
    assert all(str(ROOT / "packaging") in str(script.__file__) for script in scripts.values())
    yield scripts
    for name in NAMES:
        sys.modules.pop(name, None)
    sys.modules.update(before)
