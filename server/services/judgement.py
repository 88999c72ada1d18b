"""How far a product is, in the words of its application: read from its summary, not judged.

An application judges its product once, when it writes the report. Here nothing is compared with a
limit, because a second judgement could contradict the first. Whatever a summary does not say of a
product does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boinc_project.report import Report, Word, one_line, read_report

DONE, UNMET, UNFINISHED = "done", "criteria not met", "not done yet"
"""The phrases for a product whose application has no words of its own for it."""
UNJUDGED = "no report"
"""The phrase for a product without a report."""
NO_REPORT = (
    "This product was made before products had reports: its numbers are in its file summary.json."
)
RULE_MET = "It met its stop rule, which was all that was asked of it."
EXTENDED = "More units have joined the campaign since."


@dataclass(frozen=True, slots=True)
class Judgement:
    """How far a product is.

    Attributes
    ----------
    met : bool
        Whether it is all that the campaign wanted.
    phrase : str
        ``sampled, described, not informative``, or ``criteria not met``.
    shortfall : str
        The first thing that keeps it from that: ``not informative``; empty if nothing does.
    words : tuple of Word
        The application's words; empty if it has none.
    left : tuple of str
        Sentences about what is missing that the report does not say itself.
    """

    met: bool
    phrase: str
    shortfall: str = ""
    words: tuple[Word, ...] = ()
    left: tuple[str, ...] = ()


def judgement(summary: Mapping[str, Any], *, meets_rule: bool = True) -> Judgement:
    """Return how far a product is.

    Parameters
    ----------
    summary : Mapping[str, Any]
        The parsed summary.json.
    meets_rule : bool
        Whether the campaign may end on it, by its row: False for a product of a campaign that was
        extended since.
    """
    missing = _missing(summary)
    report = read_report(summary)
    if report is None:
        return Judgement(False, UNJUDGED, left=missing or ((RULE_MET,) if meets_rule else ()))
    was_met = summary.get("converged") is True and report.met
    said = (report.outcome, *(entry.sentence for entry in report.criteria))
    left = tuple(line for line in missing if not any(line in text for text in said))
    if was_met and not meets_rule:
        # The words were said of fewer units, and are not repeated of the campaign that it is now.
        return Judgement(False, UNFINISHED, UNFINISHED, left=(*left, EXTENDED))
    shortfall = "" if was_met else _shortfall(report)
    return Judgement(was_met, _phrase(report) or shortfall or DONE, shortfall, report.words, left)


def _phrase(report: Report) -> str:
    """Return all words in one phrase; empty if there are none."""
    return ", ".join(word.name if word.holds else f"not {word.name}" for word in report.words)


def _shortfall(report: Report) -> str:
    lacking = next((f"not {word.name}" for word in report.words if not word.holds), "")
    return lacking or (UNFINISHED if report.met else UNMET)


def _missing(summary: Mapping[str, Any]) -> tuple[str, ...]:
    stored = summary.get("missing")
    return tuple(one_line(str(line)) for line in stored) if isinstance(stored, list) else ()
