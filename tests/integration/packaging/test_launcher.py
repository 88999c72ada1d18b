"""The launcher with a real archive, whose app is a shell script that says what it was given."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from apps.runtime.self_check import LIST_FILE, list_text

NAME = "app_101_x86_64-pc-linux-gnu"
OLD = "app_100_x86_64-pc-linux-gnu"
APP = """#!/bin/sh
echo "$$ $(basename "$(dirname "$0")") $OPENASTRO_APP_DIGEST ${LD_PRELOAD-none} $*"
"""

Scripts = dict[str, ModuleType]


@pytest.fixture
def project(tmp_path: Path, packaging: Scripts) -> Path:
    """A client's project directory that holds the launcher and its archive, and a slot."""
    project = tmp_path / "a project"
    (tmp_path / "slot").mkdir()
    project.mkdir()
    tree = tmp_path / "tree"
    (tree / "_internal").mkdir(parents=True)
    (tree / "app").write_text(APP, encoding="ascii")
    (tree / "app").chmod(0o755)
    (tree / "_internal" / "kernel.so").write_bytes(b"kernel")
    (tree / LIST_FILE).write_text(list_text(tree), encoding="utf-8")
    digest = hashlib.sha256((tree / LIST_FILE).read_bytes()).hexdigest()
    packaging["archive"].write_archive(tree, project / f"{NAME}.tar.gz")
    text = packaging["launcher"].launcher_text("app", 101, NAME, digest)
    (project / NAME).write_text(text, encoding="ascii")
    (project / NAME).chmod(0o755)
    return project


def start(project: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [f"../{project.name}/{NAME}", *arguments],
        cwd=project.parent / "slot",
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run(project: Path, *arguments: str, **environment: str) -> str:
    with start(project, *arguments, **environment) as process:
        said, complaint = process.communicate()
    assert process.returncode == 0, complaint
    return said


def names(project: Path) -> set[str]:
    return {path.name for path in project.iterdir()}


def test_it_unpacks_once_and_becomes_the_app(project: Path) -> None:
    with start(project, "--slot", "two words") as process:
        said = process.communicate()[0].split(maxsplit=4)
    assert said[0] == str(process.pid)  # exec: no shell is left in between
    digest = hashlib.sha256((project / f"{NAME}.d" / LIST_FILE).read_bytes()).hexdigest()
    assert said[1:] == [f"{NAME}.d", digest, "none", "--slot two words\n"]
    inode = (project / f"{NAME}.d").stat().st_ino
    run(project)
    assert (project / f"{NAME}.d").stat().st_ino == inode
    assert names(project) == {NAME, f"{NAME}.tar.gz", f"{NAME}.d"}


def test_forced_libraries_stay_outside(project: Path) -> None:
    assert run(project, LD_PRELOAD="", FAKETIME="+0 x8").split()[3] == "none"


def test_many_at_once_are_safe(project: Path) -> None:
    processes = [start(project) for _ in range(8)]
    for process in processes:
        with process:
            said, complaint = process.communicate()
        assert process.returncode == 0, complaint
        assert said.startswith(f"{process.pid} {NAME}.d")
    assert names(project) == {NAME, f"{NAME}.tar.gz", f"{NAME}.d"}


def test_trees_go_with_their_archives(project: Path) -> None:
    for version in ("099", "100"):
        (project / f"app_{version}_x86_64-pc-linux-gnu.d" / "_internal").mkdir(parents=True)
    (project / f"{OLD}.tar.gz").write_bytes(b"")  # the client still has tasks of this version
    (project / f"{NAME}.d.tmp.{os.getpid()}").mkdir()
    dead = subprocess.Popen(["true"])
    dead.wait()
    (project / f"{OLD}.d.tmp.{dead.pid}").mkdir()
    run(project)
    assert names(project) == {
        NAME,
        f"{NAME}.tar.gz",
        f"{NAME}.d",
        f"{OLD}.tar.gz",
        f"{OLD}.d",
        f"{NAME}.d.tmp.{os.getpid()}",  # somebody is unpacking there
    }


def test_a_damaged_tree_is_unpacked_anew(project: Path) -> None:
    run(project)
    tree = project / f"{NAME}.d"
    (tree / "_internal" / "kernel.so").write_bytes(b"kernem")
    (tree / LIST_FILE).rename(tree / f"{LIST_FILE}.bad")  # as the app does when it finds that
    run(project)
    assert (tree / "_internal" / "kernel.so").read_bytes() == b"kernel"
    assert names(project) == {NAME, f"{NAME}.tar.gz", f"{NAME}.d"}


def test_a_broken_archive_is_put_off_and_leaves_nothing(project: Path) -> None:
    data = (project / f"{NAME}.tar.gz").read_bytes()
    (project / f"{NAME}.tar.gz").write_bytes(data[: len(data) // 2])
    assert run(project) == ""
    delay, reason, *_ = (
        (project.parent / "slot" / "boinc_temporary_exit").read_text("ascii").split("\n")
    )
    assert delay == "600"
    assert "cannot be unpacked" in reason
    assert names(project) == {NAME, f"{NAME}.tar.gz"}


def test_an_archive_has_the_same_bytes_whenever_it_is_made(
    tmp_path: Path, packaging: Scripts
) -> None:
    archives = []
    for order in (["b", "a"], ["a", "b"]):
        tree = tmp_path / "".join(order)
        for name in order:
            (tree / name).mkdir(parents=True)
            (tree / name / "file").write_bytes(name.encode())
            os.utime(tree / name / "file", (len(archives), len(archives)))
        archives.append(tmp_path / f"{tree.name}.tar.gz")
        packaging["archive"].write_archive(tree, archives[-1])
    assert archives[0].read_bytes() == archives[1].read_bytes()
