"""Build an app version: ``python packaging/build.py ttv_mcmc --out build/apps``.

Makes ``<out>/<app>_<version>_<platform>/`` with the launcher, the archive, ``manifest.json`` for
`openastro app sign` and `openastro app publish`, and ``build.json`` with what it was built from.
An app whose sources, requirements and recipe have not changed is not built again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from archive import write_archive
from bundle import KERNELS, PACKAGES, Bundle, freeze, tree_bytes
from environment import freezing_environment
from launcher import launcher_text
from tools import BuildError, Python, alone_in, find_python, require_programs, run

from apps.main import load
from apps.runtime.platforms import platform_name
from boinc_project import application
from boinc_project.computation import Computation
from boinc_project.errors import ConfigError
from boinc_project.unit import file_digest

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "requirements"
RECIPE = ROOT / "packaging"


def main(arguments: list[str] | None = None) -> int:
    """Build what the command line names; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("apps", nargs="+", metavar="APP", help="installed app, or module:Class")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "apps")
    parser.add_argument("--force", action="store_true", help="build even if nothing has changed")
    parser.add_argument(
        "--work", type=Path, help="where the freezing environment is kept (default: beside OUT)"
    )
    options = parser.parse_args(arguments)
    out = options.out.resolve()
    work = (options.work or out.parent / "freeze").resolve()
    try:
        with alone_in(work):
            for app in options.apps:
                build(app, out, work, force=options.force)
    except BuildError as error:
        sys.stderr.write(f"build: {error}\n")
        return 1
    return 0


def build(app: str, out: Path, work: Path, *, force: bool = False) -> Path:
    """Build one app version; return its directory.

    Raises
    ------
    BuildError
        If something is missing or fails; the message says what helps.
    """
    path = computation_of(app)
    made = loaded(path)
    version, package = made.version, package_of(path)
    lock = lock_of(path, made)
    platform = platform_name()
    name = f"{made.name}_{version}_{platform}"
    directory = out / name
    python = find_python()
    if not force and is_current(directory, python, lock, package):
        print(f"{name} is up to date in {directory}")
        return directory
    require_programs()
    print(f"Freezing {name} with {python.program} ...", flush=True)
    started = time.monotonic()
    program = freezing_environment(python, lock, work / f"environment-{lock.stem}")
    bundle = freeze(
        made,
        path,
        root=ROOT,
        package=package,
        program=program,
        lock=lock,
        work=work / made.name,
    )
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    launcher = directory / name
    archive = directory / f"{name}.tar.gz"
    write_archive(bundle.tree, archive)
    launcher.write_text(launcher_text(made.name, version, name, bundle.digest), encoding="utf-8")
    launcher.chmod(0o755)
    seconds = measure(launcher, archive, bundle)
    _write_json(
        directory / "manifest.json",
        {
            "app": made.name,
            "title": made.title,
            "version_num": version,
            "platform": platform,
            "files": [
                {**file_entry(launcher), "main_program": True, "executable": True},
                file_entry(archive),
            ],
        },
    )
    record = {
        "app_digest": bundle.digest,
        "python": ".".join(map(str, python.version)),
        "stamp": stamp(bundle.modules, python, lock, package),
        "modules": list(bundle.modules),
        "tree_bytes": tree_bytes(bundle.tree),
        "archive_bytes": archive.stat().st_size,
        **seconds,
    }
    _write_json(directory / "build.json", record)
    report(name, record, time.monotonic() - started)
    return directory


def computation_of(app: str) -> str:
    """Return ``module:Class`` of what is frozen, from the name of an installed application.

    Raises
    ------
    BuildError
        If no such application is installed.
    """
    if ":" in app:
        return app
    try:
        return application.get(app).computed_by()
    except ConfigError as error:
        raise BuildError(error.message) from None


def loaded(path: str) -> Computation:
    """Return the app at ``module:Class``.

    Raises
    ------
    BuildError
        If there is none, or it does not say its name and version.
    """
    try:
        app = load(path)
    except (ConfigError, ImportError) as error:
        raise BuildError(f"There is no app {path}: {error}") from None
    if (
        not isinstance(getattr(app, "name", None), str)
        or type(getattr(app, "version", None)) is not int
    ):
        raise BuildError(f"{path} has to set its name, and its version as a number.")
    return app


def package_of(path: str) -> Path | None:
    """Return the top-level package or module of an app that is not the project's; None of ours."""
    name = path.partition(":")[0].partition(".")[0]
    file = Path(str(sys.modules[name].__file__)).resolve()
    package = file.parent if file.name == "__init__.py" else file
    return None if package.is_relative_to(ROOT) and package.name in PACKAGES else package


def lock_of(path: str, app: Computation) -> Path:
    """Return the locked requirements that an app is frozen from: its own, if it names some.

    Raises
    ------
    BuildError
        If there is no such file.
    """
    beside = Path(str(sys.modules[type(app).__module__].__file__)).resolve().parent
    places = [LOCKS / f"{app.requirements}.txt", beside / app.requirements]
    lock = next((place for place in places if place.is_file()), None)
    if lock is None:
        raise BuildError(
            f"{path} names the requirements {app.requirements}, and neither {places[0]} nor "
            f"{places[1]} exists."
        )
    return lock


def stamp(modules: Iterable[str], python: Python, lock: Path, package: Path | None) -> str:
    """Return the digest of all that decides what an app version is.

    Of the project's sources only the frozen ones count; a change that brings in another module has
    to change one of these.
    """
    recipe = [path for path in RECIPE.iterdir() if path.suffix in {".py", ".spec"}]
    kernels = [*(ROOT / "apps").glob(KERNELS), *(ROOT / "boinc_project").rglob("*.c")]
    kernels += (ROOT / "apps" / "kernel").glob("*.h")
    recipe += [ROOT / "setup.py", *kernels]
    roots = (ROOT,) if package is None else (ROOT, package.parent)
    named = {path.name: path for path in (lock, *sorted(recipe))}
    for module in sorted(modules):
        named[module] = next((root / module for root in roots if (root / module).exists()), ROOT)
    total = hashlib.sha256(repr(python).encode())
    for name, path in named.items():
        digest = file_digest(path) if path.is_file() else "missing"
        total.update(f"{name} {digest}\n".encode())
    return total.hexdigest()


def is_current(directory: Path, python: Python, lock: Path, package: Path | None) -> bool:
    """Tell whether the build in `directory` is whole and made from what is here now."""
    try:
        record = json.loads((directory / "build.json").read_text("utf-8"))
        manifest = json.loads((directory / "manifest.json").read_text("utf-8"))
        whole = all(
            file_digest(directory / entry["name"]) == entry["sha256"] for entry in manifest["files"]
        )
        return whole and bool(record["stamp"] == stamp(record["modules"], python, lock, package))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def file_entry(path: Path) -> dict[str, Any]:
    """Return what the manifest says of a file."""
    return {"name": path.name, "nbytes": path.stat().st_size, "sha256": file_digest(path)}


def measure(launcher: Path, archive: Path, bundle: Bundle) -> dict[str, float]:
    """Run the finished app as a client would, and return its unpacking and start-up times.

    Raises
    ------
    BuildError
        If it does not start, or does not find its own files in order.
    """
    with tempfile.TemporaryDirectory(dir=launcher.parent.parent) as directory:
        project = Path(directory)
        os.link(archive, project / archive.name)
        shutil.copy2(launcher, project / launcher.name)
        times = []
        for _ in range(4):
            began = time.monotonic()
            said = run([project / launcher.name, "--version"], what="Starting the frozen app")
            times.append(time.monotonic() - began)
            if said.split()[-1:] != [bundle.digest]:
                raise BuildError(f"The frozen app names itself wrongly: {said.strip()}")
    return {"first_start_s": round(times[0], 2), "start_s": round(min(times[1:]), 2)}


def report(name: str, record: Mapping[str, Any], seconds: float) -> None:
    """Say what was built, how large it is and how fast it starts."""
    print(
        f"{name}: {record['tree_bytes'] / 1e6:.0f} MB unpacked, "
        f"{record['archive_bytes'] / 1e6:.0f} MB to download; starts in {record['start_s']} s "
        f"({record['first_start_s']} s the first time, unpacking); built in {seconds:.0f} s"
    )
    print(f"app files {record['app_digest']}")


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
