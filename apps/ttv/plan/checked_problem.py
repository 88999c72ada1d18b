"""Contradictions of a campaign file and its table, refused at the line to change.

Priors that end at a bound, and a t0 that is moved into the time that is integrated, are told,
because they are not used as the file states them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.plan.first_transits import middle, move_of, moved
from apps.ttv.plan.priors import PARAMETERS, remark_on_cut
from apps.ttv.plan.problem_checks import (
    TABLE,
    Contradiction,
    contradictions,
    remarks,
    try_model,
)
from boinc_project.toml_source import TomlTable


def refuse_contradictions(root: TomlTable, planets: Sequence[str], posterior: Posterior) -> None:
    """Refuse a campaign whose table, priors and engine contradict each other.

    Parameters
    ----------
    root : TomlTable
        The whole campaign file.
    planets : Sequence[str]
        Names of the planets, in the order of the file.
    posterior : Posterior
        Priors as the file states them, and the table.

    Raises
    ------
    InputError
        For the first contradiction, at the line that is to be changed.
    """
    for contradiction in contradictions(posterior.problem, posterior.table):
        _refuse(root, planets, contradiction)


def move_t0(
    root: TomlTable,
    planets: Sequence[str],
    parameters: list[dict[str, Any]],
    posterior: Posterior,
) -> dict[str, float]:
    """Move each t0 that lies outside of what is integrated.

    Parameters
    ----------
    root, planets, posterior
        As of `refuse_contradictions`.
    parameters : list[dict[str, Any]]
        Of the settings; those that are moved are replaced.

    Returns
    -------
    dict[str, float]
        By how many days which parameter was moved.

    Raises
    ------
    InputError
        If it is too far from the table to tell which transit it is.
    """
    model, moves = posterior.problem.model, {}
    for place, stated in enumerate(parameters):
        planet, _, key = stated["name"].partition(".")
        transits = posterior.table.of(planet)
        if key != "t0" or transits is None:
            continue
        move = move_of(transits, middle(stated), model.epoch, model.end)
        if move is None:
            continue
        if not move.is_sure:
            sentence = (
                f"t0 of {planet} lies {abs(move.periods)} periods from the table's transits, which "
                f"is {move.error:.2g} days uncertain: write a transit of the table, such as "
                f"{transits.times[0]:.4f}"
            )
            _refuse(root, planets, Contradiction(sentence, planet, "t0"))
        parameters[place] = moved(stated, move.days)
        moves[stated["name"]] = move.days
    return moves


def remarks_on(
    root: TomlTable, planets: Sequence[str], settings: Mapping[str, Any], posterior: Posterior
) -> list[str]:
    """Return what a person should know of how the file is used.

    Parameters
    ----------
    root, planets
        As of `refuse_contradictions`.
    settings : Mapping[str, Any]
        With ``parameters`` and ``t0_moved``.
    posterior : Posterior
        Of these settings.

    Raises
    ------
    InputError
        If no point where a search would begin has a model.
    """
    told = [
        *_remarks_on_priors(settings),
        *remarks(posterior.problem, posterior.table),
    ]
    tried = try_model(posterior.problem, posterior.table)
    if isinstance(tried, Contradiction):
        _refuse(root, planets, tried)
    return told if tried is None else [*told, tried]


def _refuse(root: TomlTable, planets: Sequence[str], reason: Contradiction) -> NoReturn:
    # Keys were checked when the file was read.
    if reason.key == TABLE:
        root.table("data", root.values["data"], example="").fail(TABLE, reason.sentence)
    if reason.planet is None:
        model = root.values.get("model", {})
        root.optional_table("model", model).fail(reason.key, reason.sentence)
    table = root.tables("planets", ("name", "observed", *PARAMETERS))[planets.index(reason.planet)]
    table.fail(reason.key, reason.sentence)


def _remarks_on_priors(settings: Mapping[str, Any]) -> Iterator[str]:
    """Say which priors are not used as the file states them."""
    for stated in settings["parameters"]:
        name, prior = stated["name"], stated.get("prior")
        cut = None if prior is None else remark_on_cut(name, prior)
        if cut is not None:
            yield cut
        if name in settings["t0_moved"]:
            days = settings["t0_moved"][name]
            yield (
                f"t0 of {name.partition('.')[0]} lies outside of the time that is integrated: the "
                f"transit {abs(days):.4f} days {'later' if days > 0 else 'earlier'} is used, with "
                f"the same prior around {middle(stated):.4f}."
            )
