"""The answers that every application's product gives to those who keep and show it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # images have no draws
    import numpy as np
    from numpy.typing import NDArray


class Product(Protocol):
    """A product, whatever it is made of."""

    @property
    def sampled(self) -> bool:
        """Whether it meets the campaign's stop rule: computing more is no use."""

    @property
    def converged(self) -> bool:
        """Whether it is all that the campaign wanted."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Reasons why it is not, one sentence each."""

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
