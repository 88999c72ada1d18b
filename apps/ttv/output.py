"""The output file of a TTV sub-chain: one small HDF5 file of a fixed shape.

Root attributes say what was computed and by what; three datasets hold the chain. See
`boinc_project.plain_hdf5` for how it is stored, and read from strangers. Whether the *values* make
sense (finite, inside the prior, consistent) is the validator's question, not the reader's.
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

TTV_OUTPUT_FORMAT = 1

_COUNTS = ("app_version", "n_likelihood", "thin", "n_step")
_TEXTS = ("unit_digest", "platform", "app_digest")


@dataclass(frozen=True, slots=True)
class TtvOutput:
    """What one workunit of ``ttv_mcmc`` computed.

    Attributes
    ----------
    unit_digest : str
        Identity of the unit, SHA-256 in hexadecimal.
    app_version : int
        100 * major + minor.
    platform : str
        BOINC's name of the platform, e.g. ``x86_64-pc-linux-gnu``.
    app_digest : str
        SHA-256 over the app's own files, in hexadecimal; empty when run from source.
    parameter_names : tuple[str, ...]
        The free parameters, in the order of the last axis of `draws`.
    draws : ndarray
        float64 (n_draw, n_walker, n_dim); draw k is the ensemble after step ``(k + 1) * thin``.
    log_prob : ndarray
        float64 (n_draw, n_walker), natural logarithm of the unnormalised posterior density.
    accepted : ndarray
        int64 (n_walker,), accepted proposals of each walker.
    n_likelihood : int
        Likelihood calls made for this chain.
    failures : Mapping[str, int]
        Integrations that failed, by kind.
    thin, n_step : int
        Steps between stored draws, and steps in all.
    """

    unit_digest: str
    app_version: int
    platform: str
    app_digest: str
    parameter_names: tuple[str, ...]
    draws: NDArray[np.float64]
    log_prob: NDArray[np.float64]
    accepted: NDArray[np.int64]
    n_likelihood: int
    failures: Mapping[str, int] = field(default_factory=dict)
    thin: int = 1
    n_step: int = 0


@dataclass(frozen=True, slots=True)
class OutputLimits:
    """The largest output that is read at all."""

    max_bytes: int = 64 * 2**20
    """Bytes of the file; also bounds the memory, because nothing in it is compressed."""
    max_draw: int = 1_000_000
    """Stored draws."""
    max_walker: int = 4096
    """Walkers."""
    max_dim: int = 256
    """Free parameters."""
    max_failure_kinds: int = 64
    """Kinds of failed integrations."""


DEFAULT_LIMITS = OutputLimits()


def content_digest(output: TtvOutput) -> str:
    """Return the SHA-256 of what was computed, in hexadecimal.

    It covers the unit, the parameter names, every array and every count, as little-endian bytes;
    not the app version or the platform, so that unlike hosts with equal numbers agree.
    """
    digest = hashlib.sha256()
    plain_hdf5.feed_texts(digest, (output.unit_digest, *output.parameter_names))
    plain_hdf5.feed_arrays(digest, plain_hdf5.packed(_values(output), _shape(DEFAULT_LIMITS)))
    counts = (output.n_likelihood, output.thin, output.n_step)
    kinds = (f"{kind}={output.failures[kind]}" for kind in sorted(output.failures))
    plain_hdf5.feed_texts(digest, (*(str(count) for count in counts), *kinds))
    return digest.hexdigest()


def write_ttv_output(path: Path, output: TtvOutput) -> None:
    """Write `output`; the file appears complete, or not at all.

    Raises
    ------
    OutputError
        If the fields of `output` do not fit together.
    """
    _check_consistent(output)
    plain_hdf5.write(path, _shape(DEFAULT_LIMITS), _values(output))


def read_ttv_output(path: Path, *, limits: OutputLimits = DEFAULT_LIMITS) -> TtvOutput:
    """Read an output file from a stranger.

    Values are returned as they are: NaN and infinities included.

    Raises
    ------
    OutputError
        If the file is missing, larger than `limits` allow, damaged, or not exactly of the form that
        `write_ttv_output` gives.
    """
    output = TtvOutput(**plain_hdf5.read(path, _shape(limits)))
    _check_consistent(output)
    return output


def _values(output: TtvOutput) -> dict[str, Any]:
    return {name: getattr(output, name) for name in TtvOutput.__dataclass_fields__}


def _shape(limits: OutputLimits) -> Shape:
    draw, walker, dim = limits.max_draw, limits.max_walker, limits.max_dim
    return Shape(
        format=TTV_OUTPUT_FORMAT,
        counts=_COUNTS,
        texts=_TEXTS,
        max_bytes=limits.max_bytes,
        max_dim=limits.max_dim,
        max_failure_kinds=limits.max_failure_kinds,
        datasets={
            "draws": Dataset("<f8", (draw, walker, dim)),
            "log_prob": Dataset("<f8", (draw, walker)),
            "accepted": Dataset("<i8", (walker,)),
        },
    )


def _check_consistent(output: TtvOutput) -> None:
    names, shape = output.parameter_names, output.draws.shape
    if len(shape) != 3 or min(shape) < 1:
        raise OutputError("The draws are not an array of draws, walkers and parameters.")
    if output.log_prob.shape != shape[:2] or output.accepted.shape != shape[1:2]:
        raise OutputError("The arrays of the output do not fit together.")
    if len(names) != shape[2]:
        raise OutputError("The parameter names do not fit the draws.")
    plain_hdf5.check_names_and_counts(
        output.unit_digest,
        (output.platform, output.app_digest, *output.failures),
        names,
        (
            *(output.app_version, output.n_likelihood, output.thin, output.n_step),
            *output.failures.values(),
        ),
    )
