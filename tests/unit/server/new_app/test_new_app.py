"""New applications: their names, and a package that keeps the project's own style."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from boinc_project.errors import InputError
from server.new_app.names import MAX_NAME, checked_names
from server.new_app.writing import TEMPLATE, package_files, write_package

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    "name",
    ["", " ", "My App", "9digits", "a__b", "a_", "_a", "a-b", "é", "a.b", "../a", "a\n", "x" * 41],
)
def test_a_bad_name_gets_one_sentence_with_a_good_one(name: str) -> None:
    with pytest.raises(InputError) as refused:
        checked_names(name, ())
    assert refused.value.message.endswith(".")
    better = refused.value.message.split('"')[-2]
    assert checked_names(better, ()).name == better


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(InputError, match="installed already"):
        checked_names("ttv_mcmc", ["ttv_mcmc"])


@pytest.mark.parametrize(
    ("name", "class_name", "slug"),
    [
        ("pi_digits", "PiDigitsApp", "pi-digits"),
        ("none", "NoneApp", "none"),
        ("unit", "UnitApp", "unit"),
        ("class", "ClassApp", "class"),
        ("x" * MAX_NAME, "X" + "x" * (MAX_NAME - 1) + "App", "x" * MAX_NAME),
    ],
)
def test_names_follow_from_the_name(name: str, class_name: str, slug: str) -> None:
    names = checked_names(name, ())
    assert (names.package, names.class_name, names.slug) == (f"openastro_{name}", class_name, slug)


@pytest.mark.parametrize("name", ["pi_digits", "application", "unit", "block", "x" * MAX_NAME])
def test_every_file_can_be_read(name: str) -> None:
    files = package_files(checked_names(name, ()))
    for path, text in files.items():
        if path.endswith(".py"):
            ast.parse(text)
        if path.endswith(".toml"):
            tomllib.loads(text)
        assert "$" not in text


def test_the_lock_is_part_of_the_projects_own() -> None:
    lock = (ROOT / "requirements" / "freeze.txt").read_text("utf-8")
    ours = (TEMPLATE / "requirements.txt").read_text("utf-8")
    packages = [part for part in ours.split("\n") if part and not part.startswith(" ")]
    assert {"numpy", "pyinstaller", "setuptools"} <= {line.split("==")[0] for line in packages}
    for line in ours.splitlines():
        assert line.rstrip(" \\") in lock


def test_a_directory_that_holds_anything_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="not empty"):
        write_package(checked_names("digits", ()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_directory_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot be written: .*\."):
        write_package(checked_names("digits", ()), tmp_path / "file" / "below")


def test_a_new_package_keeps_the_projects_style(tmp_path: Path) -> None:
    write_package(checked_names("pi_digits", ()), tmp_path)
    config, package = ROOT / "pyproject.toml", tmp_path / "openastro_pi_digits"
    for words in (["check", "--ignore", "I001,ARG002"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache", "--config", config, package],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
