"""The Rice code: the compiled one and the one in Python are one code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from boinc_project.errors import FitsError
from boinc_project.fits import rice

TYPES = ("u1", "i2", "i4")


@pytest.fixture(params=["compiled", "python"])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "python":
        monkeypatch.setattr(rice, "_compiled", None)
    elif rice._compiled is None:
        pytest.skip("the code was not compiled")
    return str(request.param)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("block", [16, 32])
def test_the_largest_steps_come_back(implementation: str, dtype: str, block: int) -> None:
    info = np.iinfo(dtype)
    rng = np.random.default_rng(1)
    values = np.concatenate(
        [
            np.full(40, 7),
            np.tile([info.min, info.max], 30),
            rng.integers(info.min, info.max, 200, endpoint=True),
            np.clip(rng.normal(50, 3, 333), 0, 100),
        ]
    ).astype(dtype)
    code = rice.encode(values, block)
    assert np.array_equal(rice.decode(code, len(values), dtype, block), values)


def test_noise_takes_few_bits(implementation: str) -> None:
    """Gaussian noise of 4 steps has 4.05 bits of entropy a value; the code comes within 0.8."""
    values = np.rint(np.random.default_rng(2).normal(0, 4, 20_000)).astype(np.int32)
    assert len(rice.encode(values)) * 8 / len(values) < 4.05 + 0.8


@settings(max_examples=60)
@given(
    values=st.sampled_from(TYPES).flatmap(
        lambda dtype: arrays(dtype, st.integers(1, 130), elements=None)
    ),
    block=st.integers(1, 64),
)
def test_both_give_the_same_bytes(values: np.ndarray, block: int) -> None:
    if rice._compiled is None:
        pytest.skip("the code was not compiled")
    code = rice.encode(values, block)
    size = values.dtype.itemsize
    assert rice._encode(values.view(f"u{size}"), size, block) == code
    whole, decoded = rice._decode(code, len(values), size, block)
    assert whole
    assert np.array_equal(decoded.view(values.dtype), values)
    assert np.array_equal(rice.decode(code, len(values), values.dtype, block), values)


def test_a_code_that_ends_early_is_an_error(implementation: str) -> None:
    values = np.arange(100, dtype=np.int32) ** 2
    code = rice.encode(values)
    for length in (0, 3, len(code) // 2, len(code) - 1):
        with pytest.raises(FitsError, match="damaged"):
            rice.decode(code[:length], 100, "i4")


@settings(max_examples=200)
@given(code=st.binary(max_size=200), dtype=st.sampled_from(TYPES))
def test_any_bytes_are_numbers_or_an_error(code: bytes, dtype: str) -> None:
    """And both implementations say the same of them."""
    size = np.dtype(dtype).itemsize
    whole, values = rice._decode(code, 50, size, 32)
    if not whole:
        with pytest.raises(FitsError):
            rice.decode(code, 50, dtype)
    else:
        assert np.array_equal(rice.decode(code, 50, dtype), values.view(dtype))
