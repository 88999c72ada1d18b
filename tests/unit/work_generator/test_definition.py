from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from boinc_project.errors import InputError
from boinc_project.input_store import StoredInput
from work_generator.campaign_file import load_campaign
from work_generator.definition import from_definition, to_definition


def test_round_trip(write: Callable[..., Path]) -> None:
    campaign = load_campaign(write())
    assert from_definition(to_definition(campaign)) == campaign


def test_input_bytes_survive_whatever_they_are(write: Callable[..., Path]) -> None:
    campaign = replace(load_campaign(write()), inputs={"x": bytes(range(256))})
    assert from_definition(to_definition(campaign)) == campaign


def test_of_large_files_there_are_only_digests(write: Callable[..., Path]) -> None:
    stored = StoredInput("a" * 64, "b" * 32, 10**9)
    campaign = replace(load_campaign(write()), files={stored.sha256: stored})
    data = to_definition(campaign)
    assert from_definition(data) == campaign
    assert len(data) - len(to_definition(load_campaign(write()))) < 300


def test_definitions_of_before_there_were_large_files_are_read(write: Callable[..., Path]) -> None:
    campaign = load_campaign(write())
    value = json.loads(to_definition(campaign))
    del value["files"], value["stop"]["all_units"]
    assert from_definition(json.dumps(value).encode()) == campaign


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"format": 99}', b"\xff", b'{"format":1,"inputs":{"a":"*"}}'],
)
def test_refuses_what_is_not_a_definition(data: bytes) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        from_definition(data)
