"""The output file of a nested run: one small HDF5 file of a fixed shape.

Places are those of the unit cube; parameters follow from them by the unit's priors, and by its
proposal if it has one: the cube has one coordinate more then, and what is called a log-likelihood
here is that of L*, see `apps.nested.compute.proposal`. Of every dead
point is stored which of the live points it was (its *slot*): a point is born when the point before
it in its slot dies, at that point's likelihood. So the births, the live points at any moment, and
the marks to compute any segment again from follow from the same arrays, and cannot contradict them.

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

NESTED_OUTPUT_FORMAT = 1

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_COUNTS = ("app_version", "n_drawn", "segment")
_TEXTS = ("unit_digest", "platform", "app_digest")


@dataclass(frozen=True, slots=True)
class NestedOutput:
    """What one workunit of ``ttv_nested`` computed.

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
        The cube's coordinates, in the order of the last axis of places: the free parameters, and
        before them `apps.nested.compute.cube.CHOICE` if the unit has a proposal.
    dead_u : ndarray
        float64 (n_dead, n_dim), places of the dead points in the unit cube, as they died.
    dead_logl : ndarray
        float64 (n_dead,), their log-likelihoods.
    dead_slot : ndarray
        int64 (n_dead,), which of the live points each of them was, 0 to n_live - 1.
    live_u, live_logl : ndarray
        float64 (n_live, n_dim) and (n_live,), the live points at the end.
    scales : ndarray
        float64 (n_segment + 1,), length of the walks' steps at every segment's boundary.
    calls : ndarray
        int64 (n_segment + 1,), likelihood calls made up to every segment's boundary.
    n_drawn : int
        Points of the prior drawn to begin with; all but n_live of them had no model.
    segment : int
        Iterations of a segment.
    failures : Mapping[str, int]
        Points without a model, by kind.
    """

    unit_digest: str
    app_version: int
    platform: str
    app_digest: str
    parameter_names: tuple[str, ...]
    dead_u: Floats
    dead_logl: Floats
    dead_slot: Ints
    live_u: Floats
    live_logl: Floats
    scales: Floats
    calls: Ints
    n_drawn: int
    segment: int
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_likelihood(self) -> int:
        """Likelihood calls made for this run."""
        return int(self.calls[-1])

    @property
    def n_segment(self) -> int:
        """Segments done."""
        return len(self.scales) - 1

    @property
    def dead_birth(self) -> Floats:
        """Log-likelihoods above which the dead points were drawn, (n_dead,)."""
        birth = np.full(len(self.dead_logl), -np.inf)
        order, same = self._by_slot()
        birth[order[1:][same]] = self.dead_logl[order[:-1][same]]
        return birth

    @property
    def live_birth(self) -> Floats:
        """The same of the live points at the end, (n_live,)."""
        birth = np.full(len(self.live_logl), -np.inf)
        birth[self.dead_slot] = self.dead_logl  # the last assignment stands
        return birth

    def live_at(self, iteration: int) -> tuple[Floats, Floats]:
        """Return the live points, places and log-likelihoods, after so many have died."""
        u, logl = self.live_u.copy(), self.live_logl.copy()
        later = slice(iteration, None)
        # From the back, so that the first death of a slot is what stands.
        slots = self.dead_slot[later][::-1]
        u[slots], logl[slots] = self.dead_u[later][::-1], self.dead_logl[later][::-1]
        return u, logl

    def _by_slot(self) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        order = np.argsort(self.dead_slot, kind="stable")
        return order, np.diff(self.dead_slot[order]) == 0


@dataclass(frozen=True, slots=True)
class NestedLimits:
    """The largest output that is read at all."""

    max_bytes: int = 256 * 2**20
    """Bytes of the file; also bounds the memory, because nothing in it is compressed."""
    max_dead: int = 2_000_000
    """Dead points."""
    max_live: int = 10_000
    """Live points."""
    max_segment: int = 100_000
    """Segments."""
    max_dim: int = 256
    """Free parameters."""
    max_failure_kinds: int = 64
    """Kinds of failed integrations."""


DEFAULT_LIMITS = NestedLimits()


def content_digest(output: NestedOutput) -> str:
    """Return the SHA-256 of what was computed, in hexadecimal.

    It covers the unit, the parameter names, every array and every count, as little-endian bytes;
    not the app version or the platform, so that unlike hosts with equal numbers agree.
    """
    digest = hashlib.sha256()
    plain_hdf5.feed_texts(digest, (output.unit_digest, *output.parameter_names))
    plain_hdf5.feed_arrays(digest, plain_hdf5.packed(_values(output), _shape(DEFAULT_LIMITS)))
    counts = (output.n_drawn, output.segment)
    kinds = (f"{kind}={output.failures[kind]}" for kind in sorted(output.failures))
    plain_hdf5.feed_texts(digest, (*(str(count) for count in counts), *kinds))
    return digest.hexdigest()


def write_nested_output(path: Path, output: NestedOutput) -> None:
    """Write `output`; the file appears complete, or not at all.

    Raises
    ------
    OutputError
        If the fields of `output` do not fit together.
    """
    _check_consistent(output)
    plain_hdf5.write(path, _shape(DEFAULT_LIMITS), _values(output))


def read_nested_output(path: Path, *, limits: NestedLimits = DEFAULT_LIMITS) -> NestedOutput:
    """Read an output file from a stranger.

    Values are returned as they are: NaN and infinities included.

    Raises
    ------
    OutputError
        If the file is missing, larger than `limits` allow, damaged, or not exactly of the form that
        `write_nested_output` gives.
    """
    output = NestedOutput(**plain_hdf5.read(path, _shape(limits)))
    _check_consistent(output)
    return output


def _values(output: NestedOutput) -> dict[str, Any]:
    return {name: getattr(output, name) for name in NestedOutput.__dataclass_fields__}


def _shape(limits: NestedLimits) -> Shape:
    dead, live, dim = limits.max_dead, limits.max_live, limits.max_dim
    return Shape(
        format=NESTED_OUTPUT_FORMAT,
        counts=_COUNTS,
        texts=_TEXTS,
        max_bytes=limits.max_bytes,
        max_dim=limits.max_dim,
        max_failure_kinds=limits.max_failure_kinds,
        datasets={
            "dead_u": Dataset("<f8", (dead, dim)),
            "dead_logl": Dataset("<f8", (dead,)),
            "dead_slot": Dataset("<i8", (dead,)),
            "live_u": Dataset("<f8", (live, dim)),
            "live_logl": Dataset("<f8", (live,)),
            "scales": Dataset("<f8", (limits.max_segment + 1,)),
            "calls": Dataset("<i8", (limits.max_segment + 1,)),
        },
    )


def _check_consistent(output: NestedOutput) -> None:
    dead, live = output.dead_u.shape, output.live_u.shape
    if len(dead) != 2 or len(live) != 2 or min(*dead, *live) < 1 or dead[1] != live[1]:
        raise OutputError("The points are not arrays of points and parameters.")
    if not output.dead_logl.shape == output.dead_slot.shape == dead[:1]:
        raise OutputError("The arrays of the output do not fit together.")
    if output.live_logl.shape != live[:1] or output.scales.shape != output.calls.shape:
        raise OutputError("The arrays of the output do not fit together.")
    if not ((output.dead_slot >= 0) & (output.dead_slot < live[0])).all():
        raise OutputError("The output has a dead point that was no live point.")
    if len(output.parameter_names) != dead[1]:
        raise OutputError("The parameter names do not fit the points.")
    plain_hdf5.check_names_and_counts(
        output.unit_digest,
        (output.platform, output.app_digest, *output.failures),
        output.parameter_names,
        (
            *(output.app_version, output.n_drawn, output.segment, *output.failures.values()),
            *output.calls.tolist(),
        ),
    )
    if output.segment < 1 or output.n_segment * output.segment != dead[0]:
        raise OutputError("The dead points are not whole segments.")
    if output.n_drawn < live[0]:
        raise OutputError("The output counts fewer points of the prior than live points.")
