"""The Rice code of integers: compiled where it was built, else in Python, slower.

See ``rice.c`` for the code's definition; both give the same bytes.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import FitsError

_FIELD = {1: (3, 7), 2: (4, 15), 4: (5, 26)}
"""By bytes of a value: bits of the field before a block, and its value for raw differences."""
BLOCK_SIZE = 32
MAX_BLOCK_SIZE = 256


def _load() -> Any:
    try:
        return importlib.import_module("boinc_project.fits._rice")
    except ImportError:
        return None


_compiled = _load()


def encode(values: NDArray[Any], block_size: int = BLOCK_SIZE) -> bytes:
    """Return the code of integers of 1, 2 or 4 bytes, at least one, in C order."""
    size = values.dtype.itemsize
    native = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    if _compiled is not None:
        return bytes(_compiled.encode(native, size, block_size))
    return _encode(native.view(f"u{size}").ravel(), size, block_size)


def decode(
    code: bytes, n: int, dtype: np.dtype[Any] | str, block_size: int = BLOCK_SIZE
) -> NDArray[Any]:
    """Return the n integers that `code` stands for, as `dtype` in native byte order.

    Raises
    ------
    FitsError
        If the code ends before, or is not one.
    """
    dtype = np.dtype(dtype).newbyteorder("=")
    if dtype.itemsize not in _FIELD or not 1 <= block_size <= MAX_BLOCK_SIZE:
        raise FitsError("A tile has a Rice code of an unknown kind.")
    if _compiled is not None:
        values = np.empty(n, dtype)
        whole = _compiled.decode(code, values, dtype.itemsize, block_size)
    else:
        whole, values = _decode(code, n, dtype.itemsize, block_size)
        values = values.view(dtype)
    if not whole:
        raise FitsError("A tile's Rice code is damaged.")
    return values


def _encode(values: NDArray[Any], size: int, block_size: int) -> bytes:
    bits, (field_bits, escape) = 8 * size, _FIELD[size]
    difference = np.diff(values, prepend=values[:1]).view(f"i{size}").astype(np.int64)
    folded = np.where(difference < 0, -2 * difference - 1, 2 * difference)
    out = [format(int(values[0]), f"0{bits}b")]
    for first in range(0, len(folded), block_size):
        block = folded[first : first + block_size].tolist()
        total, m = sum(block), len(block)
        low = max(0, (total - m // 2 - 1) // m >> 1).bit_length()
        if total == 0:
            out.append("0" * field_bits)
        elif low >= escape - 1:
            out.append(format(escape, f"0{field_bits}b"))
            out += [format(value, f"0{bits}b") for value in block]
        else:
            out.append(format(low + 1, f"0{field_bits}b"))
            for value in block:
                rest = value & ((1 << low) - 1)
                out.append("0" * (value >> low) + format(1 << low | rest, "b"))
    text = "".join(out)
    n_byte = -(-len(text) // 8)
    return int(text.ljust(8 * n_byte, "0"), 2).to_bytes(n_byte, "big")


def _decode(code: bytes, n: int, size: int, block_size: int) -> tuple[bool, NDArray[Any]]:
    bits, (field_bits, escape) = 8 * size, _FIELD[size]
    text = "".join(f"{byte:08b}" for byte in code)
    values, wrap = np.zeros(n, f"u{size}"), (1 << bits) - 1
    if len(text) < bits:
        return False, values
    value, at = int(text[:bits], 2), bits
    for first in range(0, n, block_size):
        m = min(block_size, n - first)
        field = int(text[at : at + field_bits] or "0", 2)
        at += field_bits
        if at > len(text) or field > escape:
            return False, values
        for i in range(first, first + m):
            if field:
                low = bits if field == escape else field - 1
                start = at if field == escape else text.find("1", at) + 1
                if start == 0 or start + low > len(text):
                    return False, values
                high = 0 if field == escape else start - 1 - at
                folded = high << low | int(text[start : start + low] or "0", 2)
                at = start + low
                value = (value + (folded >> 1 ^ -(folded & 1))) & wrap
            values[i] = value
    return True, values
