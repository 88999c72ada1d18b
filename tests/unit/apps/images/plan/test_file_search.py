"""Which files a pattern or a folder means: by content, not by name, and none without a word."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pytest

from apps.images.plan.file_search import is_fits, matching
from apps.images.plan.remarks import Remarks
from tests.unit.apps.images.plan.sky.headers import sky, tan, write


def names(directory: Path, pattern: str) -> tuple[list[str], list[str]]:
    remarks = Remarks()
    return [path.name for path in matching(directory, pattern, remarks)], remarks.lines()


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return write(tmp_path / "x", sky(), tan()).read_bytes()


@pytest.mark.parametrize(
    "name",
    ["a.fits", "a.fit", "a.fts", "a.FIT", "a.new", "a.fits.fz", "a.001", "a", "a.fits.gz",
     "a.fit.bz2", "a.fts.xz", "a.new.gz", "a.zip", "a.dat"],
)  # fmt: skip
def test_fits_files_of_any_name_and_compression_are_images(
    tmp_path: Path, content: bytes, name: str
) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    path = folder / name
    packers = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.fits", content)
    else:
        path.write_bytes(packers.get(path.suffix, bytes)(content))
    assert is_fits(path)
    assert names(tmp_path, "night") == ([name], [])


def damaged(content: bytes) -> dict[str, bytes]:
    """Return files that are compressed as a whole and cannot be read, by what is wrong."""
    packed = gzip.compress(content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.fits", content)
    secret = bytearray(buffer.getvalue())
    for start in (6, secret.find(b"PK\x01\x02") + 8):  # flags of both headers: encrypted
        secret[start] |= 1
    unknown = bytearray(buffer.getvalue())
    for start in (8, unknown.find(b"PK\x01\x02") + 10):  # a method that nobody has
        unknown[start] = 99
    return {
        "codes": packed[:12] + b"\xff" * 28 + packed[40:],
        "head": packed[:5],
        "password": bytes(secret),
        "method": bytes(unknown),
        "no archive": b"PK\x03\x04" + bytes(40),
        "bzip": b"BZh" + bytes(40),
        "xz": b"\xfd7zXZ" + bytes(40),
    }


@pytest.mark.parametrize(
    "what", ["codes", "head", "password", "method", "no archive", "bzip", "xz"]
)
def test_a_damaged_archive_of_a_folder_is_no_fits_file(
    tmp_path: Path, content: bytes, what: str
) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    (folder / "a").write_bytes(damaged(content)[what])
    (folder / "b.fits.gz").write_bytes(damaged(content)[what])
    kept, lines = names(tmp_path, "night")
    assert kept == ["b.fits.gz"]
    assert lines == ["Of the folder night, a is left out: no FITS file."]


def test_what_is_left_out_of_a_folder_is_said(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "night"
    (folder / "more").mkdir(parents=True)
    for name in ("a.fits", "._a.fits"):
        (folder / name).write_bytes(content)
    for name in ("log.txt", "notes.gz", "b.cr2", "empty"):
        (folder / name).write_bytes(b"" if name == "empty" else b"\x1f\x8bno")
    (folder / "broken.fit").write_bytes(b"not FITS")
    kept, lines = names(tmp_path, "night")
    # One that is called FITS is not left out: what is wrong with it is said when it is read.
    assert kept == ["a.fits", "broken.fit"]
    assert lines == [
        "Of the folder night, b.cr2, empty, log.txt and 1 more is left out: no FITS file.",
        "Of the folder night, ._a.fits is left out: hidden.",
        "Of the folder night, more is left out: a folder in it, whose files must be named by a "
        "pattern of their own.",
    ]


@pytest.mark.parametrize(
    "pattern", ["M31 [Ha]/*.fits", "M31 [Ha]/a*", "M31 [Ha]/a[1].fits", "M31 [Ha]", "*/a*"]
)
def test_brackets_in_names_are_brackets(tmp_path: Path, content: bytes, pattern: str) -> None:
    folder = tmp_path / "M31 [Ha]"
    folder.mkdir()
    (folder / "a[1].fits").write_bytes(content)
    assert names(tmp_path, pattern) == (["a[1].fits"], [])
    assert names(tmp_path, str(tmp_path / pattern))[0] == ["a[1].fits"]


def test_patterns_go_through_folders(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.fits").write_bytes(content)
    assert names(tmp_path, "a/**/*.fits") == (["c.fits"], [])
    assert names(tmp_path, "**/c.*") == (["c.fits"], [])
    assert names(tmp_path, "a/[xyz]*") == ([], [])
