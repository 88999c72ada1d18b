"""A nested run as bytes: what a checkpoint holds."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any
from zipfile import BadZipFile

import numpy as np

from apps.nested.compute.run import NestedRun
from apps.nested.compute.settings import NestedSettings
from boinc_project.errors import CorruptCheckpoint

CHECKPOINT_FORMAT = 101
"""Formats of the apps differ, so that no app takes the checkpoint of another for its own."""
CHECKPOINT_FILE = "checkpoint"


def to_bytes(run: NestedRun) -> bytes:
    """Return the run as the bytes of an npz archive."""
    n_dim = run.live_u.shape[1]
    counts = {"n_drawn": run.n_drawn, "failures": run.failures}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        live_u=run.live_u,
        live_logl=run.live_logl,
        dead_u=np.array(run.dead_u).reshape(-1, n_dim),
        dead_logl=np.array(run.dead_logl).reshape(-1),
        dead_slot=np.array(run.dead_slot, dtype=np.int64).reshape(-1),
        scales=np.array(run.scales),
        calls=np.array(run.calls, dtype=np.int64),
        counts=np.frombuffer(json.dumps(counts).encode(), dtype=np.uint8),
    )
    return buffer.getvalue()


def from_bytes(data: bytes, settings: NestedSettings, n_dim: int) -> NestedRun:
    """Return the run that was stored.

    Raises
    ------
    CorruptCheckpoint
        If it is not a run of these settings.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        counts = json.loads(arrays.pop("counts").tobytes())
        return _run(arrays, counts, settings, n_dim)
    except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile) as error:
        raise CorruptCheckpoint(f"The checkpoint is not a run of this unit: {error}.") from error


def _run(
    arrays: dict[str, Any], counts: dict[str, Any], settings: NestedSettings, n_dim: int
) -> NestedRun:
    n_live, n_segment = settings.n_live, len(arrays["scales"]) - 1
    n_dead = n_segment * settings.segment
    shapes = {
        "live_u": (n_live, n_dim),
        "live_logl": (n_live,),
        "dead_u": (n_dead, n_dim),
        "dead_logl": (n_dead,),
        "dead_slot": (n_dead,),
        "scales": (n_segment + 1,),
        "calls": (n_segment + 1,),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has the shape {arrays[name].shape}")
    pieces = max(n_segment, 1)  # no array can be split into nothing
    dead = {
        name: np.split(arrays[name], pieces)[:n_segment]
        for name in ("dead_u", "dead_logl", "dead_slot")
    }
    return NestedRun(
        live_u=arrays["live_u"],
        live_logl=arrays["live_logl"],
        n_drawn=int(counts["n_drawn"]),
        scales=arrays["scales"].tolist(),
        calls=arrays["calls"].tolist(),
        failures=Counter(counts["failures"]),
        **dead,
    )
