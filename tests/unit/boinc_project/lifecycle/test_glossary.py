"""The developer's page knows every event, effect and limit that the code knows."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from boinc_project import lifecycle
from boinc_project.campaign import Quorum
from boinc_project.lifecycle.campaign import CampaignEvent, CampaignEventKind
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


def test_every_module_of_the_machine_is_in_the_table(page: str) -> None:
    """In the order of the route: each knows only modules above it."""
    table = re.findall(r"^\| `(\w+)\.py` \|", page, flags=re.MULTILINE)
    modules = {path.stem for path in Path(lifecycle.__file__).parent.glob("*.py")} - {"__init__"}
    assert sorted(table) == sorted(modules)
    imported = re.compile(r"^from boinc_project\.lifecycle\.(\w+) import", flags=re.MULTILINE)
    for place, name in enumerate(table):
        module = Path(lifecycle.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
        assert set(imported.findall(module)) <= set(table[:place]), name


def test_every_event_and_kind_of_a_campaign_is_there(page: str) -> None:
    section = page.split("## A campaign")[1].split("## Locks")[0]
    for event in get_args(CampaignEvent):
        assert re.search(rf"\b{event.__name__}\b", section.split("```")[1]), event
    for kind in CampaignEventKind:
        assert section.count(f"| `{kind.value}` |") == 1, kind


def test_every_effect_and_limit_is_there(page: str) -> None:
    for effect in get_args(Effect):
        assert f"| `{effect.__name__}(" in page
    for limit in fields(Quorum):
        assert f"| `{limit.name}` |" in page
