"""From sources to a finished tree: freeze, leave out what is not needed, list the digests."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from environment import COMPILE
from licences import licences_text
from tools import BuildError, run

from apps.runtime.self_check import LIST_FILE, list_text
from boinc_project.computation import Computation

PACKAGES = ("apps", "boinc_project")
KERNELS = "*/compute/kernel/*.[ch]"
"""Kernels of apps, below ``apps/``."""
# Not in any app: other people's computers plan, judge and merge nothing, need no stock client's
# driver and no server's settings.
NOT_FROZEN = ("volunteer", "plan", "validate", "merge", "__pycache__", "*.so")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A finished tree.

    Attributes
    ----------
    tree : Path
        The directory that is packed.
    digest : str
        SHA-256 of its digest list.
    modules : tuple[str, ...]
        Paths of the project's own modules in it, relative to the project.
    """

    tree: Path
    digest: str
    modules: tuple[str, ...]


def freeze(
    app: Computation,
    path: str,
    *,
    root: Path,
    package: Path | None,
    program: Path,
    lock: Path,
    work: Path,
) -> Bundle:
    """Freeze an app with the Python of the freezing environment.

    Parameters
    ----------
    app : Computation
        The app.
    path : str
        ``module:Class`` of it.
    root : Path
        The project.
    package : Path, optional
        Top-level package or module of the app, if it is not the project's.
    program : Path
        Python of the freezing environment.
    lock : Path
        Requirements that this environment was made from.
    work : Path
        Directory for everything on the way.

    Raises
    ------
    BuildError
        If PyInstaller fails; its last words are in the message.
    """
    shutil.rmtree(work, ignore_errors=True)
    sources = work / "sources"
    ignore = shutil.ignore_patterns(*NOT_FROZEN)
    for package_name in PACKAGES:
        shutil.copytree(root / package_name, sources / package_name, ignore=ignore)
    if package is not None and package.is_dir():
        shutil.copytree(package, sources / package.name, ignore=ignore)
    elif package is not None:
        shutil.copy2(package, sources / package.name)
    _build_kernel(root, program, sources)
    run(
        [
            *(program, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"),
            *("--distpath", work / "dist", "--workpath", work / "work"),
            *(root / "packaging" / "app.spec", "--", "--app", app.name, "--path", path),
            *("--sources", sources, "--lock", lock),
            *(word for name in app.extensions for word in ("--extension", name)),
        ],
        cwd=work,
        # A fixed hash seed and date make two builds of the same sources equal, byte for byte.
        environment={**COMPILE, "PYTHONHASHSEED": "1", "SOURCE_DATE_EPOCH": "315532800"},
        what=f"Freezing {app.name}",
    )
    tree = work / "dist" / app.name
    _remove_links(tree)
    _strip_libpython(tree)
    licence = root / "LICENSE"
    text = licences_text(program, licence.read_text("utf-8") if licence.exists() else "")
    (tree / "LICENSES").write_text(text, encoding="utf-8")
    listed = list_text(tree)
    (tree / LIST_FILE).write_text(listed, encoding="utf-8")
    modules = (sources / "frozen_modules.txt").read_text("utf-8").split()
    return Bundle(tree, hashlib.sha256(listed.encode()).hexdigest(), tuple(modules))


def _build_kernel(root: Path, program: Path, sources: Path) -> None:
    """Compile the kernel for the Python that is frozen, which may not be the one that builds."""
    shutil.copy2(root / "setup.py", sources / "setup.py")
    run(
        [program, "setup.py", "--quiet", "build_ext", "--inplace"],
        cwd=sources,
        environment=COMPILE,
        what="Compiling the kernel",
    )
    wanted = [kernel.parent / "_kernel" for kernel in (sources / "apps").glob("*/compute/kernel")]
    wanted.append(sources / "boinc_project" / "fits" / "_rice")
    for path in wanted:
        if not list(path.parent.glob(f"{path.name}.*")):
            raise BuildError("Compiling the kernel failed: see whether the C compiler works.")


def tree_bytes(tree: Path) -> int:
    """Return the size of all files below `tree`."""
    return sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())


def _remove_links(tree: Path) -> None:
    # Second names of libraries that are there under their real ones; apps run without them.
    for path in list(tree.rglob("*")):
        if path.is_symlink():
            path.unlink()


def _strip_libpython(tree: Path) -> None:
    """Strip the one library that is not from a wheel, if that makes it smaller."""
    if not shutil.which("strip"):
        return
    for library in (tree / "_internal").glob("libpython3*.so*"):
        stripped = library.with_name(library.name + ".stripped")
        command = ["strip", "--strip-unneeded", "-o", str(stripped), str(library)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            stripped.unlink(missing_ok=True)
        elif stripped.stat().st_size < library.stat().st_size:
            shutil.copymode(library, stripped)
            stripped.replace(library)
        else:
            stripped.unlink()
