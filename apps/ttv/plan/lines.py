"""A timing campaign and its preparation, in a few lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.ttv.compute.failures import FailureKind
from apps.ttv.compute.population.importance import TRUSTED_EFFECTIVE
from apps.ttv.compute.search.mode import Mode
from apps.ttv.compute.search.modes import DELTA
from apps.ttv.plan.campaign_file import posterior_of
from apps.ttv.plan.preparation import Prepared, prepared_of
from boinc_project.campaign import Campaign

_REASONS = {
    "artefact": "gone with a step that is fine enough there",
    "above": f"more than {DELTA:g} above the best one's -2 log(posterior)",
    "ridge": "without a barrier to a better one: the two are ends of one ridge",
}
_NO_MODEL = {
    FailureKind.ELEMENTS: "a mass or period is negative, or an orbit is open",
    FailureKind.CLOSE_APPROACH: "planets come too close to each other",
    FailureKind.UNBOUND: "a planet leaves the system",
    FailureKind.ENGINE: "TTVFast reports an error",
    FailureKind.TOO_MANY_TRANSITS: "there are more transits than the engine has room for",
    FailureKind.NON_FINITE: "a transit time is no number",
    FailureKind.MISSING_TRANSIT: "an observed transit is not there",
    FailureKind.NUMBERING: "no transit is near t0",
}


def describe_problem(campaign: Campaign) -> str:
    """Return which planets, transits and parameters a campaign is about, in one line."""
    posterior = posterior_of(campaign.settings, campaign.inputs)
    problem, table = posterior.problem, posterior.table
    planets = [
        planet.name if planet.observed else f"{planet.name} (unseen)"
        for planet in problem.model.planets
    ]
    return (
        f"Planets: {', '.join(planets)}. Transits: {table.n_transit} in "
        f"{(table.last - table.first) / 365.25:.1f} years. Free parameters: {problem.n_dim}."
    )


def remark_lines(settings: Mapping[str, Any]) -> list[str]:
    """Return what a person should know of how file and table were read."""
    return [f"Note: {remark}" for remark in settings.get("remarks", ())]


def preparation(campaign: Campaign) -> list[str]:
    """Say which modes and which step were found, in a few lines for people."""
    prepared = prepared_of(campaign)
    settings = campaign.settings
    lines = [step_line(settings)]
    for mode, stored in zip(prepared.modes, settings["modes"], strict=True):
        lines.append(_mode_line(prepared, mode, stored))
    if len(prepared.modes) > 1:
        lines.append(
            f"These are all modes found within {DELTA:g} of the best one's -2 log(posterior)."
        )
    lines += [*failed_lines(settings), *artefact_lines(settings), *pilot_lines(settings)]
    if not all(prepared.trusted):
        lines.append(
            "Weights marked as not measured are Laplace's approximation: the pilot had too few "
            f"effective draws (less than {TRUSTED_EFFECTIVE:g}) in these modes."
        )
    if prepared.modes[0].n_found == 1:
        n_start = settings["starts"]
        lines.append(
            f"The best mode was found by only one of {n_start} fits, so there may be a better one: "
            f"write starts = {4 * n_start} or so below [model]."
        )
    return lines


def failed_lines(settings: Mapping[str, Any]) -> list[str]:
    """Say how many starts of the search had no model, and why; nothing if all had one."""
    failed = settings.get("starts_failed", {})
    if not failed:
        return []
    reasons = "; ".join(f"{number} because {_NO_MODEL[kind]}" for kind, number in failed.items())
    return [f"No model at {sum(failed.values())} of {settings['starts']} starts: {reasons}."]


def pilot_lines(settings: Mapping[str, Any]) -> list[str]:
    """Say what the preparation's population is worth; nothing if there was none."""
    pilot, evidence = settings.get("pilot"), settings.get("importance")
    if pilot is None:
        return []
    lines = [
        f"{pilot['n_call']} draws of the first proposal are worth {pilot['effective']:.0f} of the "
        "posterior."
    ]
    if "corrections" in pilot:
        lines.append(f"Corrections of ephemerides in the population: {pilot['corrections']}.")
    if evidence is not None:
        error = evidence["error"]
        spread = "of unknown error" if error is None else f"+- {error:.2g}"
        alone = ", ".join(f"{log_z:.2f}" for log_z in pilot["island_log_z"])
        lines.append(
            f"log Z by these draws: {evidence['log_z']:.2f} {spread}; by the population alone: "
            f"{alone}."
        )
    if not pilot["settled"]:
        lines.append(
            "The population and its draws disagree about log Z: prepare with another seed or "
            "narrower priors, because the campaign cannot say *sampled* like this."
        )
    return lines


def step_line(settings: Mapping[str, Any]) -> str:
    """Say which step a prepared campaign takes, and what it is worth."""
    model = settings["model"]
    kick = ", modified kick" if model["modified_kick"] else ""
    if "dt_error" not in settings:
        return f"Step: {model['dt']:g} days{kick}."
    error = settings["dt_error"]
    return (
        f"Step: {model['dt']:g} days{kick}; it moves no transit by more than "
        f"{error['seconds']:.2g} s, {error['sigma']:.2g} of the smallest sigma."
    )


def artefact_lines(settings: Mapping[str, Any]) -> list[str]:
    """Say which candidates for modes were left out and why; nothing if none was."""
    left_out = settings.get("left_out", settings.get("n_artefact", 0))
    # Campaigns of old have the number of artefacts only.
    counts = {"artefact": left_out} if isinstance(left_out, int) else left_out
    return [
        f"Left out: {number} {'candidate' if number == 1 else 'candidates'} for a mode, "
        f"{_REASONS[key]}."
        for key, number in counts.items()
        if number
    ]


def _mode_line(prepared: Prepared, mode: Mode, stored: Mapping[str, Any]) -> str:
    values = dict(zip(prepared.problem.parameter_names, mode.params.tolist(), strict=True))
    masses = [f"{name} {value:.4g}" for name, value in values.items() if name.endswith(".mass")]
    unseen = [p.name for p in prepared.problem.model.planets if not p.observed]
    periods = [
        f"; period of {name} {values[f'{name}.period']:.5g} days"
        for name in unseen
        if f"{name}.period" in values
    ]
    error = stored["weight_error"]
    doubt = "" if stored["trusted"] else " (not measured)"
    spread = f" +- {100 * error:.2g}" if error else ""
    return (
        f"Mode of {100 * stored['weight']:.3g}{spread} % of the posterior{doubt}: "
        f"chi2 {mode.chi2:.1f} for {prepared.table.n_transit} transits, "
        f"{', '.join(masses)} Earth masses{''.join(periods)}; {mode.n_found} fits ended here."
    )
