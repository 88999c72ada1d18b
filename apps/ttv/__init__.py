"""Transit-timing inference: model, priors, likelihood and sampler of the app ``ttv_mcmc``."""

from __future__ import annotations
