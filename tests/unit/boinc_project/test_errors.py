"""Errors carry their data, and say something by default."""

from __future__ import annotations

import pytest

from boinc_project import errors


def _tree(root: type[Exception]) -> list[type[Exception]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]


@pytest.mark.parametrize("kind", _tree(errors.OpenAstroError), ids=lambda kind: kind.__name__)
def test_docstring_is_the_default_message(kind: type[errors.OpenAstroError]) -> None:
    assert str(kind()) == " ".join((kind.__doc__ or "").split())
    assert str(kind()).endswith(".")


def test_data_reads_as_attributes() -> None:
    error = errors.InputError("table.csv, line 3: sigma is negative.", path="table.csv", line=3)
    assert (error.line, error.path) == (3, "table.csv")
    assert str(error) == "table.csv, line 3: sigma is negative."
    with pytest.raises(AttributeError, match="column"):
        _ = error.column


def test_every_error_is_drawn_in_the_tree() -> None:
    for kind in _tree(errors.OpenAstroError):
        if kind.__module__ == errors.__name__:
            assert kind.__name__ in (errors.__doc__ or "")
