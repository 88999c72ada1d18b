"""The posterior as pages and API show it, read from a product's summary.json: a pure reader.

The form is documented in ``docs/scientist/products.md``. What a summary does not have is shown as
missing, never made up; a summary that is not of that form gives an empty table, not an error page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boinc_project.campaign import Published
from server.services.summary_fields import entries, mapping, number, optional, sentences
from server.services.verdict_view import VerdictView, read_verdict


@dataclass(frozen=True, slots=True)
class ParameterView:
    """One parameter of the posterior, or a quantity derived from parameters.

    Attributes
    ----------
    name, label, unit : str
        ``b.mass``, ``mass of b``, ``Earth masses``.
    derived : bool
        Whether it is computed from the free parameters.
    median, plus, minus : float
        Median and distances to the 84th and the 16th percentile, in `unit`; NaN if not known.
    mcse : float or None
        Monte Carlo standard error of the median, in `unit`.
    rhat, ess_bulk, ess_tail : float or None
        Diagnostics of Vehtari et al. (2021); None if they could not be computed.
    published : tuple[Published, ...]
        Values from the literature.
    """

    name: str
    label: str
    unit: str
    derived: bool
    median: float
    plus: float
    minus: float
    mcse: float | None
    rhat: float | None
    ess_bulk: float | None
    ess_tail: float | None
    published: tuple[Published, ...]


@dataclass(frozen=True, slots=True)
class ModeView:
    """One mode of a nested run, with its part of the evidence, and the best of its points."""

    share: float
    share_error: float | None
    logz: float
    logz_error: float | None
    log_likelihood_max: float | None


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """The evidence, and what else nested runs know beside a posterior.

    Attributes
    ----------
    logz, logz_error : float or None
        Natural logarithm of the evidence, and its standard error.
    information : float or None
        From the prior to the posterior, nats; None for chains.
    ess : float or None
        Effective number of weighted draws; None for chains.
    modes : tuple[ModeView, ...]
        The one with most of the evidence first; empty for chains.
    """

    logz: float | None
    logz_error: float | None
    information: float | None = None
    ess: float | None = None
    modes: tuple[ModeView, ...] = ()


@dataclass(frozen=True, slots=True)
class PosteriorView:
    """Table, verdict, and evidence; an image has no table.

    Attributes
    ----------
    parameters : tuple[ParameterView, ...]
        The free ones, then the derived ones.
    verdict : VerdictView or None
        The assimilator's; None for a product that was made before verdicts existed.
    missing : tuple[str, ...]
        What a product without a verdict lacks, in the assimilator's own words.
    evidence : EvidenceView or None
        None for chains whose evidence was not measured, and for nested runs before the first is
        merged.
    """

    parameters: tuple[ParameterView, ...]
    verdict: VerdictView | None
    missing: tuple[str, ...]
    evidence: EvidenceView | None = None

    @property
    def has_chains(self) -> bool:
        """Whether there are diagnostics of chains to show."""
        return any(
            number is not None
            for one in self.parameters
            for number in (one.rhat, one.ess_bulk, one.ess_tail)
        )


def read_posterior(summary: Mapping[str, Any]) -> PosteriorView:
    """Read a product's summary, the parsed summary.json."""
    return PosteriorView(
        parameters=tuple(_parameter(item) for item in entries(summary, "parameters")),
        verdict=read_verdict(summary),
        missing=sentences(summary.get("missing")),
        evidence=_evidence(summary),
    )


def _evidence(summary: Mapping[str, Any]) -> EvidenceView | None:
    found = mapping(summary, "evidence")
    if not found:
        return None
    if "logz" not in found:
        # Chains have an estimate by importance sampling, and modes without parts of it.
        return EvidenceView(optional(found.get("value")), optional(found.get("mcse")))
    logz = mapping(found, "logz")
    return EvidenceView(
        logz=optional(logz.get("value")),
        logz_error=optional(logz.get("mcse")),
        information=optional(found.get("information")),
        ess=optional(found.get("ess")),
        modes=tuple(
            ModeView(
                share=_value(mode, "share"),
                share_error=optional(mapping(mode, "share").get("mcse")),
                logz=_value(mode, "logz"),
                logz_error=optional(mapping(mode, "logz").get("mcse")),
                log_likelihood_max=optional(mode.get("log_likelihood_max")),
            )
            for mode in entries(summary, "modes")
        ),
    )


def _parameter(item: Mapping[str, Any]) -> ParameterView:
    median = _value(item, "median")
    return ParameterView(
        name=str(item.get("name", "")),
        label=str(item.get("label") or item.get("name", "")),
        unit=str(item.get("unit") or ""),
        derived=item.get("derived") is True,
        median=median,
        plus=_value(item, "q84") - median,
        minus=median - _value(item, "q16"),
        mcse=optional(mapping(item, "median").get("mcse")),
        rhat=optional(item.get("rhat")),
        ess_bulk=optional(item.get("ess_bulk")),
        ess_tail=optional(item.get("ess_tail")),
        published=tuple(
            Published(
                parameter=str(item.get("name", "")),
                value=number(value.get("value")),
                plus=optional(value.get("plus")) or 0.0,
                minus=optional(value.get("minus")) or 0.0,
                source=str(value.get("source", "")),
            )
            for value in entries(item, "published")
        ),
    )


def _value(item: Mapping[str, Any], key: str) -> float:
    return number(mapping(item, key).get("value"))
