"""BOINC's application API in pure Python: what ties a science app to the client that runs it.

Only the standard library is used here, so that the first import of numpy is the app's own choice.
"""

from __future__ import annotations

from apps.runtime.checkpoint import CheckpointFile
from apps.runtime.errors import AbortRequested, QuitRequested, SlotBusy, UnsupportedUnit
from apps.runtime.runtime import Runtime, open_runtime

__all__ = [
    "AbortRequested",
    "CheckpointFile",
    "QuitRequested",
    "Runtime",
    "SlotBusy",
    "UnsupportedUnit",
    "open_runtime",
]
