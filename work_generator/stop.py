"""Whether a campaign needs another generation of units: a pure decision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from boinc_project.campaign import Progress, StopRule


class StopReason(StrEnum):
    """Why a campaign is complete."""

    SAMPLED = "sampled"
    """The posterior is sampled: its numbers are the posterior's, by the product's verdict."""
    BUDGET = "budget"
    """``max_units`` units are done; the product says what is not met."""
    FAILED = "failed"
    """No unit of any generation gave draws to go on from, or anything to merge."""
    DONE = "done"
    """All units are done, and that is the rule."""


@dataclass(frozen=True, slots=True)
class TopUp:
    """Issue another generation.

    Attributes
    ----------
    generation : int
        Its number.
    n_unit : int
        Its size.
    """

    generation: int
    n_unit: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Units are still open: their outputs are the next generation's starting points."""

    open_units: int


@dataclass(frozen=True, slots=True)
class Complete:
    """Nothing more is needed.

    Attributes
    ----------
    reason : StopReason
        Why.
    text : str
        The same as a sentence for people.
    """

    reason: StopReason
    text: str


Decision = TopUp | Wait | Complete


def generation_sizes(
    rule: StopRule, units_per_generation: int, n_generation: int
) -> tuple[int, ...]:
    """Return how many units each of the first generations has; the last may be cut short."""
    return tuple(
        max(0, min(units_per_generation, rule.max_units - generation * units_per_generation))
        for generation in range(n_generation)
    )


def decide(progress: Progress, rule: StopRule, units_per_generation: int) -> Decision:
    """Decide what a campaign needs.

    Parameters
    ----------
    progress : Progress
        What has been issued and merged so far.
    rule : StopRule
        Fixed in the campaign file before the start.
    units_per_generation : int
        Units issued at once; the last generation may be smaller, to end at ``rule.max_units``.

    Notes
    -----
    A sampled posterior ends the campaign at once, even while units are open: donated time is not
    spent on what is known. Only *sampled* counts, because no further unit changes whether the model
    describes the data, or whether these say more than the prior. Otherwise a generation is decided
    only after every unit of the one before has its verdict, so that its starting points come from
    all of them.
    """
    issued = sum(progress.issued)
    if rule.all_units:
        return _decide_all(progress, rule, units_per_generation)
    if progress.sampled:
        return Complete(
            StopReason.SAMPLED,
            f"The posterior is sampled: {rule_text(rule)}, and nothing else speaks against it. "
            "Whether the model describes the data is another word of the product's verdict.",
        )
    if progress.open_units:
        return Wait(progress.open_units)
    if issued and progress.draws is None:
        return Complete(
            StopReason.FAILED, f"None of the {issued} units issued gave draws to go on from."
        )
    if issued >= rule.max_units:
        return Complete(
            StopReason.BUDGET,
            f"All {issued} units allowed are done and the posterior is not sampled (wanted: "
            f"{rule_text(rule)}, and nothing that speaks against it): see the product's verdict "
            "for what is not met and whether more units would help.",
        )
    return _next(progress, rule, units_per_generation)


def _decide_all(progress: Progress, rule: StopRule, units_per_generation: int) -> Decision:
    """Decide for a campaign whose units are all wanted: a fixed number of images, for example."""
    issued = sum(progress.issued)
    if progress.open_units:
        return Wait(progress.open_units)
    if issued < rule.max_units:
        return _next(progress, rule, units_per_generation)
    if not progress.merged:
        return Complete(StopReason.FAILED, f"None of the {issued} units gave anything to merge.")
    if progress.sampled:
        words = "The unit is" if issued == 1 else f"All {issued} units are"
        return Complete(StopReason.DONE, f"{words} done and merged.")
    return Complete(
        StopReason.BUDGET,
        f"All {issued} units are done, and {progress.merged} of them are merged: see the product "
        "for what is missing.",
    )


def _next(progress: Progress, rule: StopRule, units_per_generation: int) -> TopUp:
    generation = len(progress.issued)
    size = generation_sizes(rule, units_per_generation, generation + 1)[-1]
    return TopUp(generation, size)


def rule_text(rule: StopRule) -> str:
    """Return a stop rule in words, without a full stop."""
    if rule.all_units:
        return "the only unit" if rule.max_units == 1 else f"all {rule.max_units} units"
    if rule.logz_error is not None:
        size = "" if rule.ess is None else f", ESS at least {rule.ess:g}"
        return f"error of log Z at most {rule.logz_error:g}{size}"
    return (
        f"R-hat at most {rule.rhat:g}, bulk ESS at least {rule.ess_bulk:g}, "
        f"tail ESS at least {rule.ess_tail:g}"
    )
