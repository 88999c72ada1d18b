"""The verdict of a posterior as terminal, pages and API show it: read from its summary, not judged.

The assimilator judges. It writes ``summary["verdict"]``: three words with yes or no, and the rows
that they rest on. Here nothing is compared with a limit, because a second judgement could
contradict the first. A field that is not of the documented form reads as *not met*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.services.summary_fields import entries, optional

if TYPE_CHECKING:
    pass

MEANINGS = {
    "sampled": "the numbers are those of the posterior",
    "described": "the model describes the data",
    "informative": "the data say more than the prior",
}
"""The three words of a verdict, in the order in which they are shown."""

NO_VERDICT = (
    "This product was made before verdicts existed: whether it is sampled, whether the model "
    "describes the data, and whether they say more than the prior was not judged."
)
OLD_RULE_MET = "It met its stop rule, which was all that was asked of it."
UNREADABLE = "The verdict of this product cannot be read."


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One check of a product.

    Attributes
    ----------
    key, title : str
        ``rhat``; ``Chains against each other``.
    word : str
        Which of `MEANINGS` it belongs to.
    value, limit : float or None
        The number and its limit; None if it could not be had, or there is none.
    relation : str
        ``at most`` or ``at least``; empty if there is no limit.
    met : bool
        The assimilator's word.
    text : str
        One sentence for people.
    """

    key: str
    word: str
    title: str
    value: float | None
    limit: float | None
    relation: str
    met: bool
    text: str


@dataclass(frozen=True, slots=True)
class VerdictView:
    """Three words and the rows that they rest on; those that are not met come first."""

    sampled: bool
    described: bool
    informative: bool
    sentence: str
    rows: tuple[VerdictRow, ...] = ()

    @property
    def words(self) -> dict[str, bool]:
        """The three words of `MEANINGS`, and whether each holds."""
        return {
            "sampled": self.sampled,
            "described": self.described,
            "informative": self.informative,
        }

    @property
    def holds(self) -> bool:
        """Whether all three words hold."""
        return all(self.words.values())

    @property
    def phrase(self) -> str:
        """The three words in one phrase: ``sampled, described, not informative``."""
        return ", ".join(word if holds else f"not {word}" for word, holds in self.words.items())

    @property
    def shortfall(self) -> str:
        """The first word that does not hold: ``not sampled``; empty if all three do."""
        return next((f"not {word}" for word, holds in self.words.items() if not holds), "")

    @property
    def unmet(self) -> tuple[VerdictRow, ...]:
        """The rows that are not met."""
        return tuple(row for row in self.rows if not row.met)

    @property
    def met(self) -> tuple[VerdictRow, ...]:
        """The rows that are met."""
        return tuple(row for row in self.rows if row.met)


def read_verdict(holder: Mapping[str, Any]) -> VerdictView | None:
    """Read a product's verdict.

    Parameters
    ----------
    holder : Mapping[str, Any]
        The parsed summary.json, or an answer of the API: whatever has a ``verdict``.

    Returns
    -------
    VerdictView or None
        None for an image, and for a posterior that was made before verdicts existed.
    """
    stored = holder.get("verdict")
    if stored is None:
        return None
    if not isinstance(stored, Mapping):
        return VerdictView(False, False, False, UNREADABLE)
    rows = [_row(item) for item in entries(stored, "rows")]
    order = {word: place for place, word in enumerate(MEANINGS)}
    # Sorting is stable, so rows of one word stay in the assimilator's order.
    rows.sort(key=lambda row: (row.met, order.get(row.word, len(order))))
    return VerdictView(
        sampled=stored.get("sampled") is True,
        described=stored.get("described") is True,
        informative=stored.get("informative") is True,
        sentence=_text(stored.get("sentence")),
        rows=tuple(rows),
    )


def _row(item: Mapping[str, Any]) -> VerdictRow:
    return VerdictRow(
        key=_text(item.get("key")),
        word=_text(item.get("word")),
        title=_text(item.get("title") or item.get("key")),
        value=optional(item.get("value")),
        limit=optional(item.get("limit")),
        relation=_text(item.get("relation")),
        met=item.get("met") is True,
        text=_text(item.get("text")),
    )


def _text(value: Any) -> str:
    """Return a text in one line; without control characters, because it may go to a terminal."""
    words = value.split() if isinstance(value, str) else []
    return "".join(character for character in " ".join(words) if character.isprintable())
