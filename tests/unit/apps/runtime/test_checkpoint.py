"""The checkpoint file: whole or refused, and one generation to fall back on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.runtime.checkpoint import CheckpointFile, decode_checkpoint, encode_checkpoint
from boinc_project.errors import CheckpointError, CorruptCheckpoint, IncompatibleCheckpoint

UNIT = "a" * 64
OTHER_UNIT = "b" * 64


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def checkpoint(tmp_path: Path, said: list[str]) -> CheckpointFile:
    return CheckpointFile(tmp_path / "checkpoint.bin", UNIT, say=said.append)


def test_nothing_saved_is_the_start(checkpoint: CheckpointFile, said: list[str]) -> None:
    assert checkpoint.load() is None
    assert said == []


def test_the_newest_generation_is_loaded(checkpoint: CheckpointFile, said: list[str]) -> None:
    for payload in (b"one", b"two\nlines", b"three"):
        checkpoint.save(payload)
    assert checkpoint.load() == b"three"
    assert said == []


def test_a_corrupt_one_falls_back_a_generation(checkpoint: CheckpointFile, said: list[str]) -> None:
    checkpoint.save(b"one")
    checkpoint.save(b"two")
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:-1] + b"x")
    assert checkpoint.load() == b"one"
    assert said[0] == ("checkpoint.bin: A checkpoint's checksum does not match its contents.")
    assert "one generation older" in said[1]


def test_a_corrupt_one_is_not_rotated_over_the_good_one(checkpoint: CheckpointFile) -> None:
    checkpoint.save(b"one")
    checkpoint.save(b"two")
    checkpoint.path.write_bytes(b"torn")
    assert checkpoint.load() == b"one"
    checkpoint.save(b"three")
    checkpoint.path.write_bytes(b"torn again")
    assert checkpoint.load() == b"one"


def test_two_corrupt_ones_fall_back_to_the_start(
    checkpoint: CheckpointFile, said: list[str]
) -> None:
    checkpoint.save(b"one")
    checkpoint.save(b"two")
    checkpoint.path.write_bytes(b"")
    checkpoint.previous.write_bytes(b"openastro-checkpoint 1 1\n")
    assert checkpoint.load() is None
    assert "starting this task from the beginning" in said[-1]


def test_dying_between_the_renames_leaves_the_previous(checkpoint: CheckpointFile) -> None:
    checkpoint.save(b"one")
    checkpoint.path.rename(checkpoint.previous)
    assert checkpoint.load() == b"one"


def test_a_full_disk_keeps_both_generations(
    checkpoint: CheckpointFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(b"one")
    checkpoint.save(b"two")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("apps.runtime.checkpoint.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            checkpoint.save(b"three")
    assert sorted(path.name for path in checkpoint.path.parent.iterdir()) == [
        "checkpoint.bin",
        "checkpoint.bin.previous",
    ]
    assert checkpoint.load() == b"two"


@pytest.mark.parametrize(
    ("unit_digest", "format_version", "words"),
    [(OTHER_UNIT, 1, "another unit"), (UNIT, 2, "another version")],
)
def test_a_whole_one_of_something_else_is_incompatible(
    unit_digest: str, format_version: int, words: str
) -> None:
    data = encode_checkpoint(b"payload", unit_digest=UNIT, format_version=1)
    with pytest.raises(IncompatibleCheckpoint, match=words):
        decode_checkpoint(data, unit_digest=unit_digest, format_version=format_version)


def test_another_units_checkpoint_is_never_loaded(
    checkpoint: CheckpointFile, said: list[str]
) -> None:
    CheckpointFile(checkpoint.path, OTHER_UNIT).save(b"theirs")
    assert checkpoint.load() is None
    assert said[0] == "checkpoint.bin: The checkpoint belongs to another unit."


def test_remove_leaves_nothing(checkpoint: CheckpointFile) -> None:
    checkpoint.save(b"one")
    checkpoint.save(b"two")
    checkpoint.remove()
    assert list(checkpoint.path.parent.iterdir()) == []


@given(payload=st.binary(max_size=200), position=st.integers(min_value=0), flip=st.integers(1, 255))
def test_any_flipped_byte_is_noticed(payload: bytes, position: int, flip: int) -> None:
    data = bytearray(encode_checkpoint(payload, unit_digest=UNIT, format_version=1))
    data[position % len(data)] ^= flip
    with pytest.raises(CheckpointError):
        decode_checkpoint(bytes(data), unit_digest=UNIT, format_version=1)


@given(payload=st.binary(max_size=200), cut=st.integers(min_value=1))
def test_any_torn_file_is_corrupt(payload: bytes, cut: int) -> None:
    data = encode_checkpoint(payload, unit_digest=UNIT, format_version=1)
    with pytest.raises(CorruptCheckpoint):
        decode_checkpoint(data[: -1 - cut % len(data)], unit_digest=UNIT, format_version=1)
