"""A product's directory: the files of the newest product, and those that no product has written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from assimilator.directory import write_product


def files(*names: str) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        for name in names:
            (directory / name).write_text("new")

    return write


def write(directory: Path, *names: str, superseded: Sequence[str] = ()) -> None:
    write_product(
        directory, files(*names), summary={}, provenance={"kind": "x"}, superseded=superseded
    )


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()} - {"summary.json", "provenance.json"}


def test_files_that_the_newer_product_does_not_have_go(tmp_path: Path) -> None:
    write(tmp_path, "image.fits", "catalogue.fits", "catalogue.ecsv")
    write(tmp_path, "image.fits")
    assert names(tmp_path) == {"image.fits"}
    told = json.loads((tmp_path / "provenance.json").read_text())
    assert told == {"kind": "x", "files": ["image.fits"]}
    write(tmp_path)
    assert names(tmp_path) == set()


def test_files_that_no_product_has_written_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine.fits").write_text("mine")
    write(tmp_path, "image.fits")
    (tmp_path / "catalogue.fits").write_text("mine")
    write(tmp_path, "image-r.fits")
    assert names(tmp_path) == {"mine", "mine.fits", "catalogue.fits", "image-r.fits"}


def test_superseded_files_go_whoever_has_written_them(tmp_path: Path) -> None:
    (tmp_path / "image.fits").write_text("of a product that lists none")
    write(tmp_path, "image-r.fits", superseded=["image.fits", "weight.fits"])
    assert names(tmp_path) == {"image-r.fits"}


@pytest.mark.parametrize(
    "told",
    [
        "nonsense", "[]", "{}", '{"files": "image.fits"}', '{"files": [1, null, "", ".", ".."]}',
        '{"files": ["../outside.fits", "mine"]}',
    ],
)  # fmt: skip
def test_a_strange_list_of_files_deletes_nothing(tmp_path: Path, told: str) -> None:
    outside = tmp_path / "outside.fits"
    outside.write_text("mine")
    directory = tmp_path / "product"
    (directory / "mine").mkdir(parents=True)
    (directory / "provenance.json").write_text(told)
    write(directory, "image.fits")
    assert outside.exists()
    assert names(directory) == {"image.fits", "mine"}


def test_a_writer_that_fails_leaves_the_earlier_product(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "image.fits").write_text("half")
        raise OSError("The disk is full.")

    write(tmp_path, "image.fits", "catalogue.fits")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OSError, match="full"):
        write_product(tmp_path, fail, summary={"n": 2}, provenance={})
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert left == before
    write(tmp_path, "image.fits")
    assert names(tmp_path) == {"image.fits"}
