"""Outputs that are none: what a judge must refuse, and what it must survive."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

DEPTH = 100_000
HDF5 = b"\x89HDF\r\n\x1a\n"
N_FLIP = 8


@dataclass(frozen=True, slots=True)
class Forged:
    """A forged output: what it is, for people, and its bytes."""

    name: str
    data: bytes


def hostile_outputs(data: bytes, rng: random.Random) -> list[Forged]:
    """Return outputs that no judge may accept, made of a good one."""
    size = len(data)
    cuts = sorted({size // 4, size // 2, size - max(2, size // 20)})
    return [
        Forged("an empty file", b""),
        *(Forged(f"the first {cut} of {size} bytes", data[:cut]) for cut in cuts if cut > 0),
        Forged("random bytes", rng.randbytes(size)),
        Forged("zeros", bytes(size)),
        Forged("the output twice", data + data),
        Forged("a text", b"All is well.\n"),
        Forged("no UTF-8", b"\xff\xfe" + data),
        *(Forged(f"the JSON text {text}", text.encode()) for text in ("null", "[]", "{}", "NaN")),
        Forged("nested JSON", b"[" * DEPTH + b"]" * DEPTH),
        Forged("nested JSON tables", b'{"a":' * DEPTH + b"1" + b"}" * DEPTH),
        Forged("a huge JSON number", b"1" * DEPTH),
        Forged("the beginning of an HDF5 file", HDF5 + rng.randbytes(2048)),
        Forged("the beginning of a FITS file", b"SIMPLE  =                    T".ljust(2880)),
        Forged("the beginning of a compressed file", b"\x1f\x8b\x08" + rng.randbytes(512)),
    ]


def damaged_outputs(data: bytes, rng: random.Random) -> list[Forged]:
    """Return outputs that a judge must survive, because not every entry of them need count."""
    damaged = []
    for number in range(N_FLIP):
        flipped = bytearray(data)
        for _ in range(number + 1):
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        damaged.append(Forged(f"{number + 1} flipped bits", bytes(flipped)))
    return damaged + _odd_entries(data)


def _odd_entries(data: bytes) -> list[Forged]:
    """Return a JSON table with each entry missing, or of another type."""
    try:
        table = json.loads(data)
    except (ValueError, RecursionError):
        return []
    if not isinstance(table, dict):
        return []
    odd: list[Any] = [None, True, -1, 1e308, 10**400, "", "\ud800", [], [[]], {}, "x" * 100_000]
    forged = []
    for key in table:
        rest = {name: value for name, value in table.items() if name != key}
        forged.append(Forged(f"an output without {key}", _json(rest)))
        forged += [
            Forged(f"{key} as {str(value)[:10]!r}", _json({**table, key: value})) for value in odd
        ]
    return forged


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
