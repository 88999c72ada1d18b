"""The sealed unit: a workunit's immutable input, named by its own digest.

``unit.json`` states everything that decides the computation: app, campaign, place, seed, settings,
and the SHA-256 of every other input file. The SHA-256 over its canonical JSON *is* the unit's
identity. An output repeats that identity, so it can never be attached to the wrong unit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from boinc_project.errors import UnitError
from boinc_project.input_store import lay
from boinc_project.seeds import unit_seed

UNIT_FILE = "unit.json"
UNIT_FORMAT = 1
MAX_UNIT_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Unit:
    """One workunit's input.

    Attributes
    ----------
    app : str
        Name of the app that computes it, e.g. ``"ttv_mcmc"``.
    min_app_version : int
        Smallest app version number (100 * major + minor) that understands it.
    campaign : str
        Name of the campaign.
    campaign_seed : int
        The campaign's entropy; see `boinc_project.seeds`.
    generation, index : int
        The unit's place in the campaign.
    settings : Mapping[str, Any]
        All that the app needs to know, as plain JSON values; the app documents their meaning.
    inputs : Mapping[str, str]
        Logical name of every other input file, and its SHA-256 in hexadecimal.
    """

    app: str
    min_app_version: int
    campaign: str
    campaign_seed: int
    generation: int
    index: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    format: int = UNIT_FORMAT

    @property
    def name(self) -> str:
        """The workunit's name: campaign, generation and index, e.g. ``kepler-9_g0_u003``."""
        return f"{self.campaign}_g{self.generation}_u{self.index:03d}"

    @property
    def seed(self) -> np.random.SeedSequence:
        """The unit's branch of the seed tree."""
        return unit_seed(self.campaign_seed, generation=self.generation, index=self.index)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal: the unit's identity."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the canonical JSON: sorted keys, no blanks, shortest round-trip floats, UTF-8."""
        return canonical_json(asdict(self))


def canonical_json(value: Any) -> bytes:
    """Return the one JSON text of `value` that digests are taken of.

    Raises
    ------
    UnitError
        If `value` holds NaN, an infinity, or anything JSON cannot express.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise UnitError(f"A unit can only hold finite plain JSON values: {error}.") from error
    return text.encode()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal(unit: Unit, files: Mapping[str, bytes | Path], directory: Path) -> None:
    """Write the unit and its inputs into `directory`.

    Parameters
    ----------
    unit : Unit
        What to seal.
    files : Mapping[str, bytes | Path]
        The inputs by logical name: their bytes, or where large ones lie.
    directory : Path
        Made if it is not there.

    Raises
    ------
    UnitError
        If `files` are not exactly the inputs that the unit names, byte for byte.
    """
    digests = {
        name: file_digest(data) if isinstance(data, Path) else hashlib.sha256(data).hexdigest()
        for name, data in files.items()
    }
    if digests != dict(unit.inputs):
        raise UnitError("The files given are not the inputs that the unit names.", unit=unit.name)
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        if isinstance(data, Path):
            lay(data, directory / name)
        else:
            (directory / name).write_bytes(data)
    (directory / UNIT_FILE).write_bytes(unit.to_bytes())


def parse_unit(data: bytes) -> Unit:
    """Read a unit from the bytes of a ``unit.json``.

    Raises
    ------
    UnitError
        If it is not canonical, not of a known format, or has missing, unknown or mistyped fields.
    """
    if len(data) > MAX_UNIT_BYTES:
        raise UnitError(f"unit.json has {len(data)} bytes; at most {MAX_UNIT_BYTES} are allowed.")
    try:
        raw = json.loads(data, parse_constant=_no_constant)
        unit = Unit(**raw)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnitError(f"unit.json cannot be read: {error}.") from error
    _check_fields(unit)
    if unit.to_bytes() != data:
        raise UnitError("unit.json is not in canonical form.")
    return unit


def open_unit(paths: Mapping[str, Path]) -> Unit:
    """Read a unit and check every input file against its digest.

    Parameters
    ----------
    paths : Mapping[str, Path]
        Where each logical name, ``unit.json`` included, is on this machine.
    """
    unit = parse_unit(paths[UNIT_FILE].read_bytes())
    for name, digest in unit.inputs.items():
        if name not in paths:
            raise UnitError(f"The input file {name} is missing.", name=name)
        if file_digest(paths[name]) != digest:
            raise UnitError(f"The input file {name} does not match its digest.", name=name)
    return unit


def _check_fields(unit: Unit) -> None:
    numbers = (unit.min_app_version, unit.campaign_seed, unit.generation, unit.index)
    if unit.format != UNIT_FORMAT:
        raise UnitError(f"unit.json has format {unit.format!r}; this program reads {UNIT_FORMAT}.")
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise UnitError("unit.json has a number that is not a non-negative integer.")
    if not (isinstance(unit.app, str) and isinstance(unit.campaign, str)):
        raise UnitError("unit.json has an app or campaign that is not a text.")
    if not (isinstance(unit.settings, dict) and isinstance(unit.inputs, dict)):
        raise UnitError("unit.json has settings or inputs that are not tables.")
    for name, digest in unit.inputs.items():
        plain = name not in {"", ".", "..", UNIT_FILE} and "/" not in name and "\\" not in name
        if not plain or not isinstance(digest, str) or len(digest) != 64:
            raise UnitError(f"unit.json names an unusable input file: {name!r}.")


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not allowed", math.nan)
