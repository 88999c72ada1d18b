"""BOINC's names of platforms (``client/cs_platforms.cpp``)."""

from __future__ import annotations

import platform
import sys

from boinc_project.errors import ConfigError

_NAMES = {
    ("linux", "x86_64"): "x86_64-pc-linux-gnu",
    ("linux", "aarch64"): "aarch64-unknown-linux-gnu",
    ("darwin", "x86_64"): "x86_64-apple-darwin",
    ("darwin", "arm64"): "arm64-apple-darwin",
    ("win32", "amd64"): "windows_x86_64",
    ("win32", "arm64"): "windows_arm64",
}


def platform_name(system: str = sys.platform, machine: str | None = None) -> str:
    """Return BOINC's name of a platform; by default of the one that this program runs on.

    Raises
    ------
    ConfigError
        If BOINC has no name for it.
    """
    machine = (machine or platform.machine()).lower()
    try:
        return _NAMES[system, machine]
    except KeyError:
        raise ConfigError(
            f"There is no app for this kind of computer: {machine} with {system}.",
            system=system,
            machine=machine,
        ) from None
