"""Which module merges the outputs of which app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from assimilator.outputs import Canonical, Rejected
from assimilator.product import Product
from boinc_project.campaign import Campaign
from boinc_project.errors import UnitError


class AppAssimilator(Protocol):
    """What an assimilator module offers: one module an app."""

    def merge(
        self,
        campaign: Campaign,
        outputs: Sequence[Canonical],
        *,
        created_at: datetime,
        rejected: Sequence[Rejected] = (),
    ) -> Product:
        """Merge the canonical outputs of a campaign; their order does not matter."""
        ...


def get(app: str) -> AppAssimilator:
    """Return the assimilator of an app.

    Raises
    ------
    UnitError
        If no module merges this app's outputs.
    """
    from assimilator import ttv

    modules: Mapping[str, AppAssimilator] = {"ttv_mcmc": ttv}
    if app not in modules:
        raise UnitError(f"There is no assimilator for the app {app!r}.", app=app)
    return modules[app]
