"""How far a campaign of images is, whether its product is one image or one of each filter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar


class ImageOutcome(ABC):
    """The part of a product that follows from its number of frames, and from those that miss."""

    __slots__ = ()
    THING: ClassVar[str] = "the image"
    """The thing that frames are in, for people."""

    @property
    @abstractmethod
    def missing(self) -> tuple[str, ...]:
        """Reasons why it is not complete, one sentence each."""

    @property
    @abstractmethod
    def n_frame(self) -> int:
        """Number of frames in all stacks."""

    @property
    def sampled(self) -> bool:
        """Whether all frames are in: what ends a campaign of images."""
        return self.converged

    @property
    def converged(self) -> bool:
        """Whether all frames are in."""
        return not self.missing

    @property
    def draws(self) -> None:
        """None: images have no draws."""
        return

    @property
    def n_draw(self) -> int:
        """0: images have no draws."""
        return 0

    @property
    def outcome(self) -> str:
        """How far it is, one sentence."""
        if self.converged:
            return f"All {self.n_frame} frames are in {self.THING}."
        return " ".join(self.missing)
