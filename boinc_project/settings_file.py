"""The name of a project's settings file.

It stands apart from `boinc_project.settings`, because that module imports pydantic's settings, which
takes longer than a command needs that only asks whether there is a project.
"""

from __future__ import annotations

SETTINGS_FILE = "openastro.toml"
