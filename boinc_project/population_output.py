"""The output file of a unit of populations: one small HDF5 file of a fixed shape.

See `boinc_project.plain_hdf5` for how it is stored, and read from strangers. Whether the *values*
make sense is the validator's question, not the reader's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boinc_project import plain_hdf5
from boinc_project.errors import OutputError
from boinc_project.plain_hdf5 import Dataset, Shape

POPULATION_OUTPUT_FORMAT = 101
"""Unlike the formats of chains and nested runs, so that no output is taken for another kind's."""

Floats = NDArray[np.float64]

_COUNTS = ("app_version", "n_likelihood")
_TEXTS = ("unit_digest", "platform", "app_digest")
_MAX_PART, _MAX_POINT, _MAX_DIM = 64, 100_000, 256
_SHAPE = Shape(
    format=POPULATION_OUTPUT_FORMAT,
    counts=_COUNTS,
    texts=_TEXTS,
    max_bytes=64 * 2**20,
    max_dim=_MAX_DIM,
    max_failure_kinds=64,
    datasets={
        "points": Dataset("<f8", (_MAX_PART, _MAX_POINT, _MAX_DIM)),
        "log_density": Dataset("<f8", (_MAX_PART, _MAX_POINT)),
        "log_weight": Dataset("<f8", (_MAX_PART, _MAX_POINT)),
        "island_log_z": Dataset("<f8", (_MAX_PART,)),
    },
)


@dataclass(frozen=True, slots=True)
class PopulationOutput:
    """What one workunit of populations computed: weighted draws of a posterior, and its evidence.

    Attributes
    ----------
    unit_digest, app_version, platform, app_digest
        As of `boinc_project.ttv_output.TtvOutput`.
    parameter_names : tuple[str, ...]
        The free parameters, in the order of the last axis of `points`.
    points : ndarray
        float64 (n_part, n_point, n_dim): importance draws, in independent parts of equal size.
    log_density : ndarray
        float64 (n_part, n_point), log prior times likelihood of `points`; -inf where there is none.
    log_weight : ndarray
        float64 (n_part, n_point), log importance weights; their mean is the evidence, without the
        likelihood's constant.
    island_log_z : ndarray
        float64 (n_island,), the evidences by the populations that the draws' proposal began with.
    n_likelihood : int
        Points integrated.
    failures : Mapping[str, int]
        Integrations that failed, by kind.
    """

    unit_digest: str
    app_version: int
    platform: str
    app_digest: str
    parameter_names: tuple[str, ...]
    points: Floats
    log_density: Floats
    log_weight: Floats
    island_log_z: Floats
    n_likelihood: int
    failures: Mapping[str, int] = field(default_factory=dict)


def content_digest(output: PopulationOutput) -> str:
    """Return the SHA-256 of what was computed, in hexadecimal; not of the version or platform."""
    digest = hashlib.sha256()
    plain_hdf5.feed_texts(digest, (output.unit_digest, *output.parameter_names))
    plain_hdf5.feed_arrays(digest, plain_hdf5.packed(_values(output), _SHAPE))
    kinds = (f"{kind}={output.failures[kind]}" for kind in sorted(output.failures))
    plain_hdf5.feed_texts(digest, (str(output.n_likelihood), *kinds))
    return digest.hexdigest()


def write_population_output(path: Path, output: PopulationOutput) -> None:
    """Write `output`; the file appears complete, or not at all.

    Raises
    ------
    OutputError
        If the fields of `output` do not fit together.
    """
    _check_consistent(output)
    plain_hdf5.write(path, _SHAPE, _values(output))


def read_population_output(path: Path) -> PopulationOutput:
    """Read an output file from a stranger.

    Raises
    ------
    OutputError
        If the file is missing, too large, damaged, or not exactly of the form that
        `write_population_output` gives.
    """
    output = PopulationOutput(**plain_hdf5.read(path, _SHAPE))
    _check_consistent(output)
    return output


def _values(output: PopulationOutput) -> dict[str, Any]:
    return {name: getattr(output, name) for name in PopulationOutput.__dataclass_fields__}


def _check_consistent(output: PopulationOutput) -> None:
    names, shape = output.parameter_names, output.points.shape
    if len(shape) != 3 or min(shape) < 1:
        raise OutputError("The points are not an array of parts, points and parameters.")
    if output.log_density.shape != shape[:2] or output.log_weight.shape != shape[:2]:
        raise OutputError("The arrays of the output do not fit together.")
    if output.island_log_z.ndim != 1:
        raise OutputError("The islands' evidences are no list of numbers.")
    if len(names) != shape[2]:
        raise OutputError("The parameter names do not fit the points.")
    plain_hdf5.check_names_and_counts(
        output.unit_digest,
        (output.platform, output.app_digest, *output.failures),
        names,
        (output.app_version, output.n_likelihood, *output.failures.values()),
    )
