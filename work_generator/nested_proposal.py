"""What runs with a proposal begin in: the pilot's fit, improved where that was poor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.ttv.likelihood import Posterior
from work_generator import pilot
from work_generator.importance import TRUSTED_EFFECTIVE, kish, log_mean, relative_error
from work_generator.modes import Mode
from work_generator.population import improved, last_look, proposal_settings


@dataclass(frozen=True, slots=True, eq=False)
class Beginning:
    """What a campaign's runs begin in, and what importance sampling says of their target.

    Attributes
    ----------
    settings : dict
        ``settings["sampler"]["proposal"]`` of the units.
    log_z : float
        Logarithm of the evidence, without the likelihood's constant.
    log_z_error : float | None
        Its standard error; None where it is Laplace's approximation.
    """

    settings: dict[str, Any]
    log_z: float
    log_z_error: float | None


def beginning_of_runs(
    flown: pilot.Pilot,
    modes: Sequence[Mode],
    posterior: Posterior,
    share: float,
    rng: np.random.Generator,
) -> Beginning:
    """Return what runs begin in: the pilot's fit, if enough of its draws are effective.

    Parameters
    ----------
    flown : Pilot
        What the pilot found.
    modes : sequence of Mode
        All that were kept.
    posterior : Posterior
        The target.
    share : float
        Part of the cube that is the proposal's.
    rng : Generator
        Decides the result.
    """
    if flown.effective >= TRUSTED_EFFECTIVE:
        settings = proposal_settings(flown.proposal, share)
        return Beginning(settings, flown.log_z, flown.log_z_error)
    fit = improved(flown.proposal, modes, posterior, rng, share=share)
    settings = proposal_settings(fit, share)
    _, logs = last_look(fit, posterior, rng)
    if kish(logs) < TRUSTED_EFFECTIVE:
        return Beginning(settings, flown.log_z, None)
    return Beginning(settings, log_mean(logs), relative_error(logs))
