"""What an app calls its output file."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from apps.main import App, output_file


def output_name(app: str) -> str:
    """Return the logical name under which the app writes its output."""
    return output_file(cast("App", import_module(f"apps.{app}")))
