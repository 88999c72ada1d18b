"""Writing the package of a new application."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from string import Template

from boinc_project.errors import InputError
from server.new_app.names import AppNames

TEMPLATE = Path(__file__).parent / "template"
FILES = {
    "README.md": "README.md.in",
    "pyproject.toml": "pyproject.toml.in",
    "{package}/__init__.py": "application.py.in",
    "{package}/merging.py": "merging.py.in",
    "{package}/campaign.toml": "campaign.toml.in",
    "{package}/requirements.txt": "requirements.txt",
    "tests/test_{name}.py": "test_application.py.in",
}
"""Paths in the package, and the files of `TEMPLATE` that they are made of."""


def package_files(names: AppNames) -> dict[str, str]:
    """Return the text of each file of a new package, by its path."""
    values = asdict(names)
    texts = {}
    for path, source in FILES.items():
        text = (TEMPLATE / source).read_text(encoding="utf-8")
        filled = Template(text).substitute(values) if source.endswith(".in") else text
        texts[path.format(**values)] = filled
    return texts


def write_package(names: AppNames, directory: Path) -> list[Path]:
    """Write a new package into a directory; return its files.

    Raises
    ------
    InputError
        If the directory holds anything, or cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise InputError(
                f"{directory} is not empty: name another directory with --directory.",
                path=directory,
            )
        written = []
        for name, text in package_files(names).items():
            path = directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{directory} cannot be written: {reason}.", path=directory) from error
    return written
