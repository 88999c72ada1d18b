"""Replies are byte for byte what they were."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def _replies() -> Any:
    spec = importlib.util.spec_from_file_location("golden_replies", HERE / "replies.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TEXTS = _replies().texts()


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_reply(name: str) -> None:
    assert TEXTS[name] == (HERE / "replies" / name).read_bytes()


def test_none_is_forgotten() -> None:
    assert {path.name for path in (HERE / "replies").iterdir()} == TEXTS.keys()
