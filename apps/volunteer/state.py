"""What the client remembers across restarts: one JSON file, replaced atomically."""

from __future__ import annotations

import json
import os
import types
import typing
from dataclasses import asdict, dataclass, field, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from boinc_project.errors import ConfigError
from boinc_project.protocol.reply import (
    AppVersionInfo,
    DownloadFile,
    OutputFile,
    ResultInfo,
    WorkunitInfo,
)
from boinc_project.states import ClientState

STATE_FILE = "client_state.json"


@dataclass(slots=True)
class Download:
    """A file that the project gives out; times in epoch seconds."""

    info: DownloadFile
    is_app_file: bool
    present: bool = False
    """Whether it is here, complete and checked."""
    failures: int = 0
    next_try: float = 0.0
    error: str = ""
    """Why it can never be had; empty while it can."""


@dataclass(slots=True)
class Upload:
    """An output of a task."""

    info: OutputFile
    nbytes: int = 0
    md5: str = ""
    done: bool = False
    failures: int = 0
    next_try: float = 0.0


@dataclass(slots=True)
class TaskState:
    """A result on this host; times in seconds, `not_before` in epoch seconds."""

    result: ResultInfo
    workunit: WorkunitInfo
    uploads: list[Upload]
    state: ClientState = ClientState.NEW
    over: bool = False
    """Whether it only waits for being reported."""
    exit_status: int = 0
    stderr: str = ""
    slot: int | None = None
    cpu_time: float = 0.0
    checkpoint_cpu_time: float = 0.0
    elapsed_time: float = 0.0
    fraction_done: float = 0.0
    restarts: int = 0
    """Restarts without a new checkpoint in between."""
    not_before: float = 0.0

    @property
    def name(self) -> str:
        """Name of the result."""
        return self.result.name

    @property
    def is_runnable(self) -> bool:
        """Whether its files are here and it is neither computed nor given up."""
        return self.state is ClientState.FILES_DOWNLOADED and not self.over


@dataclass(slots=True)
class State:
    """The client's whole memory of one project."""

    master_url: str
    authenticator: str
    host_cpid: str
    scheduler_url: str = ""
    project_name: str = ""
    code_sign_key: str = ""
    hostid: int = 0
    rpc_seqno: int = 0
    rpc_failures: int = 0
    empty_replies: int = 0
    """Replies in a row that brought no work although it was asked for."""
    next_rpc: float = 0.0
    downloads: dict[str, Download] = field(default_factory=dict)
    app_versions: list[AppVersionInfo] = field(default_factory=list)
    tasks: dict[str, TaskState] = field(default_factory=dict)

    def app_version(self, task: TaskState) -> AppVersionInfo | None:
        """Return the app version that computes a task; None if it is not known."""
        result = task.result
        wanted = (task.workunit.app_name, result.platform, result.version_num, result.plan_class)
        for version in self.app_versions:
            found = (version.app_name, version.platform, version.version_num, version.plan_class)
            if found == wanted:
                return version
        return None

    def files_of(self, task: TaskState) -> list[Download]:
        """Return all files that a task needs before it can start."""
        version = self.app_version(task)
        names = [ref.file_name for ref in task.workunit.files]
        names += [ref.file_name for ref in version.files] if version else []
        return [self.downloads[name] for name in names if name in self.downloads]


def save_state(state: State, directory: Path) -> None:
    """Write the state so that a crash leaves either the old or the new one."""
    temporary = directory / (STATE_FILE + ".tmp")
    # The account key is in it.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(asdict(state), stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(directory / STATE_FILE)


def load_state(directory: Path) -> State | None:
    """Read the state; None if there is none yet.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    path = directory / STATE_FILE
    try:
        raw = json.loads(path.read_text("utf-8"))
        return typing.cast(State, _decode(State, raw))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({error}); remove it to attach this computer anew.", path=path
        ) from error


def _decode(kind: Any, raw: Any) -> Any:
    """Build a value of a type from plain JSON values."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _decode(hints[name], value) for name, value in raw.items()})
    if origin in {list, tuple}:
        return origin(_decode(arguments[0], value) for value in raw)
    if origin is dict:
        return {key: _decode(arguments[1], value) for key, value in raw.items()}
    if origin is types.UnionType:
        return raw
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(raw)
    if kind is float and type(raw) is int:
        return float(raw)
    if type(raw) is not kind:
        raise TypeError(f"{raw!r} where {kind.__name__} belongs")
    return raw
