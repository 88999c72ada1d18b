"""Which module merges the outputs of which app."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from assimilator.outputs import Canonical, Rejected
from boinc_project.campaign import Campaign
from boinc_project.errors import UnitError

_MODULES = {
    "reprojection": "assimilator.reprojection",
    "ttv_mcmc": "assimilator.ttv",
    "ttv_nested": "assimilator.nested",
}
"""Import paths, because the modules of one science need libraries that take seconds to import and
that the others never use."""


class Product(Protocol):
    """What every app's product offers to those who keep and show it."""

    @property
    def sampled(self) -> bool:
        """Whether it meets the campaign's stop rule: computing more is no use."""

    @property
    def converged(self) -> bool:
        """Whether it is all that the campaign wanted."""

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps it from that, one sentence each."""

    @property
    def draws(self) -> NDArray[np.float64] | None:
        """Draws of the free parameters, float64 (n_draw, n_dim); None if it is no posterior."""

    @property
    def n_draw(self) -> int:
        """Number of draws; 0 if it is no posterior."""

    @property
    def size(self) -> str:
        """How much is in it, for people: ``12,000 draws``, ``20 frames``."""

    @property
    def outcome(self) -> str:
        """Whether it is what the campaign wanted, or what is missing: sentences for people."""

    @property
    def n_unit(self) -> int:
        """Number of canonical outputs it was made of."""

    @property
    def digest(self) -> str:
        """SHA-256 of what the merging gave, in hexadecimal."""

    def summary(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""

    def provenance(self) -> dict[str, Any]:
        """Return where it comes from, as plain JSON values."""

    def write(self, directory: Path) -> None:
        """Write all files into `directory`; each appears whole or not at all."""


class AppAssimilator(Protocol):
    """What an assimilator module offers: one module an app."""

    def merge(
        self,
        campaign: Campaign,
        outputs: Sequence[Canonical],
        *,
        created_at: datetime,
        rejected: Sequence[Rejected] = (),
        jobs: int = 1,
    ) -> Product:
        """Merge the canonical outputs of a campaign, on so many processors at most.

        The order of the outputs does not matter.
        """
        ...


def get(app: str) -> AppAssimilator:
    """Return the assimilator of an app.

    Raises
    ------
    UnitError
        If no module merges this app's outputs.
    """
    if app not in _MODULES:
        raise UnitError(f"There is no assimilator for the app {app!r}.", app=app)
    return cast(AppAssimilator, import_module(_MODULES[app]))
