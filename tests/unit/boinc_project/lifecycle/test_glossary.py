"""The developer's page knows every event, effect and limit that the code knows."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from boinc_project.campaign import Quorum
from boinc_project.lifecycle.effects import Effect, EventKind
from boinc_project.lifecycle.result_events import ResultEvent
from boinc_project.lifecycle.workunit import WorkunitEvent

PAGE = Path(__file__).parents[4] / "docs" / "developer" / "lifecycle.md"
INTERNAL = {
    "OnResult",
    "OutputsDeletable",
    "OutputsDeleted",
    "FilesDeleted",
    "DeletionPutOff",
    "ValidationDeferred",
}
"""Not in the diagrams: they move no state that the diagrams show."""


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_every_kind_of_event_is_explained_once(page: str) -> None:
    for kind in EventKind:
        assert page.count(f"| `{kind.value}` |") == 1, kind


@pytest.mark.parametrize("event", [*get_args(ResultEvent), *get_args(WorkunitEvent)])
def test_every_event_is_in_a_diagram(page: str, event: type) -> None:
    diagrams = "".join(page.split("```mermaid")[1:])
    assert event.__name__ in diagrams or event.__name__ in INTERNAL


def test_every_effect_and_limit_is_there(page: str) -> None:
    for effect in get_args(Effect):
        assert f"| `{effect.__name__}(" in page
    for limit in fields(Quorum):
        assert f"| `{limit.name}` |" in page
