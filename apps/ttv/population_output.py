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

POPULATION_OUTPUT_FORMAT = 102
"""102 has the search's peaks and its step, and where chains may begin. Unlike the formats of chains
and nested runs, so that no output is taken for another kind's."""

STEP = ("dt", "seconds", "sigma")
"""What is known of the step: days, and its error in seconds and in the smallest sigma."""

Floats = NDArray[np.float64]

LEFT_OUT = ("artefact", "above", "ridge")
"""Why a search has left out candidates for peaks; see `apps.ttv.compute.search.modes.LeftOut`."""
_COUNTS = ("app_version", "n_likelihood", "corrections", "modified_kick", *LEFT_OUT)
_TEXTS = ("unit_digest", "platform", "app_digest")
_MAX_PART, _MAX_POINT, _MAX_DIM, _MAX_PEAK = 64, 100_000, 256, 64
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
        "wide": Dataset("<f8", (_MAX_PART, _MAX_POINT, _MAX_DIM)),
        "step": Dataset("<f8", (len(STEP),)),
        "peaks": Dataset("<f8", (_MAX_PEAK, _MAX_DIM)),
        "peak_covariances": Dataset("<f8", (_MAX_PEAK, _MAX_DIM, _MAX_DIM)),
        "peak_chi2": Dataset("<f8", (_MAX_PEAK,)),
        "peak_counts": Dataset("<i8", (_MAX_PEAK,)),
    },
)


@dataclass(frozen=True, slots=True)
class PopulationOutput:
    """What one workunit of populations computed: weighted draws of a posterior, and its evidence.

    Attributes
    ----------
    unit_digest, app_version, platform, app_digest
        As of `apps.ttv.output.TtvOutput`.
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
    wide : ndarray
        float64 (n_island, n_point, n_dim), the populations at half the power of the posterior.
    step : ndarray
        float64 (3,), see `STEP`.
    modified_kick : int
        1 if the step has a modified kick, else 0.
    corrections : int
        Of the populations' coordinates; see `apps.ttv.compute.coordinates`.
    peaks : ndarray
        float64 (n_peak, n_dim), the modes that the search has kept, best first.
    peak_covariances : ndarray
        float64 (n_peak, n_dim, n_dim), in whitened coordinates.
    peak_chi2 : ndarray
        float64 (n_peak,), -2 log(likelihood) there.
    peak_counts : ndarray
        int64 (n_peak,), fits that ended there.
    artefact, above, ridge : int
        Candidates for peaks that were left out; see `LEFT_OUT`.
    n_likelihood : int
        Points integrated.
    failures : Mapping[str, int]
        Starts of the search without a model, by kind.
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
    wide: Floats
    step: Floats
    modified_kick: int
    corrections: int
    peaks: Floats
    peak_covariances: Floats
    peak_chi2: Floats
    peak_counts: NDArray[np.int64]
    artefact: int
    above: int
    ridge: int
    n_likelihood: int
    failures: Mapping[str, int] = field(default_factory=dict)


def content_digest(output: PopulationOutput) -> str:
    """Return the SHA-256 of what was computed, in hexadecimal; not of the version or platform."""
    digest = hashlib.sha256()
    counts = (str(getattr(output, name)) for name in _COUNTS if name != "app_version")
    plain_hdf5.feed_texts(digest, (output.unit_digest, *output.parameter_names))
    plain_hdf5.feed_arrays(digest, plain_hdf5.packed(_values(output), _SHAPE))
    kinds = (f"{kind}={output.failures[kind]}" for kind in sorted(output.failures))
    plain_hdf5.feed_texts(digest, (*counts, *kinds))
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
    _check_search(output, n_dim=shape[2])
    plain_hdf5.check_names_and_counts(
        output.unit_digest,
        (output.platform, output.app_digest, *output.failures),
        names,
        (*(getattr(output, name) for name in _COUNTS), *output.failures.values()),
    )


def _check_search(output: PopulationOutput, n_dim: int) -> None:
    if output.wide.ndim != 3 or output.wide.shape[::2] != (len(output.island_log_z), n_dim):
        raise OutputError("The wide points do not fit the islands and parameters.")
    if output.step.shape != (len(STEP),):
        raise OutputError("The step is not described by its length and its errors.")
    n_peak = len(output.peaks)
    shapes = (
        output.peaks.shape == (n_peak, n_dim),
        output.peak_covariances.shape == (n_peak, n_dim, n_dim),
        output.peak_chi2.shape == (n_peak,),
        output.peak_counts.shape == (n_peak,),
    )
    if not all(shapes):
        raise OutputError("The arrays of the peaks do not fit together.")
