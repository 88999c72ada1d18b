"""The state of a unit of populations as bytes: what a checkpoint holds."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.population import computing
from apps.ttv.compute.population.settings import Islands, PopulationUnit
from apps.ttv.compute.population.stages import UnitState
from apps.ttv.compute.search import checkpoint as journals
from apps.ttv.compute.search.mode import Mode
from apps.ttv.compute.search.modes import LeftOut
from apps.ttv.compute.search.searching import Outcome
from apps.ttv.compute.search.steps import Step
from boinc_project.errors import CorruptCheckpoint

CHECKPOINT_FORMAT = 3
_JOURNAL, _POPULATIONS = "journal_", "populations_"
_MODES = ("params", "coords", "covariance", "chi2", "n_found")
# Errors that bytes may raise which are no archive, or an archive of something else.
_NO_STATE = (
    *(ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, OSError),
    *(EOFError, BadZipFile),
)


def to_bytes(state: UnitState) -> bytes:
    """Return the state as the bytes of an npz archive."""
    arrays: dict[str, NDArray[Any]] = {}
    if state.outcome is None:
        arrays |= _named(_JOURNAL, journals.to_arrays(state.journal))
    else:
        modes = state.outcome.modes
        for name in _MODES:
            arrays[name] = np.array([getattr(mode, name) for mode in modes])
        told = {
            "left_out": asdict(state.outcome.left_out),
            "failed": dict(state.outcome.failed),
            "step": asdict(state.outcome.step),
            "corrections": state.corrections,
            "n_call": state.n_call,
        }
        arrays["told"] = np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)
        arrays |= _named(_POPULATIONS, computing.to_arrays(state.archipelago))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def from_bytes(data: bytes, settings: PopulationUnit) -> UnitState:
    """Return the state that was stored.

    Raises
    ------
    CorruptCheckpoint
        If it is not a state of these settings.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return _state(arrays, settings)
    except _NO_STATE as error:
        raise CorruptCheckpoint(f"The checkpoint holds nothing of this unit: {error}.") from error


def _state(arrays: dict[str, NDArray[Any]], settings: PopulationUnit) -> UnitState:
    n_dim = settings.problem.n_dim
    if "told" not in arrays:
        return UnitState(journal=journals.from_arrays(_own(_JOURNAL, arrays), n_dim))
    told = json.loads(arrays["told"].tobytes())
    islands = Islands(
        settings.problem, settings.n_island, settings.n_point, int(told["corrections"])
    )
    return UnitState(
        outcome=Outcome(
            _modes(arrays, n_dim),
            LeftOut(**told["left_out"]),
            told["failed"],
            Step(**told["step"]),
        ),
        corrections=islands.corrections,
        archipelago=computing.from_arrays(_own(_POPULATIONS, arrays), islands),
        n_call=int(told["n_call"]),
    )


def _named(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return arrays under names that begin with `prefix`."""
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def _own(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays that `_named` gave names to, under their own."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _modes(arrays: dict[str, NDArray[Any]], n_dim: int) -> tuple[Mode, ...]:
    params, coords, covariance, chi2, counts = (arrays[name] for name in _MODES)
    n = len(params)
    square = covariance.shape == (n, n_dim, n_dim)
    if not n or params.shape != (n, n_dim) or coords.shape != (n, n_dim) or not square:
        raise ValueError("the modes have another shape")
    if chi2.shape != (n,) or counts.shape != (n,):
        raise ValueError("the modes' numbers have another shape")
    return tuple(
        Mode(*values)
        for values in zip(params, coords, chi2.tolist(), covariance, counts.tolist(), strict=True)
    )
