"""A TOML file that remembers its lines, read key by key with errors a person can act on.

`tomllib` decides what the file says; `TomlSource` only finds again the line where each key stands,
so that an error can say ``kepler-9.toml:12:`` and what to write instead.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn

from boinc_project.errors import InputError
from boinc_project.toml_lines import KeyPath, key_lines

MAX_BYTES = 4 * 2**20
"""Larger files are not campaign files."""


class TomlSource:
    """One TOML file: its values, and the line of every key.

    Parameters
    ----------
    path : Path
        The file, named in errors as given here.
    text : str
        Its contents.

    Raises
    ------
    InputError
        If the text is not TOML.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        try:
            self.values: Mapping[str, Any] = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            found = re.search(r"\(at line (\d+)", str(error))
            line = int(found.group(1)) if found else text.count("\n") + 1
            reason = re.sub(r"\s*\(at .*\)$", "", str(error))
            raise InputError(
                f"{path}:{line}: this is not valid TOML: {reason}.", path=path, line=line
            ) from error
        self._lines = key_lines(text)

    @classmethod
    def read(cls, path: Path) -> TomlSource:
        """Read a file from disk.

        Raises
        ------
        InputError
            If it is missing, not readable, not UTF-8, too large, or not TOML.
        """
        return cls(path, read_text(path, "a campaign file"))

    def line(self, path: KeyPath) -> int:
        """Return the line of a key, or of the nearest table around it; 1 for the file itself."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._lines:
                return self._lines[path[:end]]
        return 1

    def root(self, keys: Collection[str]) -> TomlTable:
        """Return the whole file as a table that may hold only `keys`."""
        return TomlTable(self, (), self.values, keys)


class TomlTable:
    """One table of a `TomlSource`; unknown keys are refused when it is opened.

    Parameters
    ----------
    source : TomlSource
        The file it is in.
    path : KeyPath
        Where it is in the file.
    values : Mapping[str, Any]
        Its contents.
    keys : Collection[str]
        Keys it may hold.
    """

    def __init__(
        self, source: TomlSource, path: KeyPath, values: Mapping[str, Any], keys: Collection[str]
    ) -> None:
        self.source, self.path, self.values = source, path, values
        for key in values:
            if key not in keys:
                self.fail(key, f"{key} is not a known key{_suggestion(key, keys)}")

    @property
    def title(self) -> str:
        """How the table is written in the file, e.g. ``[sampler]``; empty for the file itself."""
        names = [str(part) for part in self.path if isinstance(part, str)]
        if not names:
            return ""
        return f"[{'.'.join(names)}] "

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def fail(self, key: str | None, message: str) -> NoReturn:
        """Raise an `InputError` that starts with file and line.

        Parameters
        ----------
        key : str or None
            Key whose line is named; None for the table's own.
        message : str
            What is wrong and what to write instead, without the final stop.
        """
        line = self.source.line(self.path if key is None else (*self.path, key))
        stop = "" if message.endswith("?") else "."
        raise InputError(
            f"{self.source.path}:{line}: {self.title}{message}{stop}",
            path=self.source.path,
            line=line,
            key=key,
        )

    def _get(self, key: str, default: Any, example: str) -> Any:
        if key in self.values:
            return self.values[key]
        if default is None:
            self.fail(None, f"{key} is missing: write for example {key} = {example}")
        return default

    def text(self, key: str, *, example: str, default: str | None = None) -> str:
        """Return a text."""
        value = self._get(key, default, f'"{example}"')
        if not isinstance(value, str):
            self.fail(key, f'{key} must be a text in quotes: write for example {key} = "{example}"')
        return value

    def boolean(self, key: str, *, default: bool) -> bool:
        """Return a truth value."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            self.fail(key, f"{key} must be true or false, without quotes")
        return value

    def integer(self, key: str, *, low: int, high: int, default: int | None = None) -> int:
        """Return an integer within ``low`` to ``high``, both included."""
        value = self._get(key, default, str(low))
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(key, f"{key} must be a whole number, not {_shown(value)}")
        if not low <= value <= high:
            self.fail(key, f"{key} = {value} is out of range: write {low} to {high}")
        return value

    def number(self, key: str, *, default: float | None = None, example: str = "1.0") -> float:
        """Return a finite number."""
        value = self._get(key, default, example)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(key, f"{key} must be a number, not {_shown(value)}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.fail(key, f"{key} must be a finite number, not {_shown(value)}")
        return number

    def positive(self, key: str, *, default: float | None = None, example: str = "1.0") -> float:
        """Return a finite number greater than zero."""
        value = self.number(key, default=default, example=example)
        if value <= 0:
            self.fail(key, f"{key} = {value:g} is out of range: write a number greater than 0")
        return value

    def texts(self, key: str, *, example: str) -> list[str]:
        """Return a list of texts, not empty."""
        value = self._get(key, None, example)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(item, str) for item in value)
        ):
            self.fail(key, f"{key} must be a list of texts: write for example {key} = {example}")
        return value

    def table(self, key: str, keys: Collection[str], *, example: str) -> TomlTable:
        """Return a table inside this one, written either way TOML allows."""
        if key not in self.values:
            self.fail(None, f"{key} is missing: write {example}")
        value = self.values[key]
        if not isinstance(value, dict):
            self.fail(key, f"{key} must be a table: write {example}")
        return TomlTable(self.source, (*self.path, key), value, keys)

    def optional_table(self, key: str, keys: Collection[str]) -> TomlTable:
        """Return a table inside this one, empty if the file does not hold it."""
        if key not in self.values:
            return TomlTable(self.source, (*self.path, key), {}, keys)
        return self.table(key, keys, example=f"[{key}]")

    def tables(self, key: str, keys: Collection[str]) -> list[TomlTable]:
        """Return the tables of an array ``[[key]]``; empty if there are none."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.fail(key, f"{key} must be one table each: write [[{key}]] above every one")
        return [
            TomlTable(self.source, (*self.path, key, index), item, keys)
            for index, item in enumerate(value)
        ]


def read_text(path: Path, what: str) -> str:
    """Read a file that a person gave us.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should be, with its article, for the error.

    Raises
    ------
    InputError
        If it is missing, not a readable file, too large, or not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path} cannot be read as {what}: {reason}.", path=path) from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES} bytes: not {what}.", path=path)
    try:
        # Some editors begin a file with a byte order mark, which is no part of the text.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}:{line}: this is not UTF-8 text: save the file as UTF-8.", path=path, line=line
        ) from error


def _suggestion(key: str, keys: Collection[str]) -> str:
    near = difflib.get_close_matches(key.lower(), list(keys), n=1, cutoff=0.6)
    if near:
        return f": did you mean {near[0]}?"
    return f": the keys here are {', '.join(sorted(keys))}"


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
