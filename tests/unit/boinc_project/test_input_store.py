"""Large inputs by their content."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from boinc_project.errors import InputError, UnitError
from boinc_project.input_store import InputStore, describe, lay
from boinc_project.unit import Unit, open_unit, seal

DATA = b"pixels" * 300_000


def writer(data: bytes):
    return lambda path: path.write_bytes(data) and None


def test_a_file_is_named_by_its_bytes(tmp_path: Path) -> None:
    store = InputStore(tmp_path / "inputs")
    stored = store.add(writer(DATA))
    assert stored.sha256 == hashlib.sha256(DATA).hexdigest()
    assert stored.md5 == hashlib.md5(DATA).hexdigest()
    assert (stored.nbytes, store.find(stored.sha256).read_bytes()) == (len(DATA), DATA)
    assert store.add(writer(DATA)) == stored
    assert describe(store.path(stored.sha256)) == stored


def test_a_file_that_is_not_written_to_its_end_is_not_there(tmp_path: Path) -> None:
    store = InputStore(tmp_path)

    def fails(path: Path) -> None:
        path.write_bytes(DATA)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        store.add(fails)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="plan the campaign again"):
        store.find(hashlib.sha256(DATA).hexdigest())


def test_what_is_laid_out_outlives_the_store(tmp_path: Path) -> None:
    store = InputStore(tmp_path / "inputs")
    source = store.find(store.add(writer(DATA)).sha256)
    target = tmp_path / "slot.fits"
    target.write_bytes(b"old")
    lay(source, target)
    assert target.stat().st_ino == source.stat().st_ino  # the bytes are there once
    source.unlink()
    assert target.read_bytes() == DATA


def test_many_may_lay_the_same_file_at_once(tmp_path: Path) -> None:
    store = InputStore(tmp_path / "inputs")
    source = store.find(store.add(writer(b"pixels")).sha256)
    with ThreadPoolExecutor(8) as pool:
        for round_ in range(25):
            target = tmp_path / "download" / f"{round_}.fits"
            target.parent.mkdir(exist_ok=True)
            done = [pool.submit(lay, source, target) for _ in range(8)]
            assert [one.result() for one in done] == [None] * 8
            assert [path.name for path in target.parent.iterdir()] == [target.name]
            target.unlink()


def unit(digest: str) -> Unit:
    return Unit("reprojection", 100, "c", 1, 0, 0, {}, {"frame_00.fits": digest})


def test_units_are_sealed_with_files_that_lie_elsewhere(tmp_path: Path) -> None:
    store = InputStore(tmp_path / "inputs")
    stored = store.add(writer(DATA))
    slot = tmp_path / "slot"
    seal(unit(stored.sha256), {"frame_00.fits": store.find(stored.sha256)}, slot)
    names = ("unit.json", "frame_00.fits")
    assert open_unit({name: slot / name for name in names}) == unit(stored.sha256)
    other = store.add(writer(b"others"))
    with pytest.raises(UnitError, match="not the inputs that the unit names"):
        seal(unit(stored.sha256), {"frame_00.fits": store.find(other.sha256)}, slot)
