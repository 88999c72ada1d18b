"""The output file of a TTV sub-chain: one small HDF5 file of a fixed shape.

Root attributes say what was computed and by what; three datasets hold the chain. Everything is
stored contiguously and without filters: draws of a continuous parameter hardly compress, and a file
without filters cannot unpack to more than its own size. Nothing is stored that depends on the time
or the machine, so one platform writes the same chain as the same bytes.

The reader opens files from strangers. It looks at sizes, links, types and layouts before it reads a
single value, and every defect is an `OutputError` of one sentence. Whether the *values* make sense
(finite, inside the prior, consistent) is the validator's question, not the reader's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import OutputError

TTV_OUTPUT_FORMAT = 1
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

_COUNTS = ("format", "app_version", "n_likelihood", "thin", "n_step")
_TEXTS = ("unit_digest", "platform", "app_digest")
_TABLES = ("parameter_names", "failure_kinds", "failure_counts")
_RANKS = {"draws": 3, "log_prob": 2, "accepted": 1}
_TYPES = {"draws": "<f8", "log_prob": "<f8", "accepted": "<i8"}
_MAX_TEXT = 128  # characters; digests have 64, parameter names come from planet names
# All that h5py raises on a damaged or hostile file; anything else is a defect of this program.
_UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError, MemoryError)


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
    _feed_texts(digest, (output.unit_digest, *output.parameter_names))
    for name, array in _arrays(output).items():
        _feed_texts(digest, (name, *(str(n) for n in array.shape)))
        digest.update(array.tobytes())
    counts = (output.n_likelihood, output.thin, output.n_step)
    kinds = (f"{kind}={output.failures[kind]}" for kind in sorted(output.failures))
    _feed_texts(digest, (*(str(count) for count in counts), *kinds))
    return digest.hexdigest()


def write_ttv_output(path: Path, output: TtvOutput) -> None:
    """Write `output`; the file appears complete, or not at all.

    Raises
    ------
    OutputError
        If the fields of `output` do not fit together.
    """
    _check_consistent(output)
    data = _to_bytes(output)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def read_ttv_output(path: Path, *, limits: OutputLimits = DEFAULT_LIMITS) -> TtvOutput:
    """Read an output file from a stranger.

    Values are returned as they are: NaN and infinities included.

    Raises
    ------
    OutputError
        If the file is missing, larger than `limits` allow, damaged, or not exactly of the form that
        `write_ttv_output` gives.
    """
    size = _checked_size(path, limits)
    try:
        with h5py.File(path, "r", locking=False) as file:
            return _read(file, size, limits)
    except OutputError:
        raise
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise OutputError(f"The output file is damaged: {reason}.") from error


def _arrays(output: TtvOutput) -> dict[str, NDArray[Any]]:
    values = {name: getattr(output, name) for name in _RANKS}
    return {name: np.ascontiguousarray(values[name], dtype=_TYPES[name]) for name in _RANKS}


def _feed_texts(digest: Any, texts: tuple[str, ...]) -> None:
    for text in texts:
        data = text.encode()
        # The length first, so that no two lists of texts can run into the same bytes.
        digest.update(len(data).to_bytes(8, "little") + data)


def _to_bytes(output: TtvOutput) -> bytes:
    # The oldest format that HDF5 knows is the one that no release of the library changes any more.
    with h5py.File("output", "w", driver="core", backing_store=False, libver="earliest") as file:
        for name in _COUNTS:
            value = TTV_OUTPUT_FORMAT if name == "format" else getattr(output, name)
            file.attrs.create(name, value, dtype="<i8")
        for name in _TEXTS:
            file.attrs.create(name, np.bytes_(getattr(output, name)), dtype=f"S{_MAX_TEXT}")
        kinds = sorted(output.failures)
        counts = [output.failures[kind] for kind in kinds]
        file.attrs.create("parameter_names", _text_array(output.parameter_names))
        file.attrs.create("failure_kinds", _text_array(kinds))
        file.attrs.create("failure_counts", np.array(counts, dtype="<i8"))
        for name, array in _arrays(output).items():
            file.create_dataset(name, data=array, track_times=False)
        file.flush()
        return bytes(file.id.get_file_image())


def _text_array(texts: Any) -> NDArray[np.bytes_]:
    return np.array([text.encode("ascii") for text in texts], dtype=f"S{_MAX_TEXT}")


def _checked_size(path: Path, limits: OutputLimits) -> int:
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            signature = stream.read(len(HDF5_SIGNATURE))
    except OSError as error:
        raise OutputError(f"The output file cannot be opened: {error.strerror}.") from error
    if size > limits.max_bytes:
        raise OutputError(
            f"The output file has {size} bytes; at most {limits.max_bytes} are allowed.", size=size
        )
    if signature != HDF5_SIGNATURE:
        raise OutputError("The output file is not an HDF5 file.")
    return size


def _read(file: h5py.File, size: int, limits: OutputLimits) -> TtvOutput:
    attributes = _read_attributes(file, limits)
    if attributes["format"] != TTV_OUTPUT_FORMAT:
        raise OutputError(
            f"The output file has format {attributes['format']}; "
            f"this program reads {TTV_OUTPUT_FORMAT}."
        )
    arrays = _read_datasets(file, size, limits)
    kinds, counts = attributes.pop("failure_kinds"), attributes.pop("failure_counts")
    if len(set(kinds)) != len(kinds) or len(kinds) != len(counts):
        raise OutputError("The output file's failure kinds and counts do not fit together.")
    del attributes["format"]
    failures = dict(zip(kinds, counts, strict=True))
    output = TtvOutput(**attributes, **arrays, failures=failures)
    _check_consistent(output)
    return output


def _read_attributes(file: h5py.File, limits: OutputLimits) -> dict[str, Any]:
    expected = {*_COUNTS, *_TEXTS, *_TABLES}
    number = h5py.h5a.get_num_attrs(file.id)
    if number != len(expected):
        raise OutputError(f"The output file has {number} attributes instead of {len(expected)}.")
    longest = {"parameter_names": limits.max_dim}
    values: dict[str, Any] = {}
    for name in sorted(expected):
        if not h5py.h5a.exists(file.id, name.encode()):
            raise OutputError(f"The output file has no attribute {name}.", name=name)
        is_table = name in _TABLES
        is_text = name in (*_TEXTS, "parameter_names", "failure_kinds")
        _check_attribute(
            h5py.h5a.open(file.id, name.encode()),
            name,
            f"S{_MAX_TEXT}" if is_text else "<i8",
            longest.get(name, limits.max_failure_kinds) if is_table else None,
        )
        raw = file.attrs[name]
        if is_text:
            values[name] = tuple(map(_decode, raw)) if is_table else _decode(raw)
        else:
            values[name] = tuple(int(value) for value in raw) if is_table else int(raw)
    return values


def _check_attribute(attribute: Any, name: str, dtype: str, longest: int | None) -> None:
    space = attribute.get_space()
    shape = attribute.shape
    simple = space.get_simple_extent_type() in (h5py.h5s.SCALAR, h5py.h5s.SIMPLE)
    right_shape = shape == () if longest is None else len(shape) == 1 and shape[0] <= longest
    if not simple or not right_shape:
        raise OutputError(f"The attribute {name} has a wrong shape.", name=name)
    if not _has_type(attribute.get_type(), dtype):
        raise OutputError(f"The attribute {name} has a wrong type.", name=name)


def _has_type(tid: Any, dtype: str) -> bool:
    if tid.committed():
        return False
    if dtype.startswith("S"):
        is_text = isinstance(tid, h5py.h5t.TypeStringID) and not tid.is_variable_str()
        return is_text and tid.get_size() == int(dtype[1:])
    return bool(tid.equal(h5py.h5t.py_create(np.dtype(dtype))))


def _decode(raw: bytes) -> str:
    text = raw.decode("ascii")
    if not text.isprintable():
        raise OutputError("The output file has a text with unprintable characters.")
    return text


def _read_datasets(file: h5py.File, size: int, limits: OutputLimits) -> dict[str, Any]:
    names = set()
    if len(file.id) != len(_RANKS):
        raise OutputError(f"The output file has {len(file.id)} objects instead of {len(_RANKS)}.")
    for raw in file.id:
        if file.id.links.get_info(raw).type != h5py.h5l.TYPE_HARD:
            raise OutputError("The output file has a link out of itself.")
        names.add(raw.decode("utf-8", "replace"))
    if names != set(_RANKS):
        raise OutputError(f"The output file has objects of other names than {', '.join(_RANKS)}.")
    for name in _RANKS:
        _check_dataset(file, name, size, limits)
    return {name: file[name][()] for name in _RANKS}


def _check_dataset(file: h5py.File, name: str, size: int, limits: OutputLimits) -> None:
    if h5py.h5o.get_info(file.id, name.encode()).type != h5py.h5o.TYPE_DATASET:
        raise OutputError(f"The object {name} is not a dataset.", name=name)
    dataset = h5py.h5d.open(file.id, name.encode())
    if not _has_type(dataset.get_type(), _TYPES[name]):
        raise OutputError(f"The dataset {name} has a wrong type.", name=name)
    shape = dataset.shape
    if len(shape) != _RANKS[name] or min(shape, default=0) < 1:
        raise OutputError(f"The dataset {name} has a wrong shape.", name=name)
    bounds = {
        "draws": (limits.max_draw, limits.max_walker, limits.max_dim),
        "log_prob": (limits.max_draw, limits.max_walker),
        "accepted": (limits.max_walker,),
    }
    if any(n > bound for n, bound in zip(shape, bounds[name], strict=True)):
        raise OutputError(f"The dataset {name} is larger than this program reads.", name=name)
    plan = dataset.get_create_plist()
    plain = plan.get_layout() == h5py.h5d.CONTIGUOUS and plan.get_nfilters() == 0
    if not plain or plan.get_external_count() != 0:
        raise OutputError(f"The dataset {name} is not stored as plain contiguous data.", name=name)
    n_bytes = 8 * int(np.prod([int(n) for n in shape], dtype=object))
    offset = dataset.get_offset()
    if dataset.get_storage_size() != n_bytes or offset is None or offset + n_bytes > size:
        raise OutputError(f"The dataset {name} is not complete.", name=name)


def _check_consistent(output: TtvOutput) -> None:
    names, shape = output.parameter_names, output.draws.shape
    if len(shape) != 3 or min(shape) < 1:
        raise OutputError("The draws are not an array of draws, walkers and parameters.")
    if output.log_prob.shape != shape[:2] or output.accepted.shape != shape[1:2]:
        raise OutputError("The arrays of the output do not fit together.")
    if len(names) != shape[2] or len(set(names)) != len(names):
        raise OutputError("The parameter names do not fit the draws.")
    counts = (output.app_version, output.n_likelihood, output.thin, output.n_step)
    if any(count < 0 or count >= 2**63 for count in (*counts, *output.failures.values())):
        raise OutputError("The output has a count that is negative or too large.")
    texts = (output.unit_digest, output.platform, output.app_digest, *names, *output.failures)
    if any(len(text) > _MAX_TEXT or not text.isascii() for text in texts):
        raise OutputError(f"A text of the output is not ASCII of at most {_MAX_TEXT} characters.")
    if len(output.unit_digest) != 64 or not set(output.unit_digest) <= set("0123456789abcdef"):
        raise OutputError("The output does not name its unit by a SHA-256 digest.")
