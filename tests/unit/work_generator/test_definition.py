from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from boinc_project.errors import InputError
from work_generator.campaign_file import load_campaign
from work_generator.definition import from_definition, to_definition


def test_round_trip(write: Callable[..., Path]) -> None:
    campaign = load_campaign(write())
    assert from_definition(to_definition(campaign)) == campaign


def test_input_bytes_survive_whatever_they_are(write: Callable[..., Path]) -> None:
    campaign = replace(load_campaign(write()), inputs={"x": bytes(range(256))})
    assert from_definition(to_definition(campaign)) == campaign


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"format": 99}', b"\xff", b'{"format":1,"inputs":{"a":"*"}}'],
)
def test_refuses_what_is_not_a_definition(data: bytes) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        from_definition(data)
