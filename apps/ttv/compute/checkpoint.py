"""A chain as bytes: what a checkpoint holds."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any
from zipfile import BadZipFile

import numpy as np

from apps.ttv.compute.sampler import Chain, Ensemble
from apps.ttv.compute.sampler_settings import SamplerSettings
from boinc_project.errors import CorruptCheckpoint

CHECKPOINT_FORMAT = 2


def to_bytes(chain: Chain) -> bytes:
    """Return the chain as the bytes of an npz archive."""
    n_walker, n_dim = chain.now.coords.shape
    places = chain.now.places
    counts = {"step": chain.step, "n_call": chain.n_call, "failures": chain.failures}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        coords=chain.now.coords,
        log_prob=chain.now.log_prob,
        places=np.empty((0, n_dim)) if places is None else places,
        accepted=chain.accepted,
        draws=np.array(chain.draws).reshape(-1, n_walker, n_dim),
        draws_log_prob=np.array(chain.draws_log_prob).reshape(-1, n_walker),
        counts=np.frombuffer(json.dumps(counts).encode(), dtype=np.uint8),
    )
    return buffer.getvalue()


def from_bytes(data: bytes, settings: SamplerSettings, n_dim: int) -> Chain:
    """Return the chain that was stored.

    Raises
    ------
    CorruptCheckpoint
        If it is not a chain of these settings.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        counts = json.loads(arrays.pop("counts").tobytes())
        return _chain(arrays, counts, settings, n_dim)
    except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile) as error:
        raise CorruptCheckpoint(f"The checkpoint is not a chain of this unit: {error}.") from error


def _chain(
    arrays: dict[str, Any], counts: dict[str, Any], settings: SamplerSettings, n_dim: int
) -> Chain:
    step, n_walker = int(counts["step"]), settings.n_walker
    n_draw = step // settings.thin
    shapes = {
        "coords": (n_walker, n_dim),
        "log_prob": (n_walker,),
        "accepted": (n_walker,),
        "draws": (n_draw, n_walker, n_dim),
        "draws_log_prob": (n_draw, n_walker),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has the shape {arrays[name].shape}")
    places = arrays["places"] if step else None
    if places is not None and places.shape != shapes["coords"]:
        raise ValueError(f"places has the shape {places.shape}")
    return Chain(
        step=step,
        now=Ensemble(arrays["coords"], arrays["log_prob"], places),
        accepted=arrays["accepted"],
        draws=list(arrays["draws"]),
        draws_log_prob=list(arrays["draws_log_prob"]),
        n_call=int(counts["n_call"]),
        failures=Counter(counts["failures"]),
    )
