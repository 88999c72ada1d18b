"""The journal of a search: the ends of all its fits, and the fit that is on its way.

A search decides with every fit which one comes next, but all that takes time are the fits. So a
search that was interrupted is repeated from its beginning, and takes from its journal the ends of
the fits that it had completed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Fitting:
    """A fit from n starts on its way.

    Attributes
    ----------
    w, points : ndarray
        float64 (n, n_dim), where it is, in both coordinates.
    residuals : ndarray
        float64 (n, n_residual), of the data.
    costs : ndarray
        float64 (n,), sums of squares.
    damping : ndarray
        float64 (n,), Marquardt's.
    idle : ndarray
        int64 (n,), iterations in a row that gained nothing.
    n_iteration : int
        Iterations done.
    n_call : int
        Points integrated in them.
    """

    w: Array
    points: Array
    residuals: Array
    costs: Array
    damping: Array
    idle: NDArray[np.int64]
    n_iteration: int = 0
    n_call: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The end of a fit.

    Attributes
    ----------
    key : str
        What was fitted; see `key_of`.
    w : ndarray
        float64 (n, n_dim).
    costs : ndarray
        float64 (n,).
    n_call : int
        Points integrated.
    """

    key: str
    w: Array
    costs: Array
    n_call: int


@dataclass(slots=True, eq=False)
class Journal:
    """The fits of one search, in their order.

    Attributes
    ----------
    fitted : list of Fitted
        Fits that are complete.
    going : Fitting | None
        The one on its way, if any, and the key of it in `going_key`.
    poll : Callable
        Called every fraction of a second; may raise to leave the search.
    noted : Callable
        Called after each iteration, when the journal is whole.
    """

    fitted: list[Fitted] = field(default_factory=list)
    going: Fitting | None = None
    going_key: str = ""
    poll: Callable[[], None] = lambda: None
    noted: Callable[[], None] = lambda: None
    _place: int = 0
    _stage: tuple[float, float] = (0.0, 0.0)
    _fraction: float = 0.0

    @property
    def n_call(self) -> int:
        """Points that all complete fits have integrated."""
        return sum(fit.n_call for fit in self.fitted)

    @property
    def fraction(self) -> float:
        """The share of the search that is done, 0 to 1."""
        return self._fraction

    def repeat(self) -> None:
        """Begin the search again: fits that are complete are taken from here."""
        self._place = 0

    def stage(self, begin: float, end: float) -> None:
        """Say which share of the whole search the next fits are."""
        self._stage = begin, end
        self._reach(begin)

    def kept(self, key: str) -> Fitted | None:
        """Return the next fit if it is complete; None if it is to be computed.

        What the journal holds of another search is dropped.
        """
        if self._place < len(self.fitted) and self.fitted[self._place].key == key:
            self._place += 1
            return self.fitted[self._place - 1]
        if self._place < len(self.fitted) or self.going_key != key:
            self.going, self.going_key = None, ""
        del self.fitted[self._place :]
        return None

    def note(self, key: str, now: Fitting, n_iteration: int) -> None:
        """Keep how far the fit is after an iteration, of `n_iteration` at most."""
        self.going, self.going_key = now, key
        begin, end = self._stage
        self._reach(begin + (end - begin) * now.n_iteration / n_iteration)
        self.noted()

    def _reach(self, fraction: float) -> None:
        # A stage may have several fits, each of which begins at its beginning.
        self._fraction = max(self._fraction, fraction)

    def complete(self, key: str, now: Fitting) -> Fitted:
        """Keep the end of a fit."""
        end = Fitted(key, now.w, now.costs, now.n_call)
        self.fitted.append(end)
        self._place += 1
        self.going, self.going_key = None, ""
        return end


def key_of(w: Array, moving: Mask, n_iteration: int, step: tuple[float, bool]) -> str:
    """Return the SHA-256 of all that tells one fit of a search from another, in hexadecimal."""
    digest = hashlib.sha256(f"{w.shape} {n_iteration} {step} ".encode())
    digest.update(np.ascontiguousarray(w).tobytes())
    digest.update(np.ascontiguousarray(moving).tobytes())
    return digest.hexdigest()
