"""The report of a posterior: all that people are shown of it, made of its summary's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from boinc_project.report import Cell, Criterion, Fact, Measured, Picture, Report, Table, Word

HEADLINES = ("mass", "period", "eccentricity")
"""Quantities of a planet that the short table shows, in this order."""
_MEANINGS = {
    "sampled": (
        "The numbers are those of the posterior.",
        "It is not shown that the numbers are those of the posterior: they may still change by "
        "more than their errors say. Do not use these numbers as a posterior.",
    ),
    "described": (
        "The model describes the data.",
        "It is not shown that the model describes the data.",
    ),
    "informative": (
        "The data say more than the prior.",
        "It is not shown that the data say more than the prior.",
    ),
}
"""The words of a verdict, in the order in which they are shown: if they hold, and if not."""
_PARAMETERS = (
    "Parameters: medians with the distances to the 16th and 84th percentiles. Published values are "
    "shown for comparison; the computation does not see them."
)
_DERIVED = "Derived quantities"
_DIAGNOSTICS = (("R-hat", "rhat"), ("Bulk ESS", "ess_bulk"), ("Tail ESS", "ess_tail"))
OC = Picture(
    "oc.png", "Observed minus calculated transit times, with the posterior's 68 % and 95 % bands"
)
CORNER = Picture("corner.png", "Marginal distributions of the parameters, one and two at a time")
_PICTURES = (
    OC,
    CORNER,
    Picture("modes.png", "The modes that were found, and how much of the posterior each holds"),
    Picture("rank.png", "Rank histograms of the sub-chains: flat where they agree"),
)


def chains_report(summary: Mapping[str, Any], size: str) -> Report:
    """Return the report of merged chains.

    Pictures that were not drawn are named, too: who shows a report leaves them out.

    Parameters
    ----------
    summary : Mapping[str, Any]
        Its summary; see ``docs/scientist/products.md``.
    size : str
        How much is in it.
    """
    evidence = summary["evidence"]
    facts = [] if evidence is None else [log_evidence(evidence)]
    tables = [parameter_table(summary, derived=derived) for derived in (False, True)]
    return posterior_report(summary, size, facts=facts, tables=tables, pictures=_PICTURES)


def posterior_report(
    summary: Mapping[str, Any],
    size: str,
    *,
    facts: Sequence[Fact],
    tables: Sequence[Table],
    pictures: Sequence[Picture],
) -> Report:
    """Return the report of a posterior with a verdict."""
    verdict = summary["verdict"]
    return Report(
        outcome=verdict["sentence"],
        size=size,
        criteria=tuple(_criterion(row) for row in verdict["rows"]),
        facts=tuple(facts),
        tables=tuple(table for table in tables if table.rows),
        pictures=tuple(pictures) if summary["n_draw"] else (),
        words=tuple(
            Word(word, verdict[word], meanings[0] if verdict[word] else meanings[1])
            for word, meanings in _MEANINGS.items()
        ),
    )


def log_evidence(estimate: Mapping[str, float | None]) -> Fact:
    """Return the evidence with its error."""
    return Fact("Log evidence", estimate["value"], error=estimate["mcse"])


def parameter_table(summary: Mapping[str, Any], *, derived: bool) -> Table:
    """Return the table of the free parameters, or of the derived quantities."""
    entries = [entry for entry in summary["parameters"] if entry["derived"] is derived]
    shown = [
        (name, key) for name, key in _DIAGNOSTICS
        if any(entry[key] is not None for entry in entries)
    ]  # fmt: skip
    return Table(
        caption=_DERIVED if derived else _PARAMETERS,
        columns=("Quantity", "Ours", "Unit", "Published", *(name for name, _ in shown)),
        rows=tuple(_parameter(entry, [key for _, key in shown]) for entry in entries),
        headlines=_headlines([entry["name"] for entry in entries]),
    )


def _parameter(entry: Mapping[str, Any], diagnostics: Sequence[str]) -> tuple[Cell, ...]:
    median, low, high = (entry[key]["value"] for key in ("median", "q16", "q84"))
    return (
        f"{entry['label']} ({entry['name']})",
        Measured(median, _distance(high, median), _distance(median, low)),
        entry["unit"],
        tuple(
            Measured(value["value"], value["plus"], value["minus"], value["source"])
            for value in entry["published"]
        )
        or None,
        *(entry[key] for key in diagnostics),
    )


def _headlines(names: Sequence[str]) -> tuple[int, ...]:
    """Return the places of masses, then periods, then eccentricities; planets by name."""
    kinds = [name.rpartition(".")[2] for name in names]
    places = [place for place, kind in enumerate(kinds) if kind in HEADLINES]
    return tuple(sorted(places, key=lambda place: (HEADLINES.index(kinds[place]), names[place])))


def _criterion(row: Mapping[str, Any]) -> Criterion:
    return Criterion(
        name=row["title"],
        met=row["met"],
        value=row["value"],
        wanted=row["limit"],
        relation=row["relation"] or "",
        sentence=row["text"],
        group=row["word"],
        counts=row.get("counts", True),
    )


def _distance(upper: float | None, lower: float | None) -> float | None:
    return None if upper is None or lower is None else upper - lower
