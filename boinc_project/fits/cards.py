"""Headers: 80-character cards, kept as they were read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from boinc_project.errors import FitsError

BLOCK = 2880
"""Bytes of a FITS block."""
CARD = 80
"""Characters of a card."""
COMMENTARY = frozenset({"COMMENT", "HISTORY", ""})

Value = bool | int | float | str

_KEYWORD = re.compile(r"[A-Z0-9_-]{0,8} *")
_TEXT = re.compile(r" *'((?:[^']|'')*)' *(?:/ ?(.*))?")
_OTHER = re.compile(r" *([^/]*?) *(?:/ ?(.*))?")
_INTEGER = re.compile(r"[+-]?\d{1,30}")
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([ED][+-]?\d{1,4})?")


@dataclass(frozen=True, slots=True)
class Card:
    """One line of a header.

    Attributes
    ----------
    keyword : str
        Up to eight characters; empty, ``COMMENT`` and ``HISTORY`` have no value.
    value : bool | int | float | str | None
        None if there is none, or none of these kinds.
    comment : str
        What stands behind the slash.
    text : str
        The 80 characters.
    """

    keyword: str
    value: Value | None
    comment: str
    text: str


class Header:
    """The cards of a header, in order, without ``END``."""

    def __init__(self, cards: Iterable[Card] = ()) -> None:
        self.cards = list(cards)
        self._values: dict[str, Value] = {}
        for one in self.cards:
            if one.keyword not in COMMENTARY and one.value is not None:
                self._values.setdefault(one.keyword, one.value)

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> Header:
        """Make a header of card texts, up to 80 characters each.

        Raises
        ------
        FitsError
            If one is not a card.
        """
        return cls(parse_card(text) for text in texts)

    def __iter__(self) -> Iterator[Card]:
        return iter(self.cards)

    def __len__(self) -> int:
        return len(self.cards)

    def __contains__(self, keyword: object) -> bool:
        return keyword in self._values

    def get(self, keyword: str) -> Value | None:
        """Return a keyword's first value, or None."""
        return self._values.get(keyword)

    def text(self, keyword: str, default: str = "") -> str:
        """Return a text, without blanks at its end.

        Raises
        ------
        FitsError
            If the value is of another kind.
        """
        value = self._values.get(keyword, default)
        if not isinstance(value, str):
            raise FitsError(f"{keyword} is {value!r} where a text belongs.")
        return value.rstrip()

    def number(self, keyword: str, default: float | None = None) -> float:
        """Return a number.

        Raises
        ------
        FitsError
            If it is missing and has no default, or is not a number.
        """
        value = self._values.get(keyword, default)
        if value is None:
            raise FitsError(f"{keyword} is missing.")
        if isinstance(value, bool | str):
            raise FitsError(f"{keyword} is {value!r} where a number belongs.")
        return float(value)

    def count(self, keyword: str, default: int | None = None, *, most: int = 2**40) -> int:
        """Return an integer from 0 to `most`.

        Raises
        ------
        FitsError
            If it is missing and has no default, no integer, or out of bounds.
        """
        value = self._values.get(keyword, default)
        if value is None:
            raise FitsError(f"{keyword} is missing.")
        if type(value) is not int or not 0 <= value <= most:
            raise FitsError(f"{keyword} is {value!r}; a number from 0 to {most} belongs there.")
        return value

    def without(self, keywords: Iterable[str]) -> Header:
        """Return the header without some keywords."""
        left_out = frozenset(keywords)
        return Header(card for card in self.cards if card.keyword not in left_out)

    def to_bytes(self) -> bytes:
        """Return the header with ``END``, padded to whole blocks."""
        data = "".join(card.text for card in self.cards) + "END".ljust(CARD)
        return data.ljust(-(-len(data) // BLOCK) * BLOCK).encode("ascii")


def card(keyword: str, value: Value | None = None, comment: str = "") -> Card:
    """Return a new card in fixed format.

    Numbers are written so that they are read back exactly. Texts longer than 68 characters do not
    fit on a card.

    Raises
    ------
    FitsError
        If the keyword or the value cannot be written.
    """
    if not re.fullmatch(r"[A-Z0-9_-]{0,8}", keyword):
        raise FitsError(f"{keyword!r} is not a FITS keyword.")
    if keyword in COMMENTARY:
        text = keyword.ljust(8) + str(value or "")
        if len(text) > CARD or not (text.isascii() and text.isprintable()):
            raise FitsError(f"The comment {value!r} does not fit on a card.")
        return Card(keyword, None, "", text.ljust(CARD))
    text = f"{keyword:8}= {_written(keyword, value)}"
    if len(text) > CARD:
        raise FitsError(f"The value of {keyword} does not fit on a card.")
    if comment and len(text) + 4 < CARD:
        text = f"{text} / {comment}"[:CARD]
    if not (text.isascii() and text.isprintable()):
        raise FitsError(f"The card {keyword} has a character that FITS does not know.")
    return Card(keyword, value, comment, text.ljust(CARD))


def parse_card(text: str) -> Card:
    """Read a card.

    Raises
    ------
    FitsError
        If it is longer than 80 characters, has others than printable ASCII, or no keyword.
    """
    text = text.ljust(CARD)
    if len(text) != CARD or not (text.isascii() and text.isprintable()):
        raise FitsError(f"A header has a line that is not a card: {text[:CARD]!r}.")
    keyword = text[:8].rstrip()
    if not _KEYWORD.fullmatch(text[:8]):
        raise FitsError(f"A header has a line that is not a card: {text.rstrip()!r}.")
    if keyword in COMMENTARY or text[8:10] != "= ":
        return Card(keyword, None, text[8:].rstrip(), text)
    body = text[10:]
    found = _TEXT.fullmatch(body)
    if found:
        return Card(keyword, found[1].replace("''", "'").rstrip(), found[2] or "", text)
    found = _OTHER.fullmatch(body)
    value = _parsed(found[1]) if found else None
    return Card(keyword, value, (found[2] or "").rstrip() if found else "", text)


def _written(keyword: str, value: Value | None) -> str:
    if isinstance(value, bool):
        return f"{'T' if value else 'F':>20}"
    if isinstance(value, int):
        return f"{value:>20}"
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise FitsError(f"{keyword} is {value}, which a header cannot express.")
        text = repr(value).upper()
        return f"{text if '.' in text or 'E' in text else text + '.0':>20}"
    if isinstance(value, str):
        quoted = value.replace("'", "''")
        return f"'{quoted:8}'"
    raise FitsError(f"{keyword} has no value.")


def _parsed(word: str) -> Value | None:
    if word in ("T", "F"):
        return word == "T"
    if _INTEGER.fullmatch(word):
        return int(word)
    if _REAL.fullmatch(word):
        return float(word.replace("D", "E"))
    return None
