"""The names that a new application goes by."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from boinc_project.errors import InputError

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_NAME = 40
"""Letters: files of an app version are named by it, its version and its platform."""
PREFIX = "openastro_"


@dataclass(frozen=True, slots=True)
class AppNames:
    """The names of one application.

    Attributes
    ----------
    name : str
        As campaign files and the database name it.
    package : str
        The Python package.
    class_name : str
        The application's class.
    slug : str
        For distributions and campaigns, which have dashes.
    """

    name: str
    package: str
    class_name: str
    slug: str


def checked_names(name: str, taken: Collection[str]) -> AppNames:
    """Return the names of a new application.

    Parameters
    ----------
    name : str
        As a person gives it.
    taken : Collection of str
        Applications that are installed.

    Raises
    ------
    InputError
        If it is no name of an application, or another has it.
    """
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        better = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:MAX_NAME]
        raise InputError(
            f'"{name}" cannot name an app: write lower-case letters, digits and single '
            f"underscores, a letter first, at most {MAX_NAME}, "
            f'for example "{better.rstrip("_") or "my_app"}".',
            name=name,
        )
    if name in taken:
        raise InputError(f'An app "{name}" is installed already: choose another name.', name=name)
    # With a suffix no name is that of anything that the module imports.
    class_name = "".join(word.capitalize() for word in name.split("_")) + "App"
    return AppNames(name, PREFIX + name, class_name, name.replace("_", "-"))
