"""Rows of the pilot: whether the population that the chains begin at is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.ttv.merge.verdict.row import Relation, Row, Word

MIN_EFFECTIVE = 100.0
"""Effective draws (Kish) of the pilot's proposal: with 100 what they weigh is known to 10 %, and
fewer say that the proposal misses the posterior. The planner trusts a weight from the same on."""


def pilot_rows(settings: Mapping[str, Any]) -> tuple[Row, Row]:
    """Return the rows of the pilot's effective draws and of whether its populations settled.

    Parameters
    ----------
    settings : Mapping
        Of a prepared campaign; ``pilot`` has ``effective``, ``n_call`` and ``settled``.
    """
    pilot = settings.get("pilot", {})
    return _effective(pilot), _settled(pilot)


def _effective(pilot: Mapping[str, Any]) -> Row:
    value = pilot.get("effective")
    if value is None:
        text = "The pilot did not measure what its draws are worth: prepare the campaign again."
    else:
        text = f"{pilot.get('n_call', 0)} draws of the pilot are worth {value:.0f} of the posterior"
        text += (
            "."
            if value >= MIN_EFFECTIVE
            else f", and {MIN_EFFECTIVE:g} are the least: the proposals hardly fit the posterior. "
            "Narrower priors help, or more starts; nested sampling needs no pilot."
        )
    return Row(
        "pilot",
        Word.SAMPLED,
        "Effective draws of the pilot",
        value,
        MIN_EFFECTIVE,
        Relation.AT_LEAST,
        text,
    )


def _settled(pilot: Mapping[str, Any]) -> Row:
    settled = pilot.get("settled")
    text = "The pilot's population and its importance draws know the same posterior."
    if settled is None:
        text = "Whether the pilot's population settled is not known: prepare the campaign again."
    elif not settled:
        text = (
            "The pilot's population and its importance draws disagree about the evidence: prepare "
            "the campaign again with another seed, or with narrower priors."
        )
    return Row(
        "pilot_settled",
        Word.SAMPLED,
        "The pilot's population settled",
        None if settled is None else float(bool(settled)),
        1.0,
        Relation.AT_LEAST,
        text,
    )
