"""A unit is its digest: any change of any byte is another unit, or none at all."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boinc_project.errors import UnitError
from boinc_project.unit import MAX_UNIT_BYTES, UNIT_FILE, Unit, open_unit, parse_unit, seal

TABLE = b"planet,epoch,bkjd,sigma_days\nb,0,1.0,0.1\n"
UNIT = Unit(
    app="ttv_mcmc",
    min_app_version=100,
    campaign="kepler-9",
    campaign_seed=1,
    generation=0,
    index=3,
    settings={"start": [[0.1, 1e-300], [2.0, -3.5]]},
    inputs={"transits.csv": hashlib.sha256(TABLE).hexdigest()},
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_round_trip(settings: dict[str, object]) -> None:
    unit = dataclasses.replace(UNIT, settings=settings)
    again = parse_unit(unit.to_bytes())
    assert again == unit
    assert again.digest == unit.digest


@pytest.mark.parametrize(
    "change",
    [
        {"app": "other"},
        {"min_app_version": 101},
        {"campaign": "kepler-10"},
        {"campaign_seed": 2},
        {"generation": 1},
        {"index": 4},
        {"settings": {}},
        {"inputs": {}},
    ],
)
def test_every_field_is_in_the_digest(change: dict[str, object]) -> None:
    assert dataclasses.replace(UNIT, **change).digest != UNIT.digest


def _paths(directory: Path) -> dict[str, Path]:
    seal(UNIT, {"transits.csv": TABLE}, directory)
    return {name: directory / name for name in (UNIT_FILE, "transits.csv")}


def test_sealed_unit_opens(tmp_path: Path) -> None:
    assert open_unit(_paths(tmp_path)) == UNIT
    assert UNIT.name == "kepler-9_g0_u003"


def test_changed_input_is_named(tmp_path: Path) -> None:
    paths = _paths(tmp_path)
    paths["transits.csv"].write_bytes(TABLE.replace(b"0.1", b"0.2"))
    with pytest.raises(UnitError, match=r"transits\.csv does not match"):
        open_unit(paths)


def test_missing_input_is_named(tmp_path: Path) -> None:
    paths = _paths(tmp_path)
    del paths["transits.csv"]
    with pytest.raises(UnitError, match=r"transits\.csv is missing"):
        open_unit(paths)


def test_seal_refuses_other_files(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="not the inputs"):
        seal(UNIT, {"transits.csv": TABLE + b"\n"}, tmp_path)


def test_seal_refuses_nan() -> None:
    with pytest.raises(UnitError, match="finite"):
        dataclasses.replace(UNIT, settings={"x": float("nan")}).to_bytes()


def _raw(**change: object) -> bytes:
    raw = json.loads(UNIT.to_bytes()) | change
    return json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cannot be read"),
        (b"[1]", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b" " * (MAX_UNIT_BYTES + 1), "at most"),
        (UNIT.to_bytes() + b"\n", "canonical"),
        (_raw(format=2), "format 2"),
        (_raw(index=-1), "non-negative"),
        (_raw(index=True), "non-negative"),
        (_raw(index=1.0), "non-negative"),
        (_raw(app=5), "not a text"),
        (_raw(settings=[]), "not tables"),
        (_raw(extra=1), "cannot be read"),
        (_raw(inputs={"../x": "0" * 64}), "unusable"),
        (_raw(inputs={"..": "0" * 64}), "unusable"),
        (_raw(inputs={"a\\b": "0" * 64}), "unusable"),
        (_raw(inputs={"unit.json": "0" * 64}), "unusable"),
        (_raw(inputs={"x": "0"}), "unusable"),
        (_raw(settings=1).replace(b'"settings":1', b'"settings":{"x":NaN}'), "NaN is not allowed"),
    ],
)
def test_bad_unit_is_refused_in_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(UnitError, match=words) as caught:
        parse_unit(data)
    assert "\n" not in str(caught.value)
