"""The cost of one unit, in counts that do not depend on a machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

# BOINC's elapsed-time limit is rsc_fpops_bound over the app version's flops, and clients turn a
# limit below 120 s into 12 h. Ten hours at 10 GFLOPS: a host so slow, so busy, or so wrong about
# its own speed that it needs more is better replaced; below that nothing honest is ever aborted.
MIN_FPOPS_BOUND = 3.6e14
BOUND_RATIO = 100.0


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one unit.

    Attributes
    ----------
    n_call : int
        Likelihood calls.
    fpops : float
        Floating-point operations, by the measure of BOINC's own benchmark (Whetstone).
    bytes_down : int
        Bytes a host downloads for this unit alone.
    bytes_shared : int
        Bytes a host downloads once for all units of the campaign.
    bytes_up : int
        Largest expected output, bytes.
    memory : float
        Working set, bytes (``rsc_memory_bound``).
    disk : float
        Slot directory, bytes (``rsc_disk_bound``).
    most_up : int, optional
        Largest output that an honest host may have, bytes, where `bytes_up` is the usual one.
    """

    n_call: int
    fpops: float
    bytes_down: int
    bytes_shared: int
    bytes_up: int
    memory: float
    disk: float
    most_up: int | None = None

    @property
    def fpops_bound(self) -> float:
        """``rsc_fpops_bound``: when a client gives up."""
        return max(BOUND_RATIO * self.fpops, MIN_FPOPS_BOUND)

    @property
    def max_nbytes(self) -> int:
        """Largest output accepted: half as much again as expected, and a megabyte."""
        if self.most_up is not None:
            return self.most_up + 2**20
        return math.ceil(1.5 * self.bytes_up) + 2**20
