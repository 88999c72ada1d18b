"""The memory-mapped channels, at BOINC's own offsets."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.runtime.channels import (
    MAX_TEXT_BYTES,
    MMAP_FILE,
    ChannelName,
    Channels,
    create_channels,
    open_channels,
)


def test_a_message_lies_where_boinc_puts_it(tmp_path: Path) -> None:
    with create_channels(tmp_path) as channels:
        channels.send(ChannelName.APP_STATUS, "<fraction_done>1</fraction_done>")
    data = (tmp_path / MMAP_FILE).read_bytes()
    assert len(data) == 8192
    assert data[5 * 1024 :].startswith(b"\x01<fraction_done>1</fraction_done>\0")
    assert not any(data[: 5 * 1024])


def test_a_full_channel_keeps_its_message(tmp_path: Path) -> None:
    with create_channels(tmp_path) as client, open_app(tmp_path) as app:
        assert client.send(ChannelName.HEARTBEAT, "one, and longer")
        assert not client.send(ChannelName.HEARTBEAT, "two")
        assert app.receive(ChannelName.HEARTBEAT) == "one, and longer"
        assert app.receive(ChannelName.HEARTBEAT) is None
        assert client.send(ChannelName.HEARTBEAT, "two")
        assert app.receive(ChannelName.HEARTBEAT) == "two"


def test_the_longest_text_fits_and_the_next_does_not(tmp_path: Path) -> None:
    with create_channels(tmp_path) as channels:
        with pytest.raises(ValueError, match="1023 bytes"):
            channels.send(ChannelName.APP_STATUS, "x" * (MAX_TEXT_BYTES + 1))
        assert channels.send(ChannelName.APP_STATUS, "x" * MAX_TEXT_BYTES)
        assert channels.receive(ChannelName.APP_STATUS) == "x" * MAX_TEXT_BYTES
        assert not channels.is_full(ChannelName.TRICKLE_UP)


@pytest.mark.parametrize("size", [None, 0, 8191])
def test_without_a_whole_file_there_are_no_channels(tmp_path: Path, size: int | None) -> None:
    if size is not None:
        (tmp_path / MMAP_FILE).write_bytes(bytes(size))
    assert open_channels(tmp_path) is None


def test_a_new_client_does_not_talk_to_an_old_app(tmp_path: Path) -> None:
    with create_channels(tmp_path), open_app(tmp_path) as old, create_channels(tmp_path) as client:
        client.send(ChannelName.PROCESS_CONTROL_REQUEST, "<quit/>")
        assert old.receive(ChannelName.PROCESS_CONTROL_REQUEST) is None


def open_app(slot: Path) -> Channels:
    channels = open_channels(slot)
    assert channels is not None
    return channels
