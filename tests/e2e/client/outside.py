"""Looking at a served project from outside."""

from __future__ import annotations

from pathlib import Path

from boinc_project.states import ServerState
from server.demo.live_project import LiveProject
from server.models import Result


def all_over(results: list[Result]) -> bool:
    """Tell whether there are results and none is out any more."""
    return bool(results) and all(result.server_state == ServerState.OVER for result in results)


def uploaded(project: LiveProject, result: Result) -> Path:
    """Return where a result's output lies on the server."""
    found = list((project.directory / "upload").rglob(result.output_name))
    assert len(found) == 1, found
    return found[0]
