from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boinc_project.settings import Settings
from server.cli import COMMANDS

ADMIN = Path(__file__).parents[3] / "docs" / "admin"


def _rows() -> list[tuple[str, str]]:
    rows = []
    for name, section in Settings.model_fields.items():
        if name == "root":
            continue
        for key, field in section.annotation.model_fields.items():
            default: Any = field.default
            text = str(default).lower() if isinstance(default, bool) else str(default)
            shown = f"`{text}` " if text else ""
            rows.append((f"{name}.{key}", f"| `{name}.{key}` | {shown}| {field.description} |"))
    return rows


@pytest.mark.parametrize(("key", "row"), _rows(), ids=[key for key, _ in _rows()])
def test_each_setting_is_documented_with_its_default_and_meaning(key: str, row: str) -> None:
    assert row in (ADMIN / "settings.md").read_text().splitlines()


def test_no_setting_is_documented_that_is_not_there() -> None:
    lines = (ADMIN / "settings.md").read_text().splitlines()
    documented = {line.split("`")[1] for line in lines if line.startswith("| `")}
    assert documented == {key for key, _ in _rows()}


def test_sections_are_documented() -> None:
    text = (ADMIN / "settings.md").read_text()
    for name in Settings.model_fields:
        assert name == "root" or f"## [{name}]" in text


def test_the_admins_commands_are_documented() -> None:
    text = "\n".join(path.read_text() for path in ADMIN.glob("*.md"))
    for name in ("init", "serve", "web", "daemon", "app", "doctor"):
        assert name in COMMANDS
        assert f"openastro {name}" in text or f"--project /srv/sky {name}" in text, name
