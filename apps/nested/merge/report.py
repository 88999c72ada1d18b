"""The report of nested runs: that of a posterior, with evidence and modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.ttv.merge.report import CORNER, OC, log_evidence, parameter_table, posterior_report
from boinc_project.report import Fact, Measured, Picture, Report, Table

_RUN = Picture("run.png", "The nested runs: likelihood, weight and evidence by the prior's volume")


def nested_report(summary: Mapping[str, Any], size: str) -> Report:
    """Return the report of merged nested runs.

    Parameters
    ----------
    summary : Mapping[str, Any]
        Its summary; see ``docs/scientist/products.md``.
    size : str
        How much is in it.
    """
    tables = [parameter_table(summary, derived=derived) for derived in (False, True)]
    return posterior_report(
        summary,
        size,
        facts=_facts(summary["evidence"]),
        tables=[_mode_table(summary["modes"]), *tables],
        pictures=(OC, CORNER, _RUN),
    )


def _facts(evidence: Mapping[str, Any] | None) -> list[Fact]:
    if evidence is None:
        return []
    return [
        log_evidence(evidence["logz"]),
        Fact("Information", evidence["information"], "nats"),
        Fact("Effective draws", evidence["ess"]),
    ]


def _mode_table(modes: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        caption="Modes, with their parts of the evidence",
        columns=("Mode", "Part, %", "Log evidence", "Best log-likelihood"),
        rows=tuple(
            (
                place,
                _measured(mode["share"], 100.0),
                _measured(mode["logz"]),
                mode["log_likelihood_max"],
            )
            for place, mode in enumerate(modes, 1)
        ),
    )


def _measured(estimate: Mapping[str, float | None], factor: float = 1.0) -> Measured:
    value, error = (
        None if number is None else factor * number
        for number in (estimate["value"], estimate["mcse"])
    )
    return Measured(value, error, error)
