"""What a task's four states mean, in the words that pages use: a pure table.

BOINC keeps four numbers for a result (server state, outcome, client state, validate state); a
volunteer wants one word and one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from boinc_project.states import ClientState, ExitStatus, Outcome, ServerState, ValidateState


class TaskGroup(StrEnum):
    """How the task list can be filtered; every task is in exactly one group."""

    UNSENT = "unsent"
    """Not on any computer yet."""
    IN_PROGRESS = "in-progress"
    """On a computer."""
    PENDING = "pending"
    """Reported, and not decided yet."""
    VALID = "valid"
    """Agrees with the canonical result."""
    INVALID = "invalid"
    """Does not agree, or could not be read."""
    ERROR = "error"
    """Failed, aborted, lost or overdue."""
    NOT_NEEDED = "not-needed"
    """Nothing was wrong with it; the workunit ended without it."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task's state for people.

    Attributes
    ----------
    group : TaskGroup
        Its filter.
    label : str
        A few words.
    meaning : str
        One sentence: what it means, and what happens next.
    """

    group: TaskGroup
    label: str
    meaning: str


GROUP_LABELS = {
    TaskGroup.UNSENT: "Waiting to be sent",
    TaskGroup.IN_PROGRESS: "In progress",
    TaskGroup.PENDING: "Waiting for validation",
    TaskGroup.VALID: "Valid",
    TaskGroup.INVALID: "Invalid",
    TaskGroup.ERROR: "Error",
    TaskGroup.NOT_NEEDED: "Not needed",
}

_REPORTED = {
    ValidateState.INIT: TaskState(
        TaskGroup.PENDING,
        "Waiting for validation",
        "It is reported and waits until enough other tasks of its workunit are there to compare.",
    ),
    ValidateState.INCONCLUSIVE: TaskState(
        TaskGroup.PENDING,
        "Checked, not decided yet",
        "The tasks compared so far do not decide; another computer is asked to compute it too.",
    ),
    ValidateState.VALID: TaskState(
        TaskGroup.VALID, "Valid", "It agrees with the other tasks of its workunit; credit is given."
    ),
    ValidateState.INVALID: TaskState(
        TaskGroup.INVALID, "Invalid", "It does not agree with what the other tasks found."
    ),
    ValidateState.NO_CHECK: TaskState(
        TaskGroup.NOT_NEEDED,
        "Not compared",
        "The workunit ended before this task could be compared; nothing is known against it.",
    ),
    ValidateState.TOO_LATE: TaskState(
        TaskGroup.ERROR,
        "Reported too late",
        "It came after its workunit was finished and the files to compare with were deleted.",
    ),
}

_CLIENT_ERRORS = {
    ClientState.NEW: ("Download failed", "The computer did not get all files of the task."),
    ClientState.FILES_DOWNLOADING: (
        "Download failed",
        "The computer did not get all files of the task.",
    ),
    ClientState.ABORTED: ("Aborted", "The task was aborted on the computer or by the project."),
    ClientState.UPLOAD_FAILED: (
        "Upload failed",
        "The output was computed and could not be uploaded.",
    ),
}

_OUTCOMES = {
    Outcome.INIT: TaskState(
        TaskGroup.NOT_NEEDED, "Ended", "It ended without anything being known of it."
    ),
    Outcome.COULDNT_SEND: TaskState(
        TaskGroup.ERROR, "Could not be sent", "No computer could be found that is able to run it."
    ),
    Outcome.NO_REPLY: TaskState(
        TaskGroup.ERROR,
        "Timed out, no report",
        "The deadline passed without a report; if a report still comes, it may count.",
    ),
    Outcome.DIDNT_NEED: TaskState(
        TaskGroup.NOT_NEEDED,
        "Not needed",
        "The workunit was finished before this task was sent to anybody.",
    ),
    Outcome.VALIDATE_ERROR: TaskState(
        TaskGroup.INVALID, "Output not readable", "The uploaded file could not be read safely."
    ),
    Outcome.CLIENT_DETACHED: TaskState(
        TaskGroup.ERROR,
        "Given up",
        "The computer was reset or detached from the project while it had the task.",
    ),
}

_EXIT_WORDS = {
    ExitStatus.OK: "finished normally",
    ExitStatus.BAD_INPUT: "the task's input files were damaged",
    ExitStatus.BAD_APP_FILES: "the app's own files were damaged on the computer",
    ExitStatus.UNSUPPORTED_UNIT: "this version of the app cannot compute the task",
    ExitStatus.INTERNAL: "a defect in the app; the standard error output below shows where",
    ExitStatus.ABORTED_BY_CLIENT: "aborted by the BOINC client",
    ExitStatus.ABORTED_BY_PROJECT: "aborted by the project",
    ExitStatus.ABORTED_VIA_GUI: "aborted by the volunteer",
}


def task_state(
    server_state: ServerState,
    outcome: Outcome,
    client_state: ClientState,
    validate_state: ValidateState,
    *,
    overdue: bool = False,
) -> TaskState:
    """Say in plain words where a task is.

    Parameters
    ----------
    server_state, outcome, client_state, validate_state
        The result's columns.
    overdue : bool
        Whether its deadline has passed; only matters while it is in progress.
    """
    if server_state is ServerState.IN_PROGRESS:
        if overdue:
            return TaskState(
                TaskGroup.IN_PROGRESS,
                "In progress, past its deadline",
                "It may still be reported; soon the workunit is also sent to another computer.",
            )
        return TaskState(TaskGroup.IN_PROGRESS, "In progress", "It is on a computer.")
    if server_state is not ServerState.OVER:
        return TaskState(
            TaskGroup.UNSENT, "Waiting to be sent", "It waits for a computer that asks for work."
        )
    if outcome is Outcome.SUCCESS:
        return _REPORTED[validate_state]
    if outcome is Outcome.CLIENT_ERROR:
        label, meaning = _CLIENT_ERRORS.get(
            client_state, ("Error while computing", "The app stopped with an error.")
        )
        return TaskState(TaskGroup.ERROR, label, meaning)
    return _OUTCOMES[outcome]


def exit_words(exit_status: int) -> str:
    """Say what an exit status means; empty if it is not in the table of exit codes."""
    try:
        return _EXIT_WORDS.get(ExitStatus(exit_status), "")
    except ValueError:
        return ""
