"""The name of a project's settings file.

It stands apart from `boinc_project.settings`, because that module imports the settings of pydantic,
which takes longer than all else of a command that only asks whether there is a project.
"""

from __future__ import annotations

SETTINGS_FILE = "openastro.toml"
