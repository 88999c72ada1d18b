"""The sections of a campaign file that are about nested sampling, and the settings they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apps.nested.compute.settings import MAX_LIVE, MAX_WALKS, METHODS, least_live
from apps.ttv.plan.campaign_file import read_problem
from boinc_project.campaign import StopRule
from boinc_project.toml_source import TomlTable

SAMPLER_KEYS = ("n_live", "dlogz", "segment", "method", "walks", "batch", "proposal_share")
DEFAULT_DLOGZ = 0.01
"""A hundredth: far below the error of any evidence that a campaign reaches."""
STEPS_PER_PARAMETER = 24
"""Steps of a walk for each free parameter, where the file does not say.

dynesty's own rule, 20 more than there are parameters, is far too few for transit times: new points
then stay near old ones, and log Z is wrong by more than its error says. On Kepler-9 (10 parameters;
log Z = -163.7 by importance sampling) two runs with 60 steps said -179.7 and -180.9, one with 240
steps -159.2; the errors they claimed were 0.8."""
LEAST_WALK = 100
STEPS_WITH_PROPOSAL = 10
"""The same with a proposal, in whose coordinates the posterior is nearly flat; there is one
coordinate more. Three of ten steps stay in the cube."""
DEFAULT_SHARE = 0.8
"""Part of the cube that is the proposal's. It costs -log(share) = 0.2 e-folds and as many nats of
information, a share of one half 0.7; and every fifth point begins in the prior, so that a run of
250 has none in a tenth of the prior's volume with a probability of e^-5."""
DEFAULT_ERROR = 0.1
DEFAULT_ESS = 2000.0
"""Quantiles of 2.5 % are then known to a seventh of themselves."""


def read_sections(root: TomlTable, directory: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read the sections as for chains (`apps.ttv.plan.campaign_file`), with another sampler."""
    settings, inputs, n_dim = read_problem(root, directory)
    return {**settings, "sampler": _sampler(root, n_dim)}, inputs


def read_stop(root: TomlTable, max_units: int) -> StopRule:
    """Read [stop]: how well evidence and posterior are to be known."""
    table = root.optional_table("stop", ("logz_error", "ess"))
    error = table.positive("logz_error", default=DEFAULT_ERROR)
    ess = table.positive("ess", default=DEFAULT_ESS)
    return StopRule(max_units=max_units, logz_error=error, ess=ess)


def default_sampler(
    n_dim: int, share: float = DEFAULT_SHARE, n_live: int | None = None
) -> dict[str, Any]:
    """Return what a file says that leaves the rest of [sampler] out, for `n_dim` parameters."""
    has_proposal = share > 0.0
    n = max(250, least_live(n_dim, has_proposal=has_proposal)) if n_live is None else n_live
    walks = max(LEAST_WALK, STEPS_PER_PARAMETER * n_dim)
    return {
        "n_live": n,
        "dlogz": DEFAULT_DLOGZ,
        # Half the live points: the bounds are then fitted anew whenever a third of them is new.
        "segment": max(1, n // 2),
        "method": METHODS[0],
        "walks": STEPS_WITH_PROPOSAL * (n_dim + 1) if has_proposal else walks,
        # Larger batches waste more points: half of batch / n_live of them.
        "batch": min(32, n // 8),
        "proposal_share": share,
    }


def _sampler(root: TomlTable, n_dim: int) -> dict[str, Any]:
    table = root.optional_table("sampler", SAMPLER_KEYS)
    share = _share(table)
    least = least_live(n_dim, has_proposal=share > 0.0)
    usual = default_sampler(n_dim, share)
    n_live = table.integer("n_live", low=1, high=MAX_LIVE, default=usual["n_live"])
    if n_live < least:
        table.fail(
            "n_live",
            f"n_live = {n_live} is too few for {n_dim} free parameters: write {least} or more",
        )
    dlogz = table.positive("dlogz", default=DEFAULT_DLOGZ)
    if dlogz > 1:
        table.fail("dlogz", f"dlogz = {dlogz:g} leaves too much out: write 1 or less (good: 0.01)")
    method = table.text("method", example=METHODS[0], default=METHODS[0])
    if method not in METHODS:
        table.fail("method", f'there is no method "{method}": write one of {", ".join(METHODS)}')
    usual = default_sampler(n_dim, share, n_live)
    return {
        **usual,
        "dlogz": dlogz,
        "segment": table.integer("segment", low=1, high=n_live, default=usual["segment"]),
        "walks": table.integer("walks", low=2, high=MAX_WALKS, default=usual["walks"]),
        "batch": table.integer("batch", low=1, high=n_live // 4, default=usual["batch"]),
    }


def _share(table: TomlTable) -> float:
    share = table.number("proposal_share", default=DEFAULT_SHARE)
    if not 0.0 <= share < 1.0:
        table.fail(
            "proposal_share",
            f"proposal_share = {share:g} is not a part: write a number from 0 (the prior alone) "
            "to less than 1",
        )
    return share
