"""The digest list of an unpacked app."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.runtime.errors import AppFilesError
from apps.runtime.self_check import LIST_FILE, check_tree, list_text, own_digest, source_digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "app_100.d"
    (root / "_internal").mkdir(parents=True)
    (root / "app").write_bytes(b"program")
    (root / "_internal" / "_ttvfast.so").write_bytes(b"kernel")
    (root / "_internal" / "empty").write_bytes(b"")
    (root / LIST_FILE).write_text(list_text(root), encoding="utf-8")
    return root


def test_a_whole_tree_has_the_digest_of_its_list(tree: Path) -> None:
    digest = hashlib.sha256((tree / LIST_FILE).read_bytes()).hexdigest()
    assert check_tree(tree) == check_tree(tree, digest) == digest


def test_sha256sum_understands_the_list(tree: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", LIST_FILE], cwd=tree, check=True)


def hide(root: Path) -> None:
    (root / "__pycache__" / "json.cpython-311.pyc").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda root: (root / "_internal/_ttvfast.so").write_bytes(b"kernem"), "has been changed"),
        (lambda root: (root / "_internal/empty").unlink(), "is missing"),
        (lambda root: (root / "_internal/extra.so").write_bytes(b""), "does not belong"),
        (lambda root: (root / "__pycache__").mkdir() or hide(root), "does not belong"),
        (lambda root: (root / LIST_FILE).unlink(), "missing or unreadable"),
        (lambda root: (root / LIST_FILE).write_bytes(b"\xff"), "missing or unreadable"),
    ],
)
def test_any_damage_is_named(tree: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(tree)
    with pytest.raises(AppFilesError, match=sentence):
        check_tree(tree)


def test_a_list_that_fits_a_changed_tree_is_not_the_published_one(tree: Path) -> None:
    published = check_tree(tree)
    (tree / "_internal/_ttvfast.so").write_bytes(b"kernem")
    (tree / LIST_FILE).write_text(list_text(tree), encoding="utf-8")
    check_tree(tree)  # consistent in itself
    with pytest.raises(AppFilesError, match="not the published one"):
        check_tree(tree, published)


def test_a_damaged_tree_is_marked_for_unpacking(tree: Path) -> None:
    (tree / "app").write_bytes(b"progrbm")
    with pytest.raises(AppFilesError):
        check_tree(tree)
    assert not (tree / LIST_FILE).exists()


def test_the_digest_of_sources_sees_sources_only(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "sub").mkdir(parents=True)
    (package / "sub" / "a.py").write_text("1", encoding="utf-8")
    before = source_digest({"package": package})
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.py").write_text("cache", encoding="utf-8")
    (package / "notes.txt").write_text("notes", encoding="utf-8")
    assert source_digest({"package": package}) == before
    (package / "sub" / "a.py").write_text("2", encoding="utf-8")
    assert source_digest({"package": package}) != before


def test_an_app_that_is_not_frozen_has_a_digest() -> None:
    assert len(own_digest({})) == 64
