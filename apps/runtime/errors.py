"""How a run can end before its output is complete.

The two requests of the client derive from `BaseException`, like `KeyboardInterrupt`: no
``except Exception`` in a numerical library may swallow a volunteer's wish.
"""

from __future__ import annotations

from boinc_project.errors import OpenAstroError, TransientError


class QuitRequested(BaseException):
    """Leave now; the task is started again later and goes on from its checkpoint."""


class AbortRequested(BaseException):
    """Leave now and for good."""


class SlotBusy(TransientError):
    """Another copy of this app is already running in this directory."""


class AppFilesError(OpenAstroError):
    """The app's own files are not the ones that were published."""


class UnsupportedUnit(OpenAstroError):
    """The unit asks for something that this app version cannot do."""
