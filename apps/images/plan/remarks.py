"""Remarks about the images of a campaign: one line for all images that share a sentence."""

from __future__ import annotations

from collections.abc import Iterable

_MOST_NAMES = 3


class Remarks:
    """Sentences, and the names of the images that each of them is about, in the order of arrival.

    Parameters
    ----------
    lines : Iterable[str]
        Remarks that are complete already.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._names: dict[str, list[str]] = {line: [] for line in lines}

    def add(self, sentence: str, *names: str) -> None:
        """Add a sentence, about images of these names or about all."""
        known = self._names.setdefault(sentence, [])
        known += [name for name in names if name not in known]

    def lines(self) -> list[str]:
        """Return one line for each sentence."""
        return [
            f"{some(names)}: {sentence}" if names else sentence
            for sentence, names in self._names.items()
        ]


def some(names: Iterable[str]) -> str:
    """Return the first few of some names, and how many more there are."""
    listed = list(names)
    if len(listed) <= _MOST_NAMES:
        return ", ".join(listed)
    return f"{', '.join(listed[:_MOST_NAMES])} and {len(listed) - _MOST_NAMES} more"
