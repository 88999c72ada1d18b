"""What the client tells an app about its task: ``init_data.xml`` (``lib/app_ipc.cpp``)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

INIT_DATA_FILE = "init_data.xml"
DEFAULT_CHECKPOINT_PERIOD = 60.0
"""BOINC's default of "write to disk at most every", in seconds."""

# Raw copies of texts that projects and people write: nothing in them is ours to read.
_RAW_BLOCKS = re.compile(
    r"<(project_preferences|global_preferences|host_info|proxy_info)>.*?</\1>", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class InitData:
    """The part of ``init_data.xml`` that the runtime uses.

    Attributes
    ----------
    result_name : str
        Name of the result; empty if not said.
    client_pid : int
        Process that started the app; 0 if not said.
    wu_cpu_time : float
        CPU seconds of earlier episodes of this result.
    checkpoint_period : float
        Seconds that the volunteer wants between two writes to disk.
    ncpus : float
        Processors booked for this result.
    """

    result_name: str = ""
    client_pid: int = 0
    wu_cpu_time: float = 0.0
    checkpoint_period: float = DEFAULT_CHECKPOINT_PERIOD
    ncpus: float = 1.0


def parse_init_data(data: bytes) -> InitData:
    """Read ``init_data.xml``, tolerantly: what is missing or odd has its default."""
    text = _RAW_BLOCKS.sub("", data.decode("utf-8", errors="replace"))
    return InitData(
        result_name=_text(text, "result_name"),
        client_pid=int(_number(text, "client_pid", 0.0)),
        wu_cpu_time=_number(text, "wu_cpu_time", 0.0),
        checkpoint_period=_number(text, "checkpoint_period", DEFAULT_CHECKPOINT_PERIOD),
        ncpus=_number(text, "ncpus", 1.0),
    )


def read_init_data(slot: Path) -> InitData | None:
    """Read the ``init_data.xml`` of a slot, or return None if there is none."""
    try:
        return parse_init_data((slot / INIT_DATA_FILE).read_bytes())
    except OSError:
        return None


def _text(text: str, tag: str) -> str:
    found = re.search(rf"<{tag}>([^<]*)</{tag}>", text)
    return found[1].strip() if found else ""


def _number(text: str, tag: str, default: float) -> float:
    try:
        value = float(_text(text, tag))
    except ValueError:
        return default
    return value if math.isfinite(value) and value >= 0.0 else default
