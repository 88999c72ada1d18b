"""The verdict as values: rows with a number and its limit, and three words that follow from them.

*Sampled*: the numbers are the posterior's. *Described*: the model describes the data.
*Informative*: the data say more than the prior. A word is true if it has rows that count and all of
these are met. A number that cannot be had meets no limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Word(StrEnum):
    """The words of a verdict."""

    SAMPLED = "sampled"
    DESCRIBED = "described"
    INFORMATIVE = "informative"


class Relation(StrEnum):
    """How a number must stand to its limit."""

    AT_MOST = "at most"
    AT_LEAST = "at least"


@dataclass(frozen=True, slots=True)
class Row:
    """One criterion.

    Attributes
    ----------
    key : str
        Its name for programs.
    word : Word
        Of which word.
    title : str
        Its name for people.
    value : float | None
        The number; None or not finite if it cannot be had.
    limit : float
        What it is compared with.
    relation : Relation
        How.
    text : str
        One sentence for people, with the numbers and, if it is not met, what to do.
    counts : bool
        Whether the word needs it; a row that does not count only tells something.
    """

    key: str
    word: Word
    title: str
    value: float | None
    limit: float
    relation: Relation
    text: str
    counts: bool = True

    @property
    def met(self) -> bool:
        """Whether the number is within its limit; False if there is none."""
        return within(self.value, self.relation, self.limit)

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        known = self.value is not None and math.isfinite(self.value)
        return {
            "key": self.key,
            "word": str(self.word),
            "title": self.title,
            "value": self.value if known else None,
            "limit": self.limit if math.isfinite(self.limit) else None,
            "relation": str(self.relation),
            "met": self.met,
            "counts": self.counts,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """All rows, and the words that follow from them.

    Attributes
    ----------
    rows : tuple[Row, ...]
        In the order in which they are shown.
    """

    rows: tuple[Row, ...]

    @property
    def sampled(self) -> bool:
        """Whether the numbers are the posterior's: what ends a campaign."""
        return self._holds(Word.SAMPLED)

    @property
    def described(self) -> bool:
        """Whether the model describes the data."""
        return self._holds(Word.DESCRIBED)

    @property
    def informative(self) -> bool:
        """Whether the data say more than the prior."""
        return self._holds(Word.INFORMATIVE)

    @property
    def converged(self) -> bool:
        """Whether all three words hold."""
        return self.sampled and self.described and self.informative

    @property
    def missing(self) -> tuple[str, ...]:
        """The texts of the rows that count and are not met; empty if nothing is missing."""
        return tuple(row.text for row in self.rows if row.counts and not row.met)

    @property
    def sentence(self) -> str:
        """The three words in one sentence."""
        if not any(row.word is Word.DESCRIBED for row in self.rows):
            return "There is no posterior to judge yet."
        sampled = "is sampled" if self.sampled else "is not sampled yet"
        described = "describes" if self.described else "does not describe"
        informative = "more" if self.informative else "hardly more"
        return (
            f"The posterior {sampled}, the model {described} the data, and the data say "
            f"{informative} than the prior."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values."""
        return {
            "sampled": self.sampled,
            "described": self.described,
            "informative": self.informative,
            "sentence": self.sentence,
            "rows": [row.to_json() for row in self.rows],
        }

    def _holds(self, word: Word) -> bool:
        rows = [row for row in self.rows if row.word is word and row.counts]
        return bool(rows) and all(row.met for row in rows)


def within(value: float | None, relation: Relation, limit: float) -> bool:
    """Return whether a number stands to its limit as it must; False for NaN, infinity and None."""
    if value is None or not math.isfinite(value):
        return False
    return value <= limit if relation is Relation.AT_MOST else value >= limit


def no_output() -> Verdict:
    """Return the verdict on a campaign that has no output yet."""
    return nothing_to_judge("No output has been merged yet.")


def nothing_to_judge(text: str) -> Verdict:
    """Return the verdict on a product without draws; `text` says why it has none."""
    row = Row("merged", Word.SAMPLED, "Merged outputs", 0.0, 1.0, Relation.AT_LEAST, text)
    return Verdict((row,))
