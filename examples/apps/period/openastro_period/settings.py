"""The settings of a unit: what is searched, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boinc_project.errors import UnitError
from openastro_period.compute.transits import Transits
from openastro_period.grid import Grid, read_grid

MAX_TERMS, MAX_BOOTSTRAP = 6, 1_000_000


@dataclass(frozen=True, slots=True)
class Search:
    """A search for periods.

    Attributes
    ----------
    grid : Grid
        Frequencies of the periodogram.
    n_terms : int
        Harmonics of the model, beside its mean.
    bootstrap : int
        Resampled light curves of each target; 0: none.
    transits : Transits or None
        The search for transits; None if there is none.
    """

    grid: Grid
    n_terms: int
    bootstrap: int
    transits: Transits | None

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        transits = self.transits and {
            "grid": self.transits.grid.plain(),
            "durations": list(self.transits.durations),
            "fades": self.transits.fades,
        }
        return {
            "grid": self.grid.plain(),
            "n_terms": self.n_terms,
            "bootstrap": self.bootstrap,
            "transits": transits,
        }


def read_search(settings: Mapping[str, Any]) -> Search:
    """Return the search that settings describe.

    Raises
    ------
    UnitError
        If they are not those of this app.
    """
    n_terms, bootstrap = settings.get("n_terms"), settings.get("bootstrap")
    if type(n_terms) is not int or not 1 <= n_terms <= MAX_TERMS:
        raise UnitError("A unit has to state its number of terms.")
    if type(bootstrap) is not int or not 0 <= bootstrap <= MAX_BOOTSTRAP:
        raise UnitError("A unit has to state how many light curves are resampled.")
    transits = settings.get("transits")
    return Search(
        read_grid(settings.get("grid")), n_terms, bootstrap, transits and _transits(transits)
    )


def _transits(plain: Any) -> Transits:
    durations = plain.get("durations") if isinstance(plain, Mapping) else None
    if not isinstance(durations, list) or not durations:
        raise UnitError("A search for transits has to state their durations.")
    if not all(type(entry) in (int, float) and entry > 0 for entry in durations):
        raise UnitError("Durations of transits have to be positive.")
    return Transits(read_grid(plain.get("grid")), tuple(durations), bool(plain.get("fades")))
