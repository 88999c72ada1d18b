"""The questions that a quorum asks an application about its outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from boinc_project.unit import Unit
from boinc_project.verdict import Verdict

if TYPE_CHECKING:  # whoever judges nothing needs no numpy
    import numpy as np


class Check(Protocol):
    """Tells whether an output is well formed and self-consistent."""

    def __call__(self, unit: Unit, path: Path, inputs: Mapping[str, Path], /) -> Verdict:
        """Judge one output by itself.

        Parameters
        ----------
        unit : Unit
            What was asked for.
        path : Path
            The uploaded file.
        inputs : Mapping[str, Path]
            The unit's other input files, by logical name.
        """
        ...


class Compare(Protocol):
    """Tells whether two outputs say the same; symmetric in its paths."""

    def __call__(self, unit: Unit, path_a: Path, path_b: Path, /) -> Verdict:
        """Compare two outputs of one unit, each of which passed its check."""
        ...


class Audit(Protocol):
    """Tells whether a random part of an output is really what the unit asked for.

    The part is drawn with `rng` *after* the upload, from a seed that no volunteer knows, and
    computed again: a chain's segment from one stored state to the next must follow draw by draw. A
    host that fakes a fraction f of its parts is caught by an audit of k of them with a probability
    of at least ``1 - (1 - f)**k``. What it can neither confirm nor refuse, and whatever goes wrong,
    is inconclusive.
    """

    def __call__(
        self,
        unit: Unit,
        path: Path,
        inputs: Mapping[str, Path],
        /,
        *,
        rng: np.random.Generator,
        budget: float,
    ) -> Verdict:
        """Recompute parts of one output.

        Parameters
        ----------
        rng : numpy.random.Generator
            Chooses the parts. Its seed must be secret, and fresh for every audit.
        budget : float
            CPU seconds to spend, by this machine's clock. However many there are, no more than
            `validator.segments.AUDIT_SHARE` of the unit's compute is spent, but for one part, which
            is always looked at.

        Raises
        ------
        TransientError
            If the verdict should be asked for again later.
        """
        ...


class Referee(Protocol):
    """Tells which of two outputs that disagree is wrong, by computing what they disagree about.

    What it finds is better evidence than any number of outputs that agree: those who made them may
    have agreed, and the server's own computing agrees with nobody. Symmetric in its paths.
    """

    def __call__(
        self, unit: Unit, path_a: Path, path_b: Path, inputs: Mapping[str, Path], /
    ) -> tuple[Verdict, Verdict]:
        """Judge two outputs of one unit, each of which passed its check.

        Parameters
        ----------
        unit : Unit
            What was asked for.
        path_a, path_b : Path
            The uploaded files.
        inputs : Mapping[str, Path]
            The unit's other input files, by logical name.

        Returns
        -------
        tuple of Verdict
            One on each output. INVALID: a part of it was computed again and is another. VALID: all
            parts in which the two disagree were computed again, and its own are right. Else, and
            whatever goes wrong, it is inconclusive.

        Raises
        ------
        TransientError
            If the verdict should be asked for again later.
        """
        ...


class Judge(Protocol):
    """The answers of one application that a quorum asks for; `Application.judging` gives them."""

    @property
    def check(self) -> Check:
        """Judge one output by itself."""
        ...

    @property
    def compare(self) -> Compare:
        """Compare two outputs of a unit."""
        ...

    @property
    def audit(self) -> Audit | None:
        """Recompute a random part; None where the application has no audit."""
        ...

    @property
    def referee(self) -> Referee | None:
        """Recompute what two outputs disagree about; None where it cannot: others decide."""
        ...

    @property
    def length_is_known(self) -> Callable[[Unit], bool]:
        """Whether a unit's operations are known beforehand, or counted in its output.

        What comes too early for them is refused. Those of a nested run or a population are a guess.
        """
        ...

    @property
    def one_word_is_enough(self) -> Callable[[Unit], bool]:
        """Whether a host with a record may compute a unit alone.

        An audit computes a fiftieth of an output again. It finds what is wrong in a tenth of it
        soon, and what is wrong in one part of some hundred hardly ever. So few draws change no
        posterior, while one false tile is a false place in the sky, and one population is all of a
        second opinion.
        """
        ...

    @property
    def can_be_canonical(self) -> Callable[[Path], bool]:
        """Tell whether an output holds all that a canonical one must."""
        ...

    @property
    def credit(self) -> Callable[[Unit, Path], float]:
        """Return the cobblestones that a valid result of a unit earns.

        The canonical output is given for applications whose work is counted there.
        """
        ...
