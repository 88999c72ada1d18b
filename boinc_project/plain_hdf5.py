"""Small HDF5 files of a fixed shape, to and from strangers.

Root attributes are counts, texts, and lists of either; datasets are stored contiguously and without
filters. Draws of a continuous parameter hardly compress, and a file without filters cannot unpack
to more than its own size. Nothing is stored that depends on the time or the machine, so one
platform writes equal values as equal bytes.

The reader looks at sizes, links, types and layouts before it reads a single value, and every defect
is an `OutputError` of one sentence. Whether the *values* make sense is not its question.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import OutputError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_TEXT = 128
"""Characters of a text; digests have 64, parameter names come from planet names."""

# All that h5py raises on a damaged or hostile file; anything else is a defect of this program.
_UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError, MemoryError)
_FAILURES = ("failure_kinds", "failure_counts")


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a dataset has to be.

    Attributes
    ----------
    dtype : str
        Numpy's name of its type, little-endian, of eight bytes.
    bounds : tuple[int, ...]
        Largest length of each axis; the smallest is 1.
    """

    dtype: str
    bounds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a file has to be: no more and no less is written or read.

    Attributes
    ----------
    format : int
        Number of the form, in the attribute ``format``.
    counts, texts : tuple[str, ...]
        Attributes that are one integer, or one text.
    max_bytes : int
        Of the file.
    max_dim, max_failure_kinds : int
        Longest list of ``parameter_names``, and of ``failure_kinds`` with their counts.
    datasets : Mapping[str, Dataset]
        By name, in the order in which they are written.
    """

    format: int
    counts: tuple[str, ...]
    texts: tuple[str, ...]
    max_bytes: int
    max_dim: int
    max_failure_kinds: int
    datasets: Mapping[str, Dataset]


def write(path: Path, shape: Shape, values: Mapping[str, Any]) -> None:
    """Write a file; it appears complete, or not at all.

    Parameters
    ----------
    path : Path
        The file.
    shape : Shape
        What to write.
    values : Mapping[str, Any]
        By the names of `shape`, and ``parameter_names`` and ``failures``.
    """
    data = _to_bytes(shape, values)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def read(path: Path, shape: Shape) -> dict[str, Any]:
    """Read a file from a stranger; NaN and infinities included.

    Returns
    -------
    dict
        Counts, texts, ``parameter_names``, ``failures`` and the arrays, by name.

    Raises
    ------
    OutputError
        If the file is missing, larger than `shape` allows, damaged, or not of this shape.
    """
    size = _checked_size(path, shape.max_bytes)
    try:
        with h5py.File(path, "r", locking=False) as file:
            return _read(file, size, shape)
    except OutputError:
        raise
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise OutputError(f"The output file is damaged: {reason}.") from error


def feed_texts(digest: Any, texts: Sequence[str]) -> None:
    """Add texts to a digest, so that no two lists of texts give the same bytes."""
    for text in texts:
        data = text.encode()
        digest.update(len(data).to_bytes(8, "little") + data)


def feed_arrays(digest: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Add arrays, with their names and shapes, to a digest."""
    for name, array in arrays.items():
        feed_texts(digest, (name, *(str(n) for n in array.shape)))
        digest.update(array.tobytes())


def packed(values: Mapping[str, Any], shape: Shape) -> dict[str, NDArray[Any]]:
    """Return the datasets' arrays as they are written: contiguous and little-endian."""
    return {
        name: np.ascontiguousarray(values[name], dtype=one.dtype)
        for name, one in shape.datasets.items()
    }


def check_names_and_counts(
    unit_digest: str, texts: Sequence[str], names: Sequence[str], counts: Sequence[int]
) -> None:
    """Check what every output states of itself.

    Raises
    ------
    OutputError
        If a text is not short ASCII, a count is negative or too large, a name comes twice, or the
        unit is not named by a digest.
    """
    if len(set(names)) != len(names):
        raise OutputError("The parameter names do not fit the draws.")
    if any(count < 0 or count >= 2**63 for count in counts):
        raise OutputError("The output has a count that is negative or too large.")
    if any(len(text) > MAX_TEXT or not text.isascii() for text in (*texts, *names, unit_digest)):
        raise OutputError(f"A text of the output is not ASCII of at most {MAX_TEXT} characters.")
    if len(unit_digest) != 64 or not set(unit_digest) <= set("0123456789abcdef"):
        raise OutputError("The output does not name its unit by a SHA-256 digest.")


def _to_bytes(shape: Shape, values: Mapping[str, Any]) -> bytes:
    # The oldest format that HDF5 knows is the one that no release of the library changes any more.
    with h5py.File("output", "w", driver="core", backing_store=False, libver="earliest") as file:
        for name in ("format", *shape.counts):
            value = shape.format if name == "format" else values[name]
            file.attrs.create(name, value, dtype="<i8")
        for name in shape.texts:
            file.attrs.create(name, np.bytes_(values[name]), dtype=f"S{MAX_TEXT}")
        kinds = sorted(values["failures"])
        counts = [values["failures"][kind] for kind in kinds]
        file.attrs.create("parameter_names", _text_array(values["parameter_names"]))
        file.attrs.create("failure_kinds", _text_array(kinds))
        file.attrs.create("failure_counts", np.array(counts, dtype="<i8"))
        for name, array in packed(values, shape).items():
            file.create_dataset(name, data=array, track_times=False)
        file.flush()
        return bytes(file.id.get_file_image())


def _text_array(texts: Any) -> NDArray[np.bytes_]:
    return np.array([text.encode("ascii") for text in texts], dtype=f"S{MAX_TEXT}")


def _checked_size(path: Path, max_bytes: int) -> int:
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            signature = stream.read(len(HDF5_SIGNATURE))
    except OSError as error:
        raise OutputError(f"The output file cannot be opened: {error.strerror}.") from error
    if size > max_bytes:
        raise OutputError(
            f"The output file has {size} bytes; at most {max_bytes} are allowed.", size=size
        )
    if signature != HDF5_SIGNATURE:
        raise OutputError("The output file is not an HDF5 file.")
    return size


def _read(file: h5py.File, size: int, shape: Shape) -> dict[str, Any]:
    values = _read_attributes(file, shape)
    found = values.pop("format")
    if found != shape.format:
        raise OutputError(f"The output file has format {found}; this program reads {shape.format}.")
    arrays = _read_datasets(file, size, shape)
    kinds, counts = (values.pop(name) for name in _FAILURES)
    if len(set(kinds)) != len(kinds) or len(kinds) != len(counts):
        raise OutputError("The output file's failure kinds and counts do not fit together.")
    return {**values, **arrays, "failures": dict(zip(kinds, counts, strict=True))}


def _read_attributes(file: h5py.File, shape: Shape) -> dict[str, Any]:
    tables = {
        "parameter_names": shape.max_dim,
        "failure_kinds": shape.max_failure_kinds,
        "failure_counts": shape.max_failure_kinds,
    }
    expected = {"format", *shape.counts, *shape.texts, *tables}
    number = h5py.h5a.get_num_attrs(file.id)
    if number != len(expected):
        raise OutputError(f"The output file has {number} attributes instead of {len(expected)}.")
    values: dict[str, Any] = {}
    for name in sorted(expected):
        if not h5py.h5a.exists(file.id, name.encode()):
            raise OutputError(f"The output file has no attribute {name}.", name=name)
        is_table = name in tables
        is_text = name in (*shape.texts, "parameter_names", "failure_kinds")
        _check_attribute(
            h5py.h5a.open(file.id, name.encode()),
            name,
            f"S{MAX_TEXT}" if is_text else "<i8",
            tables.get(name),
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


def _read_datasets(file: h5py.File, size: int, shape: Shape) -> dict[str, Any]:
    wanted = shape.datasets
    names = set()
    if len(file.id) != len(wanted):
        raise OutputError(f"The output file has {len(file.id)} objects instead of {len(wanted)}.")
    for raw in file.id:
        if file.id.links.get_info(raw).type != h5py.h5l.TYPE_HARD:
            raise OutputError("The output file has a link out of itself.")
        names.add(raw.decode("utf-8", "replace"))
    if names != set(wanted):
        raise OutputError(f"The output file has objects of other names than {', '.join(wanted)}.")
    for name, one in wanted.items():
        _check_dataset(file, name, one, size)
    return {name: file[name][()] for name in wanted}


def _check_dataset(file: h5py.File, name: str, wanted: Dataset, size: int) -> None:
    if h5py.h5o.get_info(file.id, name.encode()).type != h5py.h5o.TYPE_DATASET:
        raise OutputError(f"The object {name} is not a dataset.", name=name)
    dataset = h5py.h5d.open(file.id, name.encode())
    if not _has_type(dataset.get_type(), wanted.dtype):
        raise OutputError(f"The dataset {name} has a wrong type.", name=name)
    shape = dataset.shape
    if len(shape) != len(wanted.bounds) or min(shape, default=0) < 1:
        raise OutputError(f"The dataset {name} has a wrong shape.", name=name)
    if any(n > bound for n, bound in zip(shape, wanted.bounds, strict=True)):
        raise OutputError(f"The dataset {name} is larger than this program reads.", name=name)
    plan = dataset.get_create_plist()
    plain = plan.get_layout() == h5py.h5d.CONTIGUOUS and plan.get_nfilters() == 0
    if not plain or plan.get_external_count() != 0:
        raise OutputError(f"The dataset {name} is not stored as plain contiguous data.", name=name)
    n_bytes = 8 * int(np.prod([int(n) for n in shape], dtype=object))
    offset = dataset.get_offset()
    if dataset.get_storage_size() != n_bytes or offset is None or offset + n_bytes > size:
        raise OutputError(f"The dataset {name} is not complete.", name=name)
