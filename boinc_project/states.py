"""BOINC's states, with BOINC's own numbers (``db/boinc_db_types.h``, ``lib/common_defs.h``)."""

from __future__ import annotations

from enum import IntEnum, IntFlag, StrEnum


class ServerState(IntEnum):
    """Where a result is in its life (``RESULT_SERVER_STATE_*``)."""

    INACTIVE = 1
    """Not to be sent."""
    UNSENT = 2
    """Waiting for a host."""
    IN_PROGRESS = 4
    """On a host."""
    OVER = 5
    """Reported, timed out, or not needed any more."""


class Outcome(IntEnum):
    """How a result ended (``RESULT_OUTCOME_*``)."""

    INIT = 0
    """Not over yet."""
    SUCCESS = 1
    """The host computed and uploaded it."""
    COULDNT_SEND = 2
    """No host could be found for it."""
    CLIENT_ERROR = 3
    """Download, computation or upload failed on the host, or the volunteer aborted it."""
    NO_REPLY = 4
    """The deadline passed without a report."""
    DIDNT_NEED = 5
    """The workunit ended before this result was sent."""
    VALIDATE_ERROR = 6
    """Its output could not be read."""
    CLIENT_DETACHED = 7
    """The host forgot it: reset or detached."""


class ValidateState(IntEnum):
    """What the validator says of a result (``VALIDATE_STATE_*``)."""

    INIT = 0
    """Not looked at yet."""
    VALID = 1
    """It agrees with the canonical result."""
    INVALID = 2
    """It does not."""
    NO_CHECK = 3
    """The workunit ended in error before it could be compared."""
    INCONCLUSIVE = 4
    """Looked at; more results are needed."""
    TOO_LATE = 5
    """It came after the canonical output's files were deleted."""


class ClientState(IntEnum):
    """What the client reports (``RESULT_*`` in ``lib/common_defs.h``)."""

    NEW = 0
    """Nothing done yet."""
    FILES_DOWNLOADING = 1
    """Input or application files did not all arrive."""
    FILES_DOWNLOADED = 2
    """Ready to compute."""
    COMPUTE_ERROR = 3
    """The application failed."""
    FILES_UPLOADING = 4
    """Output files on their way."""
    FILES_UPLOADED = 5
    """Done; with exit status 0 this is success."""
    ABORTED = 6
    """Aborted by the volunteer or the project."""
    UPLOAD_FAILED = 7
    """An output file was refused for good."""


class AssimilateState(IntEnum):
    """Where a workunit is on its way to the product (``ASSIMILATE_*``)."""

    INIT = 0
    """No canonical result yet."""
    READY = 1
    """Waiting for the assimilator."""
    DONE = 2
    """Assimilated, or recorded as failed."""


class FileDeleteState(IntEnum):
    """Where files are on their way out (``FILE_DELETE_*``)."""

    INIT = 0
    """Needed."""
    READY = 1
    """May be deleted."""
    DONE = 2
    """Deleted."""
    ERROR = 3
    """Could not be deleted; tried again later."""


class ErrorMask(IntFlag):
    """Why a workunit ended without a canonical result (``WU_ERROR_*``)."""

    NONE = 0
    """No error."""
    COULDNT_SEND_RESULT = 1
    """No host could take one of its results."""
    TOO_MANY_ERROR_RESULTS = 2
    """More than ``max_error_results`` results failed."""
    TOO_MANY_SUCCESS_RESULTS = 4
    """``max_success_results`` successes did not agree."""
    TOO_MANY_TOTAL_RESULTS = 8
    """``max_total_results`` reached."""
    CANCELLED = 16
    """Cancelled by an admin or by the campaign."""
    NO_CANONICAL_RESULT = 32
    """The canonical result was withdrawn."""


class CampaignState(StrEnum):
    """The life of a campaign (ours, not BOINC's)."""

    ACTIVE = "active"
    """Units are issued, computed and merged."""
    PAUSED = "paused"
    """Nothing new is sent; what is out may come back."""
    CANCELLED = "cancelled"
    """Ended by an admin; nothing more is sent."""
    COMPLETE = "complete"
    """Ended by its stop rule or its budget; the product says which."""


class ExitStatus(IntEnum):
    """Exit codes of apps and clients (``lib/error_numbers.h``), and ours for the science apps.

    Ours stay clear of BOINC's 192 to 240 and of the shell's 126 and above.
    """

    OK = 0
    """Finished, or asked to quit and to be restarted later."""
    BAD_INPUT = 10
    """The unit's files are damaged or do not belong together."""
    BAD_APP_FILES = 11
    """The app's own unpacked files do not match their digest list."""
    UNSUPPORTED_UNIT = 12
    """The unit asks for something that this app version cannot do."""
    INTERNAL = 13
    """A defect in the app; the traceback is in stderr."""
    ABORTED_BY_CLIENT = 194
    """``<abort/>`` obeyed (``EXIT_ABORTED_BY_CLIENT``)."""
    ABORTED_BY_PROJECT = 202
    """Aborted by the project (``EXIT_ABORTED_BY_PROJECT``)."""
    ABORTED_VIA_GUI = 203
    """Aborted by the volunteer (``EXIT_ABORTED_VIA_GUI``)."""
